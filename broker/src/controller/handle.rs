//! The handle through which this node asks the controller, and how the controller starts.
//!
//! Every call has a deadline. When it has passed, the answer is REQUEST_TIMED_OUT and the outcome is *unknown*: the change
//! may still happen. A caller that wants to try again safely names the request; the controller remembers its answer.
//!
//! Above: handlers and the composition root. Below: `proposer`.

use super::{
    AllocateProducerIds, AlterConfigs, ApiError, BrokerWish, ConfigRules, CreatePartitions, CreateTopics,
    CreatedTopic, DeletedTopic, OfflineReplicas, ProducerIdBlock, RegisterBroker, StartError, TopicSelector,
    decide::{Surroundings, producer_ids::BLOCK_LEN},
    forward::{Forward, RequestDoor, Tried},
    liveness::Liveness,
    proposer::{Answered, Command, Proposer},
    quorum::{
        Failure, Listeners, MetadataQuorum, OpenedQuorum, ProposeError, QuorumDoor, QuorumOptions,
        QuorumStatus, VoterId,
    },
    request::{Done, ItemAnswer, Request},
};
use crate::{
    config::QuorumVoter,
    env::{Clock, Env, Moment, StopSignal, Tasks},
    metadata::{MetadataDelta, MetadataImage, MetadataPublisher},
    peers::TcpPeers,
    telemetry::SecondsHistogram,
};
use mainstem_protocol::{
    error::ErrorCode,
    model::{BrokerEpoch, BrokerId, ProducerId, Uuid},
};
use mainstem_storage::fs::Fs;
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that wait to be decided, at most; more wait to be sent.
const COMMANDS_MAX: usize = 1_024;

/// Deltas that wait for the publisher, at most.
const DELTAS_MAX: usize = 16;

/// A candidate needs longer than the slowest sync of a voter, or elections do not end.
const ELECTION_TIMEOUT_MIN: Duration = Duration::from_millis(1_500);

/// How long it may take to hear from a majority at the start before it is tried again.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(10);

/// Raising features at the start takes one commit; a disk that needs longer is not fit to start on.
const FEATURES_WAIT_MAX: Duration = Duration::from_mins(1);

/// What the controller of a node needs to start.
pub struct ControllerOptions {
    /// Where its files are written.
    pub fs: Arc<dyn Fs>,
    /// `metadata.log.dir`.
    pub metadata_log_dir: PathBuf,
    /// Id of the cluster, as formatted.
    pub cluster_id: Arc<str>,
    /// This node.
    pub node_id: BrokerId,
    /// Id of `metadata_log_dir`, as formatted.
    pub directory_id: Uuid,
    /// `controller.quorum.voters`, this node among them; empty = it is alone.
    pub voters: Vec<QuorumVoter>,
    /// Where the other voters knock; somebody has to lead them there before the start, since it waits for them.
    pub door: QuorumDoor,
    /// Where other nodes knock with changes.
    pub requests: RequestDoor,
    /// `controller.quorum.election.timeout.ms`; at least 1.5 s are used.
    pub election_timeout: Duration,
    /// `broker.session.timeout.ms`: a broker that is silent for so long is fenced, where there are several nodes.
    pub session_timeout: Duration,
    /// A snapshot is taken after so many entries.
    pub snapshot_entries: u64,
    /// What configurations may hold.
    pub rules: Arc<dyn ConfigRules>,
    /// Levels that features are raised to when this node leads; those of the newest version of a new cluster.
    pub features: Vec<(Arc<str>, i16)>,
    /// Measures commits, from proposing to applied.
    pub commit_seconds: SecondsHistogram,
}

/// When an answer must be there, and how a retry is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallOptions {
    /// Afterwards the outcome is unknown.
    pub deadline: Moment,
    /// Chosen at random by the caller, the same for each retry.
    pub request_id: Option<Uuid>,
}

/// A way to the controller. Cloning shares it.
#[derive(Clone)]
pub struct Controller {
    commands: mpsc::Sender<Command>,
    publisher: Arc<MetadataPublisher>,
    pub(super) clock: Clock,
    failure: Failure,
    status: Arc<dyn Fn() -> QuorumStatus + Send + Sync>,
    /// The way to the node that leads; `None` where this one is alone and always does.
    pub(super) forward: Option<Forward>,
    /// Which brokers live; `None` where this node is alone.
    pub(super) liveness: Option<Liveness>,
}

