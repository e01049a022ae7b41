//! The listeners between nodes: those of the controller, where there is more than one node.
//!
//! Above: the composition root. Below: `net`, `request`, the controller's door. Served from before the controller starts, since
//! no voter gets to start without the others; ended with the controller.

use crate::{
    config::{BrokerConfig, Listener},
    env::Env,
    handlers::NodeServices,
    net::{BoundListener, Limits, Serving},
    request::Router,
    telemetry::Telemetry,
};
use std::sync::Arc;

/// What is to be listened on for other nodes; nothing where there are none.
pub(super) fn listeners(config: &BrokerConfig) -> Vec<Listener> {
    if config.quorum.voters.is_empty() { Vec::new() } else { config.listeners.controllers.clone() }
}

/// Serves other nodes until the tasks of `env` are stopped.
pub(super) fn serve(
    bound: Vec<BoundListener>,
    services: NodeServices,
    limits: Limits,
    env: &Env,
    telemetry: &Telemetry,
) {
    if bound.is_empty() {
        return;
    }
    let router = Arc::new(Router::for_nodes(services, telemetry.clone()));
    let serving = Serving::new(env.clone(), limits.between_nodes(), router, telemetry.clone());
    for listener in bound {
        listener.serve(&serving);
    }
}

#[cfg(test)]
mod tests {
    //! Three controllers that talk over sockets on free ports, as three nodes would.

    use super::super::config_rules::BrokerConfigRules;
    use super::*;
    use crate::{
        config::{HostPort, QuorumVoter},
        controller::{
            ApiError, CallOptions, Controller, ControllerOptions, CreateTopics, CreatedTopic, NewTopic,
            QuorumDoor, RegisterBroker, RequestDoor, SignOfLife,
        },
        metadata::FeatureRange,
        telemetry::{BuildInfo, SecondsHistogram},
    };
    use mainstem_client::{
        Spawn,
        connection::{Connection, ConnectionOptions, TcpDialer},
    };
    use mainstem_protocol::{
        error::ErrorCode,
        messages::{metadata::MetadataRequest, quorum::describe_voter::DescribeVoterRequest},
        model::{BrokerEpoch, BrokerId, Uuid},
    };
    use mainstem_storage::fs::RealFs;
    use std::{collections::BTreeMap, path::PathBuf, time::Duration};
    use tempfile::TempDir;

    const PATIENCE: Duration = Duration::from_mins(1);
    /// Short, so that a test need not wait; long enough for a slow machine.
    const SESSION: Duration = Duration::from_secs(2);

    struct Node {
        env: Env,
        controller: Controller,
    }

    struct Nodes {
        folder: TempDir,
        voters: Vec<QuorumVoter>,
        config: Arc<BrokerConfig>,
        snapshot_entries: u64,
    }

    impl Nodes {
        /// Three folders, and three sockets whose ports everybody knows.
        fn new(snapshot_entries: u64) -> (Self, Vec<BoundListener>) {
            let limits = Limits::new(BrokerConfig::default().network);
            let listener = Listener { advertised: None, ..Listener::plaintext("CONTROLLER", "127.0.0.1", 0) };
            let bound: Vec<_> = (0..3).map(|_| BoundListener::bind(&listener, &limits).unwrap()).collect();
            let voters = bound.iter().zip(1..).map(|(bound, id)| QuorumVoter {
                node: BrokerId(id),
                address: HostPort::new("127.0.0.1", bound.address().port()),
            });
            let nodes = Self {
                folder: tempfile::tempdir().unwrap(),
                voters: voters.collect(),
                config: Arc::new(BrokerConfig::default()),
                snapshot_entries,
            };
            (nodes, bound)
        }

        fn directory(&self, place: usize) -> PathBuf {
            self.folder.path().join(place.to_string())
        }

        async fn start(&self, place: usize, bound: BoundListener) -> Node {
            let env = Env::system("node");
            std::fs::create_dir_all(self.directory(place)).unwrap();
            let build = BuildInfo { version: "", revision: "", rustc: "" };
            let telemetry = Telemetry::new(build, self.config.metrics.clone());
            let door = QuorumDoor::new();
            let limits = Limits::new(self.config.network.clone());
            let requests = RequestDoor::new();
            let services = NodeServices { door: door.clone(), requests: requests.clone() };
            serve(vec![bound], services, limits, &env, &telemetry);
            let node_id = self.voters[place].node;
            let options = ControllerOptions {
                fs: Arc::new(RealFs),
                metadata_log_dir: self.directory(place),
                cluster_id: "cluster".into(),
                node_id,
                directory_id: Uuid(u128::try_from(place + 1).unwrap().to_be_bytes()),
                voters: self.voters.clone(),
                door,
                requests,
                election_timeout: Duration::ZERO,
                session_timeout: SESSION,
                snapshot_entries: self.snapshot_entries,
                rules: Arc::new(BrokerConfigRules::new(Arc::clone(&self.config))),
                features: vec![("metadata.version".into(), 29)],
                commit_seconds: SecondsHistogram::default(),
            };
            Node { controller: Controller::start(options, &env).await.unwrap(), env }
        }

