//! `serve`: the daemon. Loads the configuration, starts the broker, and ends in order on SIGTERM or SIGINT.

use crate::exit::{Exit, Failure};
use mainstem_broker::{
    Broker, RunningBroker, StartError,
    config::{BrokerConfig, ConfigSources, LogFormat, LoggingConfig},
};
use std::{io::Write as _, path::PathBuf, time::Instant};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::{EnvFilter, fmt};

/// What the broker is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A configuration file (.properties or .toml); may be repeated, later files win.
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// One setting; wins over files and environment. May be repeated.
    #[arg(long = "override", visible_alias = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = ConfigSources::of_process(&arguments.config, arguments.overrides.clone())
        .and_then(|sources| sources.load())
        .map_err(|error| Failure::usage(error.to_string()).hint("mainstem config explain KEY"))?;
    start_logging(&loaded.config.logging)?;
    for line in loaded.report.start_up_lines() {
        tracing::info!(target: "mainstem::broker", "{line}");
    }
    if let Some(line) = loaded.report.no_effect_line() {
        tracing::info!(target: "mainstem::broker", "{line}");
    }
    for warning in loaded.report.warnings() {
        tracing::warn!(target: "mainstem::broker", "{warning}");
    }
    let node = loaded.config.node_id;
    runtime()?.block_on(async {
        let began = now();
        let broker = start(loaded.config).await?;
        let addresses: Vec<String> = broker.addresses().iter().map(ToString::to_string).collect();
        say(&format!(
            "mainstem {} ready in {} ms: Kafka Server started (nodeId={node}) listeners={}",
            env!("CARGO_PKG_VERSION"),
            began.elapsed().as_millis(),
            addresses.join(",")
        ))?;
        until_told(broker).await
    })
}

/// The runtime of a broker: one worker per core.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// When the start began; the broker's own clock does not exist yet.
#[expect(
    clippy::disallowed_methods,
    reason = "start-up time is measured from outside the broker and its clock"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Starts the broker; what is wrong with its configuration, address or directory is a refusal (exit 2).
pub(super) async fn start(config: BrokerConfig) -> Result<RunningBroker, Failure> {
    Broker::start(config).await.map_err(|error| {
        let exit = match error {
            StartError::Registration(_) | StartError::Blocking(_) => Exit::Failed,
            _ => Exit::Usage,
        };
        Failure::new(exit, error.to_string())
    })
}

/// One line on stdout, at once: harnesses wait for it.
pub(super) fn say(line: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Serves until SIGTERM or SIGINT, then stops in order; a second signal ends the process at once.
pub(super) async fn until_told(broker: RunningBroker) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!(target: "mainstem::broker", "stopping: answering what is in flight, then closing the logs");
    tokio::select! {
        () = broker.shutdown() => Ok(()),
        _ = terminate.recv() => Err(at_once()),
        _ = interrupt.recv() => Err(at_once()),
    }
}

fn at_once() -> Failure {
    Failure::new(Exit::Interrupted, "stopped at once by a second signal; the next start recovers the logs")
}

/// Log lines to stderr or a file: `MAINSTEM_LOG` > `RUST_LOG` > configuration.
pub(super) fn start_logging(logging: &LoggingConfig) -> Result<(), Failure> {
    let variable = ["MAINSTEM_LOG", "RUST_LOG"].into_iter().find(|name| std::env::var_os(name).is_some());
    let filter = match variable {
        Some(name) => {
            EnvFilter::try_from_env(name).map_err(|error| Failure::usage(format!("{name}: {error}")))?
        }
        // the consensus library tells each of its steps at level info
        None => EnvFilter::try_new(format!("openraft=warn,{}", logging.filter))
            .map_err(|error| Failure::usage(format!("mainstem.logging.filter: {error}")))?,
    };
    let file = match &logging.file {
        Some(path) => {
            let opened = std::fs::File::options().create(true).append(true).open(path);
            Some(opened.map_err(|error| {
                Failure::usage(format!("mainstem.logging.file {}: {error}", path.display()))
            })?)
        }
        None => None,
    };
    let builder = fmt().with_env_filter(filter).with_ansi(false);
    match (logging.format, file) {
        (LogFormat::Json, Some(file)) => builder.json().with_writer(file).init(),
        (LogFormat::Json, None) => builder.json().with_writer(std::io::stderr).init(),
        (_, Some(file)) => builder.with_writer(file).init(),
        (_, None) => builder.with_writer(std::io::stderr).init(),
    }
    Ok(())
}