impl Controller {
    /// Starts the controller and waits until this node's image is as new as the log. Its tasks end with `env.tasks`. With
    /// several voters it waits for a majority of them.
    pub async fn start(options: ControllerOptions, env: &Env) -> Result<Self, StartError> {
        let others = options.voters.iter().filter(|voter| voter.node != options.node_id);
        let peers = TcpPeers::new(
            format!("mainstem-{}", options.node_id),
            others.map(|voter| (voter.node, voter.address.clone())),
            env.tasks.clone(),
            env.clock.clone(),
        );
        let mut nodes: Vec<BrokerId> = options.voters.iter().map(|voter| voter.node).collect();
        if nodes.is_empty() {
            nodes.push(options.node_id);
        }
        let alone = nodes.len() == 1;
        let quorum_options = QuorumOptions {
            fs: options.fs,
            directory: options.metadata_log_dir,
            cluster_id: options.cluster_id,
            voter: VoterId { node: options.node_id, directory: options.directory_id },
            nodes,
            election_timeout: options.election_timeout.max(ELECTION_TIMEOUT_MIN),
            snapshot_entries: options.snapshot_entries,
        };
        let opened = OpenedQuorum::open(quorum_options, env.clone()).await?;
        let (image, failure) = (opened.image(), opened.failure());
        let publisher = Arc::new(MetadataPublisher::new(Arc::clone(&image)));
        let (deltas_in, deltas) = mpsc::channel(DELTAS_MAX);
        env.tasks.spawn("metadata-publisher", publish(Arc::clone(&publisher), deltas, env.tasks.clone()));
        let (applied_in, applied) = watch::channel(image);
        let listeners = Listeners { applied: applied_in, deltas: deltas_in };
        let quorum = Arc::new(opened.start(listeners, peers, &options.door).await?);
        catch_up(quorum.as_ref(), &publisher, &env.clock).await?;

        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let proposer = Proposer {
            quorum: Arc::clone(&quorum),
            applied: applied.clone(),
            publisher: Arc::clone(&publisher),
            surroundings: Surroundings { random: env.random.clone(), rules: options.rules },
            clock: env.clock.clone(),
            tasks: env.tasks.clone(),
            commit_seconds: options.commit_seconds,
        };
        env.tasks.spawn("controller", proposer.run(commands, env.tasks.stop_signal()));
        let of_status = Arc::clone(&quorum);
        let controller = Self {
            commands: sender,
            publisher,
            clock: env.clock.clone(),
            failure,
            status: Arc::new(move || of_status.status()),
            liveness: (!alone).then(|| Liveness::new(options.session_timeout, env.clock.clone())),
            forward: (!alone).then(|| Forward { quorum: Arc::clone(&quorum), random: env.random.clone() }),
        };
        options.requests.open(controller.clone());
        if alone {
            controller.raise_features(options.features).await?;
        } else {
            let stop = env.tasks.stop_signal();
            let first = first_features(controller.clone(), quorum, options.features, applied, stop.clone());
            env.tasks.spawn("controller-features", first);
            if let Some(liveness) = controller.liveness.clone() {
                env.tasks.spawn("broker-sessions", liveness.watch(controller.clone(), stop));
            }
        }
        Ok(controller)
    }

    /// The images of this node.
    pub fn publisher(&self) -> &Arc<MetadataPublisher> {
        &self.publisher
    }

    /// Waits until the quorum of this node has failed, and says why. The process must end then.
    pub async fn failed(&self) -> Arc<str> {
        self.failure.failed().await
    }

    /// How the quorum stands.
    pub fn status(&self) -> QuorumStatus {
        (self.status)()
    }

    /// Creates topics; one answer for each, in order.
    pub async fn create_topics(
        &self,
        request: CreateTopics,
        options: CallOptions,
    ) -> Vec<Result<CreatedTopic, ApiError>> {
        let created = |done: Done| CreatedTopic {
            topic_id: done.topic_id,
            num_partitions: i32::try_from(done.value).unwrap_or(i32::MAX),
            replication_factor: done.replication_factor,
        };
        map(self.call(Request::CreateTopics(request), options).await, created)
    }

