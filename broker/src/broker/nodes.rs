//! The listeners between nodes: those of the controller, where there is more than one node.
//!
//! Above: the composition root. Below: `net`, `request`, the controller's door. Served from before the controller starts, since
//! no voter gets to start without the others; ended with the controller.

use crate::{
    config::{BrokerConfig, Listener},
    controller::QuorumDoor,
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
    door: &QuorumDoor,
    limits: Limits,
    env: &Env,
    telemetry: &Telemetry,
) {
    if bound.is_empty() {
        return;
    }
    let services = NodeServices { door: door.clone() };
    let router = Arc::new(Router::for_nodes(services, telemetry.clone()));
    let serving = Serving::new(env.clone(), limits, router, telemetry.clone());
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
            CallOptions, Controller, ControllerOptions, CreateTopics, CreatedTopic, NewTopic, RegisterBroker,
        },
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
            serve(vec![bound], &door, limits, &env, &telemetry);
            let node_id = self.voters[place].node;
            let options = ControllerOptions {
                fs: Arc::new(RealFs),
                metadata_log_dir: self.directory(place),
                cluster_id: "cluster".into(),
                node_id,
                directory_id: Uuid(u128::try_from(place + 1).unwrap().to_be_bytes()),
                voters: self.voters.clone(),
                door,
                election_timeout: Duration::ZERO,
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
            CallOptions { deadline: self.env.clock.now().after(Duration::from_secs(10)), request_id: None }
        }

        async fn stop(self) {
            drop(self.controller);
            let clock = &self.env.clock;
            self.env.tasks.shutdown(clock, clock.now().after(Duration::from_secs(20))).await;
        }

        async fn register(&self, id: BrokerId) -> BrokerEpoch {
            let request = RegisterBroker {
                id,
                incarnation_id: Uuid([7; 16]),
                endpoints: Vec::new(),
                features: BTreeMap::from([(
                    "metadata.version".into(),
                    crate::metadata::FeatureRange { min: 1, max: 30 },
                )]),
                rack: None,
                directories: Vec::new(),
                ready: true,
            };
            self.controller.register_broker(request, self.soon()).await.unwrap()
        }

        async fn create(&self, name: &str) -> Result<CreatedTopic, crate::controller::ApiError> {
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

    /// The node that leads, once a topic has been created there: it is true then, and known to a majority.
    async fn create_at_leader(nodes: &[Option<Node>], name: &str) -> usize {
        let clock = nodes.iter().flatten().next().unwrap().env.clock.clone();
        let deadline = clock.now().after(PATIENCE);
        while clock.now() < deadline {
            for (place, node) in nodes.iter().enumerate() {
                let Some(node) = node else { continue };
                match node.create(name).await {
                    Ok(_) => return place,
                    Err(error) if error.code == ErrorCode::TopicAlreadyExists => return place,
                    // It does not lead, or not any more.
                    Err(error) => assert!(error.code.is_retriable(), "{error}"),
                }
            }
            clock.sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} cannot be created");
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
        serve(vec![bound.remove(0)], &QuorumDoor::new(), limits, &env, &telemetry);
        let (port, options) = (cluster.voters[0].address.port, ConnectionOptions::default());
        let tasks = Tasks(env.tasks.clone());
        let connection = Connection::connect(&TcpDialer, "127.0.0.1", port, &options, &tasks).await.unwrap();
        let served: Vec<i16> = connection.api_versions().api_keys.iter().map(|api| api.api_key).collect();
        assert_eq!(served, [18, 20_000, 20_001, 20_002, 20_003, 20_004]);
        let within = Duration::from_secs(10);
        let answer = connection.request_within(&DescribeVoterRequest::default(), within).await.unwrap();
        assert_eq!(answer.error_code, ErrorCode::BrokerNotAvailable.code());
        assert!(connection.request_within(&MetadataRequest::default(), within).await.is_err());
        drop(connection);
        env.tasks.shutdown(&env.clock, env.clock.now().after(Duration::from_secs(20))).await;
    }

    /// A quorum over sockets: founded, led, bereft of its leader, whole again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn three_nodes_over_sockets_outlive_their_leader() {
        let (cluster, bound) = Nodes::new(1_000);
        let mut nodes = cluster.start_all(bound).await;
        let first = nodes.iter().flatten().find(|node| {
            let status = node.controller.status();
            status.leader == Some(status.voter)
        });
        let epoch = first.unwrap().register(BrokerId(1)).await;
        assert!(0 < epoch.get());
        let leader = create_at_leader(&nodes, "before").await;
        for node in nodes.iter().flatten() {
            node.knows("before").await;
        }
        let follower = nodes[(leader + 1) % 3].as_ref().unwrap();
        let refused = follower.create("elsewhere").await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotController);
        assert_eq!(
            refused.message.as_ref(),
            format!("This node is not the controller; node {} is.", leader + 1)
        );

        nodes[leader].take().unwrap().stop().await;
        let new = create_at_leader(&nodes, "meanwhile").await;
        assert_ne!(new, leader);
        let back = cluster.start(leader, cluster.bind_again(leader)).await;
        // The start has waited for what was committed before it.
        assert!(back.controller.publisher().current().topics.by_name("meanwhile").is_some());
        nodes[leader] = Some(back);
        create_at_leader(&nodes, "after").await;
        for node in nodes.iter().flatten() {
            node.knows("after").await;
        }
        futures_util::future::join_all(nodes.into_iter().flatten().map(Node::stop)).await;
    }

    /// A node that was away for longer than the others keep their entries gets a snapshot over its socket.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_far_behind_is_sent_a_snapshot() {
        let (cluster, bound) = Nodes::new(10);
        let mut nodes = cluster.start_all(bound).await;
        let leader = nodes
            .iter()
            .position(|node| {
                let status = node.as_ref().unwrap().controller.status();
                status.leader == Some(status.voter)
            })
            .unwrap();
        nodes[leader].as_ref().unwrap().register(BrokerId(1)).await;
        let away = (leader + 1) % 3;
        nodes[away].take().unwrap().stop().await;
        for number in 0..60 {
            create_at_leader(&nodes, &format!("topic-{number}")).await;
        }
        let back = cluster.start(away, cluster.bind_again(away)).await;
        assert_eq!(back.controller.publisher().current().topics.iter().count(), 60);
        assert!(20 < back.controller.status().snapshot_index, "{:?}", back.controller.status());
        nodes[away] = Some(back);
        futures_util::future::join_all(nodes.into_iter().flatten().map(Node::stop)).await;
    }
}
