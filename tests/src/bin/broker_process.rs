//! A broker in a process of its own, for tests that kill it: `broker_process FOLDER` serves from that folder, prints the
//! address on one line, and runs until it is killed.
//!
//! Above: `mainstem_tests::process`. Below: the broker as a library.

use anyhow::Context;
use mainstem_broker::{Broker, config::BrokerConfig};
use std::{future, io::Write, path::PathBuf};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).context("a folder is missing")?.into();
    let broker = Broker::start(BrokerConfig::in_process(&folder)).await?;
    let address = broker.addresses().first().context("the broker has no listener")?;
    writeln!(std::io::stdout(), "{address}")?;
    future::pending().await
}
