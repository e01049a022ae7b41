//! `cluster info`: id, controller and brokers.

use crate::{connect::ConnectionArguments, exit::Failure, output::Output};
use serde::Serialize;
use std::fmt::Write as _;

/// What to ask of a cluster.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show id, controller and brokers.
    Info(Arguments),
}

/// Where to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct Info {
    cluster_id: Option<String>,
    controller_id: Option<i32>,
    brokers: Vec<Node>,
}

#[derive(Serialize)]
struct Node {
    id: i32,
    host: String,
    port: i32,
    rack: Option<String>,
    fenced: bool,
}

pub(crate) async fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    let Command::Info(arguments) = command;
    let (kafka, admin) = arguments.connection.admin()?;
    let found = admin.describe_cluster().await?;
    kafka.close().await;
    let info = Info {
        cluster_id: found.cluster_id,
        controller_id: found.controller_id,
        brokers: found
            .nodes
            .into_iter()
            .map(|n| Node { id: n.id, host: n.host, port: n.port, rack: n.rack, fenced: n.fenced })
            .collect(),
    };
    out.document(&info, || {
        let mut text = format!("CLUSTER     {}\nCONTROLLER  ", info.cluster_id.as_deref().unwrap_or("-"));
        // a String takes everything that is written to it
        let _ = match info.controller_id {
            Some(id) => writeln!(text, "{id}"),
            None => writeln!(text, "-"),
        };
        for node in &info.brokers {
            let fenced = if node.fenced { "  fenced" } else { "" };
            let rack = node.rack.as_ref().map(|rack| format!("  rack {rack}")).unwrap_or_default();
            let _ = writeln!(text, "BROKER      {}  {}:{}{rack}{fenced}", node.id, node.host, node.port);
        }
        text
    })
}
