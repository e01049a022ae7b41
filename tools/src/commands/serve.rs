//! `serve`: the daemon. Loads the configuration, starts the broker, and ends in order on SIGTERM or SIGINT, or at once
//! when the broker has failed.

use super::start_failure::refused;
use crate::{
    exit::{Exit, Failure},
    logging::{self, Lines},
    service,
};
use mainstem_broker::{
    Broker, RunningBroker, StartOptions,
    config::{BrokerConfig, ConfigSources},
    telemetry::BuildInfo,
};
use std::{io::Write as _, path::PathBuf, time::Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the broker is told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Files, then variables of the environment (KAFKA_<KEY>, MAINSTEM_<KEY>), then --override; the last one wins. \
                  `mainstem config check FILE` judges a file without starting anything; docs/configuration.md lists every \
                  setting. SIGTERM and SIGINT end in order, SIGHUP opens the log file anew."
)]
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
        .map_err(|error| {
            Failure::usage(error.to_string()).hint("`mainstem config explain KEY` tells what a setting takes")
        })?;
    let lines = logging::start(&loaded.config.logging)?;
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
    on_runtime(async {
        let began = now();
        let mut signals = Signals::listen()?;
        let broker = start(loaded.config, &lines, &mut signals).await?;
        let addresses: Vec<String> = broker.addresses().iter().map(ToString::to_string).collect();
        let admin = broker.admin_address().map_or_else(String::new, |address| format!(" admin={address}"));
        say(&format!(
            "mainstem {} ready in {} ms: Kafka Server started (nodeId={node}) listeners={}{admin}",
            env!("CARGO_PKG_VERSION"),
            began.elapsed().as_millis(),
            addresses.join(",")
        ))?;
        service::ready();
        until_told(broker, signals, &lines).await
    })
}

/// Runs a broker's life on a runtime with one worker per core. What still blocks a thread at the end (a recovery that was
/// given up) ends with the process.
pub(super) fn on_runtime(life: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(life);
    runtime.shutdown_background();
    ended
}

/// When the start began; the broker's own clock does not exist yet.
#[expect(
    clippy::disallowed_methods,
    reason = "start-up time is measured from outside the broker and its clock"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Starts the broker; what is wrong with its configuration, address or directory is a refusal (exit 2). A signal to end
/// gives the start up, as a crash would.
pub(super) async fn start(
    config: BrokerConfig,
    lines: &Lines,
    signals: &mut Signals,
) -> Result<RunningBroker, Failure> {
    let settings = config.settings.clone();
    let build = BuildInfo { version: env!("CARGO_PKG_VERSION"), revision: "", rustc: "" };
    let options = StartOptions { build, set_log_level: lines.set_level(), ..StartOptions::default() };
    tokio::select! {
        started = Broker::start_with(config, options) => started.map_err(|error| refused(&error, &settings)),
        () = signals.end() => {
            Err(Failure::new(Exit::Interrupted, "stopped while starting; the next start recovers the logs"))
        }
    }
}

/// One line on stdout, at once: harnesses wait for it. A broker whose reader is gone serves on.
pub(super) fn say(line: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The signals that a broker follows. They are listened for before it starts: one that came earlier would end the
/// process without a word.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From now on.
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves until SIGTERM or SIGINT, then stops in order; a second signal ends the process at once, and so does a failure of
/// the broker: what would be closed in order cannot be trusted any more, and the next start recovers. SIGHUP opens the log
/// file anew.
pub(super) async fn until_told(
    broker: RunningBroker,
    mut signals: Signals,
    lines: &Lines,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hang_up.recv() => lines.reopen(),
            reason = broker.failed() => return Err(Failure::new(Exit::Failed, reason.to_string())),
        }
    }
    service::stopping();
    tracing::info!(target: "mainstem::broker", "stopping: answering what is in flight, then closing the logs");
    tokio::select! {
        () = broker.shutdown() => Ok(()),
        () = signals.end() => {
            Err(Failure::new(Exit::Interrupted, "stopped at once by a second signal; the next start recovers the logs"))
        }
    }
}
