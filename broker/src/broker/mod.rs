//! The broker as a whole: what is started in which order, who is plugged into whom, and how it all ends.
//!
//! Above: nobody in this crate; the binary and tests. Below: everyone.
//!
//! ```text
//! start                                            shutdown
//! 1 bind every address (nothing changed yet)       1 say "not ready"
//! 2 answer health and metrics over HTTP            2 stop accepting, answer what is in flight
//! 3 lock and open the log directories              3 stop the controller and the background
//! 4 start the controller, catch up with metadata;  4 flush and close the logs, mark them clean
//!   of several voters each answers the others from here on
//! 5 open the logs that the metadata names          5 stop answering over HTTP
//! 6 register: leaderships follow, once the broker
//!   is taken in by a cluster of several
//! 7 accept connections
//! ```
//!
//! In reading order: this file, `options` (what a broker is given besides its configuration), `life` (how far it is),
//! `storage` (its directories), `nodes` (the listeners between nodes), `membership`
//! (its place among other brokers), `groups` (the coordinator of groups), `failure` (what ends it early), `config_rules` (configuration behind the controller's
//! seam), `overview` (what health and metrics are told), `measure` and `group_numbers` with `lag_times` (the numbers in it).

mod config_rules;
mod failure;
mod group_numbers;
mod groups;
mod lag_times;
mod life;
mod measure;
mod membership;
mod nodes;
mod options;
mod overview;
mod storage;

pub use options::StartOptions;

use crate::{
    admin::AdminServer,
    config::{BrokerConfig, Listener, SecurityProtocol},
    controller::{self, Controller, ControllerOptions, QuorumDoor, RegisterBroker, RequestDoor},
    env::{Env, Tasks},
    handlers::{self, NodeServices, Services},
    metadata::{Endpoint, FeatureRange},
    net::{BindError, BoundListener, Limits, Serving},
    partition::Partitions,
    request::Router,
    telemetry::Telemetry,
};
use config_rules::BrokerConfigRules;
use life::Phase;
use mainstem_protocol::model::{BrokerEpoch, Uuid};
use mainstem_storage::{OpenError, fs::Fs};
use membership::Membership;
use overview::{Overview, Rooms};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use storage::Storage;

/// How long the registration may take; it is one commit.
const REGISTER_WITHIN: Duration = Duration::from_secs(30);
/// How long background tasks may take to end once connections are drained.
const BACKGROUND_WITHIN: Duration = Duration::from_secs(10);
/// How long requests over HTTP may take to end.
const ADMIN_WITHIN: Duration = Duration::from_secs(5);
/// Metadata entries between two snapshots.
const SNAPSHOT_ENTRIES: u64 = 10_000;

