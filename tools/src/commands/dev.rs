//! `dev`: a throw-away broker for trying things, in one process, without any configuration.
//!
//! Loopback only, a temporary directory that goes with the process, topics created on first use with one partition, and
//! page-cache durability unless `--durable`: the banner says which.

use super::serve;
use crate::{
    exit::{Exit, Failure},
    logging,
};
use mainstem_broker::config::ConfigSources;
use std::path::PathBuf;

/// How the throw-away broker is set up.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Port to listen on.
    #[arg(short, long, default_value_t = 9092, conflicts_with = "any_port")]
    port: u16,
    /// Take a free port, and print `BOOTSTRAP=host:port` first.
    #[arg(long)]
    any_port: bool,
    /// Keep data in this directory, and find it again the next time.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Answer only when records are on disk, as a real broker does.
    #[arg(long)]
    durable: bool,
    /// Print one JSON object with the addresses and nothing else.
    #[arg(long)]
    print_json: bool,
    /// Another setting of the broker; may be repeated.
    #[arg(long = "override", visible_alias = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, quiet: bool) -> Result<(), Failure> {
    // Held to the end: dropping it removes the directory.
    let temporary = match &arguments.keep {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("mainstem-dev-").tempdir()?),
    };
    let directory = match (&arguments.keep, &temporary) {
        (Some(kept), _) => kept.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => return Err(Failure::new(Exit::Failed, "no directory for the data")),
    };
    let port = if arguments.any_port { 0 } else { arguments.port };
    let durability = if arguments.durable { "fsync" } else { "replicated" };
    let mut overrides = vec![
        format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:0"),
        format!("log.dirs={}", directory.display()),
        format!("mainstem.durability={durability}"),
        "num.partitions=1".to_owned(),
        "mainstem.admin.listen=127.0.0.1:0".to_owned(),
        "mainstem.logging.filter=warn".to_owned(),
    ];
    overrides.extend(arguments.overrides.iter().cloned());
    // Variables of the environment are for real brokers.
    let sources = ConfigSources { overrides, ..ConfigSources::default() };
    let loaded = sources.load().map_err(|error| Failure::usage(error.to_string()))?;
    let lines = logging::start(&loaded.config.logging)?;
    serve::on_runtime(async {
        let began = serve::now();
        let mut signals = serve::Signals::listen()?;
        let broker = serve::start(loaded.config, &lines, &mut signals).await.map_err(|failure| {
            if failure.message.contains("in use") {
                failure.hint("another port: --port 9192, or --any-port")
            } else {
                failure
            }
        })?;
        let address = broker.addresses().first().map(ToString::to_string).unwrap_or_default();
        let admin = broker.admin_address().map(|address| format!("http://{address}"));
        if arguments.print_json {
            let id = broker.cluster_id();
            let facts =
                serde_json::json!({ "bootstrap_servers": address, "cluster_id": id, "admin_url": admin });
            serve::say(&facts.to_string())?;
        } else {
            if arguments.any_port {
                serve::say(&format!("BOOTSTRAP={address}"))?;
            }
            if !quiet {
                let admin = admin.unwrap_or_else(|| "off".to_owned());
                banner(arguments, &address, &admin, &directory, began.elapsed().as_millis())?;
            }
        }
        serve::until_told(broker, signals, &lines).await
    })
}

fn banner(
    arguments: &Arguments,
    address: &str,
    admin: &str,
    directory: &std::path::Path,
    millis: u128,
) -> Result<(), Failure> {
    let promise = if arguments.durable {
        "acks=all waits for the disk"
    } else {
        "page cache, as Kafka; --durable waits for the disk"
    };
    let fate = if arguments.keep.is_some() { "kept" } else { "removed at the end" };
    serve::say(&format!(
        "\
mainstem {version} is listening on {address} (ready in {millis} ms)
data {directory} ({fate}); durability: {promise}
metrics and health {admin}

  mainstem topic create greetings -b {address}
  echo hello | mainstem produce greetings -b {address}
  mainstem consume greetings -b {address} -o start -e

Ctrl-C ends it.",
        version = env!("CARGO_PKG_VERSION"),
        directory = directory.display(),
    ))
}