        async fn start_all(&self, bound: Vec<BoundListener>) -> Vec<Option<Node>> {
            let starting = bound.into_iter().enumerate().map(|(place, bound)| self.start(place, bound));
            futures_util::future::join_all(starting).await.into_iter().map(Some).collect()
        }

        /// Listens again where the node at `place` did.
        fn bind_again(&self, place: usize) -> BoundListener {
            let port = self.voters[place].address.port;
            let listener =
                Listener { advertised: None, ..Listener::plaintext("CONTROLLER", "127.0.0.1", port) };
            BoundListener::bind(&listener, &Limits::new(self.config.network.clone())).unwrap()
        }
    }

    impl Node {
        fn soon(&self) -> CallOptions {
            CallOptions { deadline: self.env.clock.now().after(PATIENCE), request_id: None }
        }

        async fn stop(self) {
            drop(self.controller);
            let clock = &self.env.clock;
            self.env.tasks.shutdown(clock, clock.now().after(Duration::from_secs(20))).await;
        }

        async fn register(&self, id: BrokerId) -> BrokerEpoch {
            self.register_as(id, 7, true).await.unwrap()
        }

        async fn register_as(&self, id: BrokerId, process: u8, ready: bool) -> Result<BrokerEpoch, ApiError> {
            let request = RegisterBroker {
                id,
                incarnation_id: Uuid([process; 16]),
                endpoints: Vec::new(),
                features: BTreeMap::from([("metadata.version".into(), FeatureRange { min: 1, max: 30 })]),
                rack: None,
                directories: Vec::new(),
                ready,
            };
            self.controller.register_broker(request, self.soon()).await
        }

        /// Gives signs of life until one counts, and says whether the broker is fenced then.
        async fn give_sign(&self, id: BrokerId, epoch: BrokerEpoch) -> Result<bool, ApiError> {
            let applied_index = self.controller.publisher().applied_index();
            let sign = SignOfLife { epoch, applied_index, wants_fence: false, wants_shutdown: false };
            let deadline = self.env.clock.now().after(PATIENCE);
            loop {
                match self.controller.keep_alive(id, sign, Duration::from_secs(1)).await {
                    Ok(seen) => return Ok(seen.is_fenced),
                    Err(error) if error.code == ErrorCode::StaleBrokerEpoch => return Err(error),
                    Err(error) => assert!(self.env.clock.now() < deadline, "{error}"),
                }
                self.env.clock.sleep(Duration::from_millis(20)).await;
            }
        }

        fn is_fenced(&self, id: BrokerId) -> bool {
            self.controller.publisher().current().broker(id).unwrap().fenced
        }

        async fn create(&self, name: &str) -> Result<CreatedTopic, ApiError> {
            let topic = NewTopic { replication_factor: 1, ..NewTopic::with_defaults(name.into()) };
            let request = CreateTopics { topics: vec![topic], validate_only: false };
            self.controller.create_topics(request, self.soon()).await.remove(0)
        }

        /// Waits until this node knows a topic.
        async fn knows(&self, name: &str) {
            let publisher = Arc::clone(self.controller.publisher());
            let clock = &self.env.clock;
            let known = async {
                while publisher.current().topics.by_name(name).is_none() {
                    publisher.wait_for(publisher.applied_index() + 1).await;
                }
            };
            clock
                .before(clock.now().after(PATIENCE), known)
                .await
                .unwrap_or_else(|| panic!("{name} never comes"));
        }
    }

    /// The place of the node that leads.
    fn leading(nodes: &[Option<Node>]) -> usize {
        let leader = nodes.iter().flatten().find_map(|node| node.controller.status().leader).unwrap();
        usize::try_from(leader.node.get()).unwrap() - 1
    }

