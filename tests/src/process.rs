//! A broker that can be killed: its own process, ended by SIGKILL at any moment.
//!
//! Above: tests of what outlives a crash. Below: the program `broker_process` beside this crate.

use crate::wire::WireClient;
use anyhow::Context;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// One broker process.
pub struct BrokerProcess {
    child: Child,
    address: SocketAddr,
}

impl BrokerProcess {
    /// Runs `program` (the built `broker_process`) on `folder` and returns once it serves.
    pub fn start(program: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut child =
            Command::new(program).arg(folder).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        let address =
            line.trim().parse().with_context(|| format!("{program} said {line:?} instead of its address"))?;
        Ok(Self { child, address })
    }

    /// A new connection.
    pub fn connect(&self) -> anyhow::Result<WireClient> {
        WireClient::connect(self.address)
    }

    /// SIGKILL: nothing is flushed, nothing is marked clean.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for BrokerProcess {
    /// A test that failed leaves no process behind. One that has ended already is no fault.
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