/// Why a broker did not start. Nothing was changed unless the log directories were opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The address of health and metrics cannot be listened on.
    #[error("cannot listen on {address} (mainstem.admin.listen): {source}")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listener asks for what is not served.
    #[error("listener {name}: {protocol} is not served yet")]
    Unsecured {
        /// Name of the listener.
        name: String,
        /// What it asks for.
        protocol: SecurityProtocol,
    },
    /// Several voters, a new data directory, and no id that all of them would agree on.
    #[error(
        "the nodes of a cluster have to be given one id, since each would make one of its own (variable CLUSTER_ID)"
    )]
    NoClusterId {
        /// An id that nobody has yet.
        example: String,
    },
    /// A data directory cannot be made.
    #[error("cannot create the data directory {}: {source}", path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A data directory cannot be used.
    #[error(transparent)]
    LogDirectory(#[from] OpenError),
    /// The metadata log cannot be used.
    #[error(transparent)]
    Controller(#[from] controller::StartError),
    /// The controller did not take this broker in.
    #[error("registration failed: {0}")]
    Registration(controller::ApiError),
    /// The runtime is going down.
    #[error(transparent)]
    Blocking(#[from] crate::env::BlockingError),
}

/// Starts brokers.
pub struct Broker;

impl Broker {
    /// Starts a broker inside the current tokio runtime and returns once it serves. Several may run in one process.
    pub async fn start(config: BrokerConfig) -> Result<RunningBroker, StartError> {
        Self::start_with(config, StartOptions::default()).await
    }

    /// As [`Broker::start`], with what a program or a test gives besides the configuration. When it fails, nothing of the
    /// broker runs any more.
    pub async fn start_with(
        config: BrokerConfig,
        options: StartOptions,
    ) -> Result<RunningBroker, StartError> {
        let (config, env) = (Arc::new(config), options.env);
        let limits = Limits::new(config.network.clone());
        let bound = bind(config.listeners.clients.clone(), &limits, &env).await?;
        let between_nodes = bind(nodes::listeners(&config), &limits, &env).await?;
        let admin = bind_admin(&config).await?;

        let telemetry = Telemetry::new(options.build, config.metrics.clone());
        let house = House {
            // Connections end before anything that they need, and health answers until everything has ended: both have a
            // set of tasks of their own.
            net_env: Env { tasks: Tasks::new("net"), ..env.clone() },
            admin_env: Env { tasks: Tasks::new("admin"), ..env.clone() },
            overview: Overview::new(&config, env.clock.clone(), telemetry.clone()),
            telemetry,
            env,
            config,
        };
        let admin_address = admin.as_ref().map(AdminServer::address);
        if let Some(admin) = admin {
            let view = Arc::clone(&house.overview);
            admin.start(&house.admin_env, &house.telemetry, view, options.set_log_level);
        }
        let addresses = bound.iter().map(BoundListener::address).collect();
        match house.furnish((bound, between_nodes), limits, options.fs).await {
            Ok((storage, broker_epoch, membership)) => {
                Ok(RunningBroker { house, storage, broker_epoch, membership, addresses, admin_address })
            }
            Err(error) => {
                house.stop_tasks(None).await;
                house.stop_admin().await;
                Err(error)
            }
        }
    }
}

/// What all of a broker stands on.
struct House {
    config: Arc<BrokerConfig>,
    env: Env,
    net_env: Env,
    admin_env: Env,
    telemetry: Telemetry,
    overview: Arc<Overview>,
}

impl House {
    /// Brings the rooms to life, from the ground up.
    async fn furnish(
        &self,
        (bound, between_nodes): (Vec<BoundListener>, Vec<BoundListener>),
        limits: Limits,
        fs: Arc<dyn Fs>,
    ) -> Result<(Arc<Storage>, BrokerEpoch, Option<Membership>), StartError> {
        let (config, env) = (&self.config, &self.env);
        let (opened_config, opened_env) = (Arc::clone(config), env.clone());
        let telemetry = self.telemetry.clone();
        let storage =
            env.tasks.blocking(move || Storage::open(&opened_config, &opened_env, fs, &telemetry)).await??;
        let storage = Arc::new(storage);
        self.overview.add_storage(Arc::clone(&storage));

        let (door, requests) = (QuorumDoor::new(), RequestDoor::new());
        let services = NodeServices { door: door.clone(), requests: requests.clone() };
        nodes::serve(between_nodes, services, limits.clone(), env, &self.telemetry);
        let controller = start_controller(config, &storage, (door, requests), env, &self.telemetry).await?;
        failure::watch_controller(&controller, &self.overview.life, env);
        let metadata = Arc::clone(controller.publisher());
        let incarnation = Uuid(env.random.id().0);
        let partitions = Partitions::new(
            (config.node_id, incarnation),
            Arc::clone(config),
            env.clock.clone(),
            storage.directories.clone(),
        );
        failure::watch_directories(&storage, metadata_directory(config), &partitions, &self.overview.life);
        let (followed, publisher) = (Arc::clone(&partitions), Arc::clone(&metadata));
        env.tasks
            .blocking(move || publisher.subscribe("partitions", move |delta| followed.apply(delta)))
            .await?;
        let groups =
            groups::start(config, (env, &self.net_env), &partitions, &metadata, &self.telemetry).await?;
        storage.look_after(env);
        let broker_epoch = register(config, incarnation, &controller, &storage, &bound, env).await?;
        storage.registered(broker_epoch);
        let membership = if config.quorum.voters.is_empty() {
            None
        } else {
            let (registered, life) = ((config.node_id, broker_epoch), &self.overview.life);
            Some(Membership::begin(registered, &controller, &config.quorum, life, env).await?)
        };
        failure::tell_of_offline(&partitions, &controller, (config.node_id, broker_epoch), env);

        let services = Services::new(
            env.clone(),
            Arc::clone(config),
            Arc::clone(&metadata),
            controller.clone(),
            Arc::clone(&partitions),
            groups.clone(),
            self.telemetry.clone(),
        );
        let router = Arc::new(Router::new(&Arc::new(services)));
        let serving = Serving::new(self.net_env.clone(), limits, router, self.telemetry.clone());
        let rooms =
            Rooms { metadata, controller, partitions, groups, serving: Arc::clone(&serving), broker_epoch };
        self.overview.add_rooms(rooms);
        for listener in bound {
            listener.serve(&serving);
        }
        self.overview.life.enter(Phase::Running);
        Ok((storage, broker_epoch, membership))
    }

    /// Ends connections, then everything that they need.
    async fn stop_tasks(&self, membership: Option<&Membership>) {
        let clock = &self.env.clock;
        if let Some(membership) = membership {
            membership.leave();
        }
        self.net_env.tasks.shutdown(clock, clock.now().after(self.config.shutdown_timeout)).await;
        if let Some(membership) = membership {
            membership.say_goodbye().await;
        }
        self.env.tasks.shutdown(clock, clock.now().after(BACKGROUND_WITHIN)).await;
    }

    async fn stop_admin(&self) {
        let clock = &self.env.clock;
        self.admin_env.tasks.shutdown(clock, clock.now().after(ADMIN_WITHIN)).await;
    }
}

/// A broker that serves until [`RunningBroker::shutdown`]. Dropping it instead leaves the runtime to end it, as a crash
/// would: the next start recovers.
pub struct RunningBroker {
    house: House,
    storage: Arc<Storage>,
    broker_epoch: BrokerEpoch,
    membership: Option<Membership>,
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
}

impl RunningBroker {
    /// Where clients connect, in the order of the configured listeners, with the ports that were really got.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where health and metrics answer over HTTP, with the port that was really got; `None` = nowhere.
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Id of the cluster that this broker belongs to.
    pub fn cluster_id(&self) -> &str {
        &self.storage.cluster_id
    }

    /// What it was told.
    pub fn config(&self) -> &BrokerConfig {
        &self.house.config
    }

    /// Waits until the broker can serve no more and says why: the process should end then, as after a crash. Pending for
    /// ever while all is well. Cancel-safe.
    pub async fn failed(&self) -> Arc<str> {
        self.house.overview.life.failed().await
    }

    /// Ends in order: says "not ready", answers what is in flight (up to `mainstem.shutdown.timeout`), flushes, marks the
    /// logs as clean.
    pub async fn shutdown(self) {
        let house = &self.house;
        house.overview.life.enter(Phase::Draining);
        house.stop_tasks(self.membership.as_ref()).await;
        let (storage, epoch) = (Arc::clone(&self.storage), self.broker_epoch);
        if house.env.tasks.blocking(move || storage.close(epoch)).await.is_err() {
            tracing::error!(target: "mainstem::broker", "the runtime went down before the logs were closed");
        }
        house.stop_admin().await;
    }
}

async fn bind_admin(config: &BrokerConfig) -> Result<Option<AdminServer>, StartError> {
    let Some(address) = config.admin.listen else { return Ok(None) };
    let bound = AdminServer::bind(address).await;
    bound.map(Some).map_err(|source| StartError::Admin { address, source })
}

async fn bind(
    listeners: Vec<Listener>,
    limits: &Limits,
    env: &Env,
) -> Result<Vec<BoundListener>, StartError> {
    let limits = limits.clone();
    let secured = listeners.iter().find(|listener| listener.protocol != SecurityProtocol::Plaintext);
    if let Some(listener) = secured {
        return Err(StartError::Unsecured { name: listener.name.to_string(), protocol: listener.protocol });
    }
    // Names may have to be resolved.
    let bound = env.tasks.blocking(move || {
        listeners.iter().map(|listener| BoundListener::bind(listener, &limits)).collect::<Result<Vec<_>, _>>()
    });
    Ok(bound.await??)
}

/// Where the metadata log lives.
fn metadata_directory(config: &BrokerConfig) -> &Path {
    let configured = config.metadata_log_dir.as_ref().or(config.log_dirs.first());
    configured.map_or(Path::new(""), PathBuf::as_path)
}

async fn start_controller(
    config: &Arc<BrokerConfig>,
    storage: &Storage,
    (door, requests): (QuorumDoor, RequestDoor),
    env: &Env,
    telemetry: &Telemetry,
) -> Result<Controller, StartError> {
    let directory = metadata_directory(config).to_owned();
    let files = || storage.directories.iter().map(|directory| directory.files());
    let id = files().find(|files| files.path() == directory).or_else(|| files().next());
    let features = handlers::api_versions::FEATURES
        .iter()
        .map(|(name, _, newest)| (Arc::from(*name), *newest))
        .collect();
    let options = ControllerOptions {
        fs: Arc::clone(&storage.fs),
        metadata_log_dir: directory,
        cluster_id: storage.cluster_id.as_str().into(),
        node_id: config.node_id,
        directory_id: id.map_or(Uuid([0; 16]), |directory| Uuid(directory.directory_id().0)),
        voters: config.quorum.voters.clone(),
        door,
        requests,
        election_timeout: config.quorum.election_timeout,
        session_timeout: config.quorum.session_timeout,
        snapshot_entries: SNAPSHOT_ENTRIES,
        rules: Arc::new(BrokerConfigRules::new(Arc::clone(config))),
        features,
        commit_seconds: telemetry.commit_seconds.clone(),
    };
    Ok(Controller::start(options, env).await?)
}

/// Tells the controller that this broker is there and has recovered its logs.
async fn register(
    config: &BrokerConfig,
    incarnation_id: Uuid,
    controller: &Controller,
    storage: &Storage,
    bound: &[BoundListener],
    env: &Env,
) -> Result<BrokerEpoch, StartError> {
    let listeners = config.listeners.clients.iter().zip(bound);
    let features = handlers::api_versions::FEATURES
        .iter()
        .map(|(name, min, max)| (Arc::from(*name), FeatureRange { min: *min, max: *max }));
    let request = RegisterBroker {
        id: config.node_id,
        incarnation_id,
        endpoints: listeners.filter_map(|(listener, bound)| endpoint(listener, bound)).collect(),
        features: features.collect::<BTreeMap<_, _>>(),
        rack: config.rack.as_deref().map(Into::into),
        directories: storage
            .directories
            .iter()
            .map(|directory| Uuid(directory.files().directory_id().0))
            .collect(),
        // Where others could miss it, it leads only once it has been heard of.
        ready: config.quorum.voters.is_empty(),
    };
    let within = if request.ready { REGISTER_WITHIN } else { config.quorum.registration_timeout };
    membership::register(controller, request, within, env).await
}

/// What clients are told to connect to.
fn endpoint(listener: &Listener, bound: &BoundListener) -> Option<Endpoint> {
    let advertised = listener.advertised.as_ref()?;
    let port = if advertised.port == 0 { bound.address().port() } else { advertised.port };
    let security_protocol = match listener.protocol {
        SecurityProtocol::Plaintext => 0,
        SecurityProtocol::Ssl => 1,
        SecurityProtocol::SaslPlaintext => 2,
        SecurityProtocol::SaslSsl => 3,
    };
    Some(Endpoint {
        listener: listener.name.as_str().into(),
        host: advertised.host.as_str().into(),
        port,
        security_protocol,
    })
}
