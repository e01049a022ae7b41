//! From flags, variables and files to a client, and from its errors to a failure with exit code and hints.
//!
//! Precedence: flag > `MAINSTEM_BOOTSTRAP_SERVER` > file > `localhost:9092`. Above: every command that talks to a broker.

use crate::exit::{Exit, Failure, near};
use mainstem_client::{Admin, BrokerError, Error, Kafka, cluster::Topic};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// Where the cluster is, and how to talk to it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArguments {
    /// First brokers to ask: `host:port,host:port`.
    #[arg(
        short = 'b',
        long,
        visible_alias = "brokers",
        env = "MAINSTEM_BOOTSTRAP_SERVER",
        value_name = "HOST:PORT"
    )]
    pub(crate) bootstrap_server: Option<String>,
    /// A file of client properties, as Kafka's Java tools read it.
    #[arg(short = 'F', long, value_name = "FILE")]
    command_config: Option<PathBuf>,
    /// One client property (Java or librdkafka name); may be repeated.
    #[arg(short = 'X', long = "property", visible_alias = "command-property", value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// Longest time for a whole call.
    #[arg(long, default_value = "30s", value_parser = duration, value_name = "DURATION")]
    pub(crate) timeout: Duration,
}

/// A duration as people write it.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let ms = crate::position::duration_ms(text).and_then(|ms| u64::try_from(ms).ok());
    ms.map(Duration::from_millis).ok_or_else(|| format!("{text:?} is no duration (90s, 1h30m, 7d)"))
}

impl ConnectionArguments {
    /// The client. Nothing is sent yet.
    pub(crate) fn kafka(&self) -> Result<Kafka, Failure> {
        let mut properties: BTreeMap<String, String> = BTreeMap::new();
        if let Some(file) = &self.command_config {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', '!'])) {
                let (key, value) = line.split_once('=').ok_or_else(|| {
                    Failure::usage(format!("{}: {line:?} is not key=value", file.display()))
                })?;
                properties.insert(key.trim().to_owned(), value.trim().to_owned());
            }
        }
        for property in &self.properties {
            let (key, value) = property
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("-X {property}: expected key=value")))?;
            properties.insert(key.to_owned(), value.to_owned());
        }
        let from_file = properties.remove("bootstrap.servers");
        let bootstrap =
            self.bootstrap_server.clone().or(from_file).unwrap_or_else(|| "localhost:9092".to_owned());
        Kafka::builder(&bootstrap)
            .client_id("mainstem")
            .call_timeout(self.timeout)
            .properties(&properties)
            .build()
            .map_err(|error| Failure::usage(error.to_string()))
    }

    /// The client's admin calls, and the client to close behind them.
    pub(crate) fn admin(&self) -> Result<(Kafka, Admin), Failure> {
        let kafka = self.kafka()?;
        let admin = kafka.admin();
        Ok((kafka, admin))
    }
}

/// Runs an async command to its end on a runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(work);
    // A read of standard input that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    result
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Broker(refused) => broker_failure(None, refused),
            Error::NoBroker { tried, .. } => {
                let last = match &error {
                    Error::NoBroker { last: Some(last), .. } => format!(": {last}"),
                    _ => String::new(),
                };
                Self::new(
                    Exit::Unreachable,
                    format!("no broker can be reached at {}{last}", tried.join(", ")),
                )
                .hint("is it running? `mainstem dev` starts one on 127.0.0.1:9092")
                .hint("another address: -b host:port, or MAINSTEM_BOOTSTRAP_SERVER")
            }
            Error::Connection(_) | Error::Timeout { .. } => Self::new(Exit::Unreachable, error.to_string()),
            Error::NoPartition { .. } => Self::new(Exit::NotFound, error.to_string()),
            Error::Config(_) => Self::usage(error.to_string()),
            _ => Self::new(Exit::Failed, error.to_string()),
        }
    }
}

/// A broker's refusal as a failure; `what` names the item it concerns.
pub(crate) fn broker_failure(what: Option<&str>, error: &BrokerError) -> Failure {
    let name = error.name();
    let exit = match name {
        "UNKNOWN_TOPIC_OR_PARTITION" | "UNKNOWN_TOPIC_ID" | "GROUP_ID_NOT_FOUND" | "RESOURCE_NOT_FOUND" => {
            Exit::NotFound
        }
        "TOPIC_ALREADY_EXISTS" | "NOT_LEADER_OR_FOLLOWER" | "NON_EMPTY_GROUP" | "NOT_CONTROLLER" => {
            Exit::Conflict
        }
        "REQUEST_TIMED_OUT" => Exit::Unreachable,
        _ if name.ends_with("AUTHORIZATION_FAILED") || name.contains("SASL") => Exit::Denied,
        _ => Exit::Failed,
    };
    let said = error
        .message
        .clone()
        .or_else(|| error.known().map(|code| code.text().to_owned()))
        .unwrap_or_else(|| "the broker refused".to_owned());
    let message = what.map_or_else(|| said.clone(), |what| format!("{what}: {said}"));
    Failure::new(exit, message).kafka(error.code, name)
}

/// A failed call as a failure; `what` names the item it concerns.
pub(crate) fn failure_of(what: &str, error: Error) -> Failure {
    match error {
        Error::Broker(refused) => broker_failure(Some(what), &refused),
        other => {
            let failure = Failure::from(other);
            Failure { message: format!("{what}: {}", failure.message), ..failure }
        }
    }
}

/// The topic, or a failure that names the nearest topics. Never creates it.
pub(crate) async fn existing_topic(admin: &Admin, name: &str) -> Result<Arc<Topic>, Failure> {
    let names = [name.to_owned()];
    let described = admin.describe_topics(&names).await?;
    match described.into_iter().next() {
        Some((_, Ok(topic))) => Ok(topic),
        Some((_, Err(error))) if error.name() == "UNKNOWN_TOPIC_OR_PARTITION" => {
            Err(unknown_topic(admin, name).await)
        }
        Some((_, Err(error))) => Err(broker_failure(Some(&format!("topic {name:?}")), &error)),
        None => Err(unknown_topic(admin, name).await),
    }
}

/// "Not found", with near names and the command that would create it.
pub(crate) async fn unknown_topic(admin: &Admin, name: &str) -> Failure {
    let mut failure = Failure::new(Exit::NotFound, format!("topic {name:?} not found"))
        .kafka(3, "UNKNOWN_TOPIC_OR_PARTITION");
    // the look-up of near names is a courtesy: if it fails too, the first error is the one to show
    if let Ok(topics) = admin.list_topics().await {
        let near = near(name, topics.iter().map(|topic| &*topic.name)).join(", ");
        if !near.is_empty() {
            failure = failure.hint(format!("near names: {near}"));
        }
    }
    failure.hint(format!("mainstem topic create {name}"))
}

/// Asks before something is destroyed; without a terminal and without `-y` it refuses.
pub(crate) fn confirm(yes: bool, what: &str) -> Result<(), Failure> {
    use std::io::{IsTerminal as _, Write as _};
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("refused: {what}")).hint("add -y to do it without a question"));
    }
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{what}\nGo on? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Failure::usage("not confirmed")) }
}