    /// Other nodes are told what is served to them, and clients nothing. Before its voter is there, the door says so.
    #[tokio::test]
    async fn only_nodes_are_served_between_nodes() {
        struct Tasks(crate::env::Tasks);
        impl Spawn for Tasks {
            fn spawn(&self, name: &'static str, task: futures_util::future::BoxFuture<'static, ()>) {
                self.0.spawn(name, task);
            }
        }
        let (cluster, mut bound) = Nodes::new(10);
        let env = Env::system("node");
        let build = BuildInfo { version: "", revision: "", rustc: "" };
        let telemetry = Telemetry::new(build, cluster.config.metrics.clone());
        let limits = Limits::new(cluster.config.network.clone());
        let services = NodeServices { door: QuorumDoor::new(), requests: RequestDoor::new() };
        serve(vec![bound.remove(0)], services, limits, &env, &telemetry);
        let (port, options) = (cluster.voters[0].address.port, ConnectionOptions::default());
        let tasks = Tasks(env.tasks.clone());
        let connection = Connection::connect(&TcpDialer, "127.0.0.1", port, &options, &tasks).await.unwrap();
        let served: Vec<i16> = connection.api_versions().api_keys.iter().map(|api| api.api_key).collect();
        assert_eq!(served, [18, 20_000, 20_001, 20_002, 20_003, 20_004, 20_005, 20_006]);
        let within = Duration::from_secs(10);
        let answer = connection.request_within(&DescribeVoterRequest::default(), within).await.unwrap();
        assert_eq!(answer.error_code, ErrorCode::BrokerNotAvailable.code());
        assert!(connection.request_within(&MetadataRequest::default(), within).await.is_err());
        drop(connection);
        env.tasks.shutdown(&env.clock, env.clock.now().after(Duration::from_secs(20))).await;
    }