    /// Deletes topics; one answer for each, in order.
    pub async fn delete_topics(
        &self,
        topics: Vec<TopicSelector>,
        options: CallOptions,
    ) -> Vec<Result<DeletedTopic, ApiError>> {
        let deleted = |done: Done| DeletedTopic { name: done.name, topic_id: done.topic_id };
        map(self.call(Request::DeleteTopics(topics), options).await, deleted)
    }

    /// Gives topics more partitions; one answer for each, in order.
    pub async fn create_partitions(
        &self,
        request: CreatePartitions,
        options: CallOptions,
    ) -> Vec<Result<(), ApiError>> {
        map(self.call(Request::CreatePartitions(request), options).await, |_| ())
    }

    /// Changes configurations (AlterConfigs and IncrementalAlterConfigs); one answer for each resource, in order.
    pub async fn alter_configs(
        &self,
        request: AlterConfigs,
        options: CallOptions,
    ) -> Vec<Result<(), ApiError>> {
        map(self.call(Request::AlterConfigs(request), options).await, |_| ())
    }

    /// A block of producer ids that nobody else gets.
    pub async fn allocate_producer_ids(
        &self,
        request: AllocateProducerIds,
        options: CallOptions,
    ) -> Result<ProducerIdBlock, ApiError> {
        let done = self.call_one(Request::AllocateProducerIds(request), options).await?;
        Ok(ProducerIdBlock { first: ProducerId(done.value), len: BLOCK_LEN })
    }

    /// Registers a broker and answers its epoch.
    pub async fn register_broker(
        &self,
        request: RegisterBroker,
        options: CallOptions,
    ) -> Result<BrokerEpoch, ApiError> {
        let (id, incarnation) = (request.id, request.incarnation_id);
        let answered = self.send(Request::RegisterBroker(request), options).await?;
        answered.items.into_iter().next().unwrap_or_else(lost)?;
        match answered.image.broker(id) {
            Some(broker) if broker.incarnation_id == incarnation => Ok(broker.epoch),
            _ => Err(ApiError::new(
                ErrorCode::StaleBrokerEpoch,
                format!("Broker {id} has been registered anew."),
            )),
        }
    }

    /// Fences, unfences or relieves a registered broker.
    pub async fn change_broker(
        &self,
        id: BrokerId,
        epoch: BrokerEpoch,
        wish: BrokerWish,
        options: CallOptions,
    ) -> Result<(), ApiError> {
        self.call_one(Request::ChangeBroker { id, epoch, wish }, options).await.map(|_| ())
    }

    /// Takes leaderships and places in ISRs from replicas that are offline on a broker that lives on.
    pub async fn replicas_offline(
        &self,
        request: OfflineReplicas,
        options: CallOptions,
    ) -> Result<(), ApiError> {
        self.call_one(Request::OfflineReplicas(request), options).await.map(|_| ())
    }

    async fn raise_features(&self, features: Vec<(Arc<str>, i16)>) -> Result<(), StartError> {
        let deadline = self.clock.now().after(FEATURES_WAIT_MAX);
        let raised =
            self.call_one(Request::RaiseFeatures(features), CallOptions { deadline, request_id: None }).await;
        raised.map(|_| ()).map_err(|error| StartError::Raft(error.to_string()))
    }

    async fn call_one(&self, request: Request, options: CallOptions) -> ItemAnswer {
        self.call(request, options).await.into_iter().next().unwrap_or_else(lost)
    }

    /// One answer for each item, whatever happens.
    async fn call(&self, request: Request, options: CallOptions) -> Vec<ItemAnswer> {
        let items = request.items();
        match self.send(request, options).await {
            Ok(answered) => answered.items,
            Err(error) => vec![Err(error); items],
        }
    }

    /// Has the node that leads carry out a request. Where it is not clear who that is, or what became of the request, it is asked
    /// again under the same id, until the deadline.
    async fn send(&self, request: Request, options: CallOptions) -> Result<Answered, ApiError> {
        let Some(forward) = &self.forward else { return self.send_here(request, options).await };
        let id = options.request_id.unwrap_or_else(|| forward.new_id());
        let sent = self.send_to_leader(forward, request, CallOptions { request_id: Some(id), ..options }, id);
        self.clock.before(options.deadline, sent).await.unwrap_or_else(|| Err(unknown()))
    }

