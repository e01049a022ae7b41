//! A broker inside the test's own process, behind a blocking face: started in a folder, stopped in order.
//!
//! Above: the tests of rules and topic settings. Below: the broker as a library, and [`WireClient`] to talk to it.

use crate::wire::WireClient;
use mainstem_broker::{Broker, RunningBroker, config::BrokerConfig};
use std::{net::SocketAddr, path::Path};
use tokio::runtime::Runtime;

/// One running broker, with the runtime that it lives in.
pub struct InProcess {
    runtime: Runtime,
    /// There until it is stopped.
    broker: Option<RunningBroker>,
    address: SocketAddr,
}

impl InProcess {
    /// Starts a broker with the defaults of an in-process one; its data is in `folder`.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(folder, |_| ())
    }

    /// Starts a broker; `adjust` has the last word on its configuration.
    pub fn start_with(folder: &Path, adjust: impl FnOnce(&mut BrokerConfig)) -> anyhow::Result<Self> {
        let mut config = BrokerConfig::in_process(folder);
        adjust(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let broker = runtime.block_on(Broker::start(config))?;
        let address =
            *broker.addresses().first().ok_or_else(|| anyhow::anyhow!("the broker has no listener"))?;
        Ok(Self { runtime, broker: Some(broker), address })
    }

    /// A new connection.
    pub fn connect(&self) -> anyhow::Result<WireClient> {
        WireClient::connect(self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.shutdown());
        }
    }
}

impl Drop for InProcess {
    /// A test that failed ends its broker too: its folder is about to go.
    fn drop(&mut self) {
        self.end();
    }
}
