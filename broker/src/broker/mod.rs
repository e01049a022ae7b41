//! The broker as a whole: what is started in which order, who is plugged into whom, and how it all ends.
//!
//! Above: nobody in this crate; the binary and tests. Below: everyone.
//!
//! ```text
//! start                                            shutdown
//! 1 bind the listeners (nothing changed yet)       1 stop accepting, answer what is in flight
//! 2 lock and open the log directories              2 stop the controller and the background
//! 3 start the controller, catch up with metadata   3 flush and close the logs, mark them clean
//! 4 open the logs that the metadata names
//! 5 register: leaderships follow
//! 6 accept connections
//! ```

mod config_rules;
mod storage;

use crate::{
    config::{BrokerConfig, Listener, SecurityProtocol},
    controller::{self, CallOptions, Controller, ControllerOptions, RegisterBroker},
    env::{Env, Tasks},
    handlers::{self, Services},
    metadata::{Endpoint, FeatureRange},
    net::{BindError, BoundListener, Limits, Serving},
    partition::Partitions,
    request::Router,
};
use config_rules::BrokerConfigRules;
use mainstem_protocol::model::{BrokerEpoch, Uuid};
use mainstem_storage::OpenError;
use std::{collections::BTreeMap, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use storage::Storage;

/// How long the registration may take; it is one commit.
const REGISTER_WITHIN: Duration = Duration::from_secs(30);
/// How long background tasks may take to end once connections are drained.
const BACKGROUND_WITHIN: Duration = Duration::from_secs(10);
/// Metadata entries between two snapshots.
const SNAPSHOT_ENTRIES: u64 = 10_000;

/// Why a broker did not start. Nothing was changed unless the log directories were opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A listener asks for what is not served.
    #[error("listener {name}: {protocol} is not served yet")]
    Unsecured {
        /// Name of the listener.
        name: String,
        /// What it asks for.
        protocol: SecurityProtocol,
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
        let config = Arc::new(config);
        let env = Env::system("broker");
        let limits = Limits::new(config.network.clone());
        let bound = bind(&config, &limits, &env).await?;

        let (opened_config, opened_env) = (Arc::clone(&config), env.clone());
        let storage =
            Arc::new(env.tasks.blocking(move || Storage::open(&opened_config, &opened_env)).await??);

        let controller = start_controller(&config, &storage, &env).await?;
        let metadata = Arc::clone(controller.publisher());
        let partitions = Partitions::new(
            config.node_id,
            Arc::clone(&config),
            env.clock.clone(),
            storage.directories.clone(),
        );
        let (followed, publisher) = (Arc::clone(&partitions), Arc::clone(&metadata));
        env.tasks
            .blocking(move || publisher.subscribe("partitions", move |delta| followed.apply(delta)))
            .await?;
        storage.look_after(&env);
        let broker_epoch = register(&config, &controller, &storage, &bound, &env).await?;

        // Connections end before anything that they need: they have a set of tasks of their own.
        let net_env = Env { tasks: Tasks::new("net"), ..env.clone() };
        let services =
            Arc::new(Services::new(env.clone(), Arc::clone(&config), metadata, controller, partitions));
        let serving = Serving::new(net_env.clone(), limits, Arc::new(Router::new(services)));
        let addresses = bound.iter().map(BoundListener::address).collect();
        for listener in bound {
            listener.serve(&serving);
        }
        Ok(RunningBroker { config, env, net_env, storage, broker_epoch, addresses })
    }
}

/// A broker that serves until [`RunningBroker::shutdown`]. Dropping it instead leaves the runtime to end it, as a crash
/// would: the next start recovers.
pub struct RunningBroker {
    config: Arc<BrokerConfig>,
    env: Env,
    net_env: Env,
    storage: Arc<Storage>,
    broker_epoch: BrokerEpoch,
    addresses: Vec<SocketAddr>,
}

impl RunningBroker {
    /// Where clients connect, in the order of the configured listeners, with the ports that were really got.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Id of the cluster that this broker belongs to.
    pub fn cluster_id(&self) -> &str {
        &self.storage.cluster_id
    }

    /// What it was told.
    pub fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// Ends in order: answers what is in flight (up to `mainstem.shutdown.timeout`), flushes, marks the logs as clean.
    pub async fn shutdown(self) {
        let clock = &self.env.clock;
        self.net_env.tasks.shutdown(clock, clock.now().after(self.config.shutdown_timeout)).await;
        self.env.tasks.shutdown(clock, clock.now().after(BACKGROUND_WITHIN)).await;
        let (storage, epoch) = (Arc::clone(&self.storage), self.broker_epoch);
        if self.env.tasks.blocking(move || storage.close(epoch)).await.is_err() {
            tracing::error!(target: "mainstem::broker", "the runtime went down before the logs were closed");
        }
    }
}

async fn bind(config: &BrokerConfig, limits: &Limits, env: &Env) -> Result<Vec<BoundListener>, StartError> {
    let (listeners, limits) = (config.listeners.clients.clone(), limits.clone());
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

async fn start_controller(
    config: &Arc<BrokerConfig>,
    storage: &Storage,
    env: &Env,
) -> Result<Controller, StartError> {
    let directory =
        config.metadata_log_dir.clone().or_else(|| config.log_dirs.first().cloned()).unwrap_or_default();
    let of_directory = |found: &&Arc<mainstem_storage::LogDirectory>| found.path() == directory;
    let id = storage.directories.iter().find(of_directory).or(storage.directories.first());
    let address = config.listeners.controllers.first().map(|listener| listener.bind.to_string());
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
        address: address.unwrap_or_default(),
        election_timeout: config.quorum.election_timeout,
        snapshot_entries: SNAPSHOT_ENTRIES,
        rules: Arc::new(BrokerConfigRules::new(Arc::clone(config))),
        features,
    };
    Ok(Controller::start(options, env).await?)
}

/// Tells the controller that this broker is there and has recovered its logs.
async fn register(
    config: &BrokerConfig,
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
        incarnation_id: Uuid(env.random.id().0),
        endpoints: listeners.filter_map(|(listener, bound)| endpoint(listener, bound)).collect(),
        features: features.collect::<BTreeMap<_, _>>(),
        rack: config.rack.as_deref().map(Into::into),
        directories: storage.directories.iter().map(|directory| Uuid(directory.directory_id().0)).collect(),
        ready: true,
    };
    let options = CallOptions { deadline: env.clock.now().after(REGISTER_WITHIN), request_id: None };
    controller.register_broker(request, options).await.map_err(StartError::Registration)
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