    /// A quorum over sockets: founded, led, bereft of its leader, whole again. Whatever is asked of any of its nodes is done by the
    /// one that leads, once, and seen by the node that was asked.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn three_nodes_over_sockets_outlive_their_leader() {
        let (cluster, bound) = Nodes::new(1_000);
        let mut nodes = cluster.start_all(bound).await;
        let leader = leading(&nodes);
        let follower = nodes[(leader + 1) % 3].as_ref().unwrap();
        let other = nodes[(leader + 2) % 3].as_ref().unwrap();
        let epoch = follower.register(BrokerId(1)).await;
        assert_eq!(follower.controller.publisher().current().broker(BrokerId(1)).unwrap().epoch, epoch);
        let created = follower.create("before").await.unwrap();
        let image = follower.controller.publisher().current();
        assert_eq!(image.topics.by_name("before").unwrap().id, created.topic_id);
        other.knows("before").await;
        let refused = other.create("before").await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::TopicAlreadyExists, "{refused}");

        // Asked while the leader goes: each is done once, or it would be told that the topic exists already.
        let names: Vec<String> = (0..20).map(|number| format!("meanwhile-{number}")).collect();
        let stopped = nodes[leader].take().unwrap();
        let creating = names.iter().zip([1, 2].into_iter().cycle()).map(|(name, step)| {
            let node = nodes[(leader + step) % 3].as_ref().unwrap();
            node.create(name)
        });
        let (created, ()) = tokio::join!(futures_util::future::join_all(creating), stopped.stop());
        for created in created {
            created.unwrap();
        }
        assert_ne!(leading(&nodes), leader);

        let back = cluster.start(leader, cluster.bind_again(leader)).await;
        // The start has waited for what was committed before it.
        let image = back.controller.publisher().current();
        assert!(names.iter().all(|name| image.topics.by_name(name).is_some()));
        back.create("after").await.unwrap();
        nodes[leader] = Some(back);
        for node in nodes.iter().flatten() {
            node.knows("after").await;
        }
        futures_util::future::join_all(nodes.into_iter().flatten().map(Node::stop)).await;
    }

    /// The same request under the same id is answered as it was, whichever node it goes through.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_retry_through_another_node_gets_the_first_answer() {
        let (cluster, bound) = Nodes::new(1_000);
        let nodes = cluster.start_all(bound).await;
        nodes[0].as_ref().unwrap().register(BrokerId(1)).await;
        let topic = NewTopic { replication_factor: 1, ..NewTopic::with_defaults("orders".into()) };
        let request = CreateTopics { topics: vec![topic], validate_only: false };
        let mut answers = Vec::new();
        for node in nodes.iter().flatten() {
            let options = CallOptions { request_id: Some(Uuid([9; 16])), ..node.soon() };
            answers.push(node.controller.create_topics(request.clone(), options).await.remove(0).unwrap());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        futures_util::future::join_all(nodes.into_iter().flatten().map(Node::stop)).await;
    }

    /// Brokers lead once they have been heard of; who is silent for a session is fenced, and back with the next sign under the same
    /// epoch. The place of one that lives is not given away, and one whose place was given away hears of it. A new leader fences
    /// nobody that goes on giving signs.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn silent_brokers_are_fenced_and_those_that_live_are_not() {
        let (cluster, bound) = Nodes::new(1_000);
        let mut nodes = cluster.start_all(bound).await;
        let leader = leading(&nodes);
        let [one, two] = [(leader + 1) % 3, (leader + 2) % 3];
        let id = |place: usize| cluster.voters[place].node;
        let mut epochs = BTreeMap::new();
        for place in [one, two] {
            let node = nodes[place].as_ref().unwrap();
            epochs.insert(place, node.register_as(id(place), 1, false).await.unwrap());
            assert!(node.is_fenced(id(place)), "nobody has heard of it yet");
            assert_eq!(node.give_sign(id(place), epochs[&place]).await, Ok(false));
        }
        let speaking = nodes[one].as_ref().unwrap();
        let taken = speaking.register_as(id(two), 2, false).await.unwrap_err();
        assert_eq!(
            taken.code,
            ErrorCode::DuplicateBrokerRegistration,
            "its place is not free while it lives"
        );
        // Only `one` goes on giving signs.
        let deadline = speaking.env.clock.now().after(PATIENCE);
        while !speaking.is_fenced(id(two)) {
            assert_eq!(speaking.give_sign(id(one), epochs[&one]).await, Ok(false));
            assert!(speaking.env.clock.now() < deadline, "silence has no end");
            speaking.env.clock.sleep(SESSION / 10).await;
        }
        let silent = nodes[two].as_ref().unwrap();
        assert_eq!(silent.give_sign(id(two), epochs[&two]).await, Ok(false), "and it is back");

        nodes[leader].take().unwrap().stop().await;
        let clock = nodes[one].as_ref().unwrap().env.clock.clone();
        let deadline = clock.now().after(SESSION * 3);
        while clock.now() < deadline {
            for place in [one, two] {
                let given = nodes[place].as_ref().unwrap().give_sign(id(place), epochs[&place]).await;
                assert_eq!(given, Ok(false));
            }
            clock.sleep(SESSION / 10).await;
        }
        // The broker of the node that is gone was never registered; that of `two` is replaced once it is silent.
        let speaking = nodes[one].as_ref().unwrap();
        let replaced = loop {
            speaking.give_sign(id(one), epochs[&one]).await.unwrap();
            match speaking.register_as(id(two), 2, false).await {
                Ok(epoch) => break epoch,
                Err(error) => assert_eq!(error.code, ErrorCode::DuplicateBrokerRegistration),
            }
            clock.sleep(SESSION / 10).await;
        };
        assert!(epochs[&two] < replaced);
        let stale = nodes[two].as_ref().unwrap().give_sign(id(two), epochs[&two]).await.unwrap_err();
        assert_eq!(stale.code, ErrorCode::StaleBrokerEpoch);
        futures_util::future::join_all(nodes.into_iter().flatten().map(Node::stop)).await;
    }

    /// Without a majority nothing is answered but that the outcome is unknown, at the deadline.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_a_majority_the_outcome_is_unknown() {
        let (cluster, bound) = Nodes::new(1_000);
        let mut nodes = cluster.start_all(bound).await;
        nodes[0].as_ref().unwrap().register(BrokerId(1)).await;
        let last = nodes.pop().unwrap().unwrap();
        futures_util::future::join_all(nodes.into_iter().flatten().map(Node::stop)).await;
        let deadline = last.env.clock.now().after(Duration::from_millis(500));
        let topics = vec![NewTopic { replication_factor: 1, ..NewTopic::with_defaults("orders".into()) }];
        let request = CreateTopics { topics, validate_only: false };
        let options = CallOptions { deadline, request_id: None };
        let refused = last.controller.create_topics(request, options).await.remove(0).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RequestTimedOut, "{refused}");
        last.stop().await;
    }

    /// A node that was away for longer than the others keep their entries gets a snapshot over its socket.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_far_behind_is_sent_a_snapshot() {
        let (cluster, bound) = Nodes::new(10);
        let mut nodes = cluster.start_all(bound).await;
        let leader = leading(&nodes);
        let (asked, away) = ((leader + 1) % 3, (leader + 2) % 3);
        nodes[asked].as_ref().unwrap().register(BrokerId(1)).await;
        nodes[away].take().unwrap().stop().await;
        for number in 0..60 {
            nodes[asked].as_ref().unwrap().create(&format!("topic-{number}")).await.unwrap();
        }
        let back = cluster.start(away, cluster.bind_again(away)).await;
        assert_eq!(back.controller.publisher().current().topics.iter().count(), 60);
        assert!(20 < back.controller.status().snapshot_index, "{:?}", back.controller.status());
        nodes[away] = Some(back);
        futures_util::future::join_all(nodes.into_iter().flatten().map(Node::stop)).await;
    }
}