    async fn send_to_leader(
        &self,
        forward: &Forward,
        request: Request,
        options: CallOptions,
        id: Uuid,
    ) -> Result<Answered, ApiError> {
        loop {
            let QuorumStatus { leader, voter, .. } = forward.status();
            match leader {
                Some(leader) if leader == voter => {
                    let answered = self.send_here(request.clone(), options).await?;
                    if answered.undecided().is_none() {
                        return Ok(answered);
                    }
                }
                Some(leader) => {
                    let within = options.deadline.since(self.clock.now());
                    match forward.ask(leader, &request, id, within).await {
                        Tried::Answered(items, index) => {
                            // Whoever asks here looks here next.
                            self.publisher.wait_for(index).await;
                            return Ok(Answered { items, image: self.publisher.current() });
                        }
                        Tried::Impossible(error) => return Err(error),
                        Tried::Again => {}
                    }
                }
                None => {}
            }
            forward.news().await;
        }
    }

    /// Asks the controller of this node, whether or not it leads.
    pub(super) async fn send_here(
        &self,
        request: Request,
        options: CallOptions,
    ) -> Result<Answered, ApiError> {
        let (answer, answered) = oneshot::channel();
        let command = Command { request, request_id: options.request_id, answer };
        let round_trip = async {
            self.commands.send(command).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())
        };
        self.clock.before(options.deadline, round_trip).await.unwrap_or_else(|| Err(unknown()))
    }
}

/// Hands deltas to the publisher, one by one, where listeners may block.
async fn publish(publisher: Arc<MetadataPublisher>, mut deltas: mpsc::Receiver<MetadataDelta>, tasks: Tasks) {
    // Ends when the quorum has stopped, which drops the other end.
    while let Some(delta) = deltas.recv().await {
        let publisher = Arc::clone(&publisher);
        if tasks.blocking(move || publisher.publish(&delta)).await.is_err() {
            return;
        }
    }
}

/// Has an entry of this run written and waits until it is published: then everything committed before is, too. A leader that
/// goes on in its old term after a restart has committed nothing yet that would prove that.
async fn catch_up(
    quorum: &impl MetadataQuorum,
    publisher: &MetadataPublisher,
    clock: &Clock,
) -> Result<(), StartError> {
    let index = loop {
        // A leader that was cut off may never hear what became of its entry.
        match clock.before(clock.now().after(CATCH_UP_WITHIN), quorum.barrier()).await {
            Some(Ok(index)) => break index,
            Some(Err(error @ ProposeError::Failed(_))) => return Err(StartError::Raft(error.to_string())),
            // Nobody leads yet; or this voter does, and its vote is on its way to the disk, until when it refuses.
            Some(Err(ProposeError::NotLeader { .. } | ProposeError::Unknown)) | None => quorum.news().await,
        }
    };
    publisher.wait_for(index).await;
    Ok(())
}

/// Gives a new cluster of several voters its features: whoever leads while there are none does it. Ends when they are there.
async fn first_features(
    controller: Controller,
    quorum: Arc<impl MetadataQuorum>,
    features: Vec<(Arc<str>, i16)>,
    mut applied: watch::Receiver<Arc<MetadataImage>>,
    mut stop: StopSignal,
) {
    while applied.borrow_and_update().features.is_empty() {
        let status = quorum.status();
        let raised = async {
            if status.leader != Some(status.voter) {
                quorum.news().await;
            } else if let Err(error) = controller.raise_features(features.clone()).await {
                tracing::info!(target: "mainstem::controller", %error, "the features of the cluster are not set yet");
            }
        };
        tokio::select! {
            biased;
            () = stop.given() => return,
            () = raised => {}
        }
    }
}

fn map<T>(answers: Vec<ItemAnswer>, done: impl Fn(Done) -> T) -> Vec<Result<T, ApiError>> {
    answers.into_iter().map(|answer| answer.map(&done)).collect()
}

fn unknown() -> ApiError {
    let message = "The controller has not answered in time; whether the change happens is unknown.";
    ApiError::new(ErrorCode::RequestTimedOut, message)
}

fn gone() -> ApiError {
    ApiError::new(ErrorCode::NotController, "The controller of this node has stopped.")
}

fn lost<T>() -> Result<T, ApiError> {
    Err(ApiError::new(ErrorCode::UnknownServerError, "The request has no answer."))
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("status", &self.status()).finish_non_exhaustive()
    }
}
