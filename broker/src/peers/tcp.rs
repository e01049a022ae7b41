//! Other nodes over TCP, by the client's connection.
//!
//! Above: whoever asks. Below: [`mainstem_client::connection`].

use super::{Lane, PeerError, Peers};
use crate::{
    config::HostPort,
    env::{Clock, Tasks},
};
use mainstem_client::{
    Spawn,
    connection::{Connection, ConnectionError, ConnectionOptions, TcpDialer},
};
use mainstem_protocol::{message::Request, model::BrokerId};
use parking_lot::Mutex;
use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

/// Questions to one node that may wait for their answers on one lane.
const IN_FLIGHT_MAX: usize = 16;
/// Longest answer that is read. Questions may be long, answers are short.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// A connection over which nothing was said for so long is closed.
const IDLE_MAX: Duration = Duration::from_mins(5);

/// The nodes of a cluster, reached by their configured addresses. Cloning shares the connections.
#[derive(Clone)]
pub(crate) struct TcpPeers(Arc<Shared>);

struct Shared {
    links: BTreeMap<BrokerId, Links>,
    options: ConnectionOptions,
    tasks: Spawner,
    clock: Clock,
}

/// The connections to one node.
struct Links {
    address: HostPort,
    /// By lane. The lock is held to look and to replace, never while anything is waited for.
    lanes: [Mutex<Option<Connection>>; 2],
}

/// Starts the tasks of connections so that they end with their owner, whatever they wait for.
struct Spawner(Tasks);

impl Spawn for Spawner {
    fn spawn(&self, _: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let mut stop = self.0.stop_signal();
        self.0.spawn("connection to a peer", async move {
            tokio::select! {
                () = task => {}
                () = stop.given() => {}
            }
        });
    }
}

impl TcpPeers {
    /// The nodes at these addresses. `name` is what this node calls itself.
    pub(crate) fn new(
        name: String,
        nodes: impl IntoIterator<Item = (BrokerId, HostPort)>,
        tasks: Tasks,
        clock: Clock,
    ) -> Self {
        let links = |address| Links { address, lanes: Default::default() };
        let options = ConnectionOptions {
            client_id: name,
            idle_timeout: IDLE_MAX,
            max_response_bytes: ANSWER_BYTES_MAX,
            max_in_flight: IN_FLIGHT_MAX,
            ..ConnectionOptions::default()
        };
        Self(Arc::new(Shared {
            links: nodes.into_iter().map(|(node, address)| (node, links(address))).collect(),
            options,
            tasks: Spawner(tasks),
            clock,
        }))
    }
}

impl Links {
    fn lane(&self, lane: Lane) -> &Mutex<Option<Connection>> {
        let [prompt, bulk] = &self.lanes;
        match lane {
            Lane::Prompt => prompt,
            Lane::Bulk => bulk,
        }
    }
}

impl Shared {
    /// The connection that is there, or a new one. Two that dial at once both get one; the later one stays.
    async fn connection(
        &self,
        links: &Links,
        lane: Lane,
        within: Duration,
    ) -> Result<Connection, ConnectionError> {
        let open = links.lane(lane).lock().clone().filter(|connection| !connection.is_closed());
        if let Some(connection) = open {
            return Ok(connection);
        }
        let options = ConnectionOptions { connect_timeout: within, ..self.options.clone() };
        let HostPort { host, port } = &links.address;
        let connection = Connection::connect(&TcpDialer, host, *port, &options, &self.tasks).await?;
        *links.lane(lane).lock() = Some(connection.clone());
        Ok(connection)
    }
}

impl Peers for TcpPeers {
    async fn ask<R>(
        &self,
        node: BrokerId,
        lane: Lane,
        request: R,
        within: Duration,
    ) -> Result<R::Response, PeerError>
    where
        R: Request + Send + Sync + 'static,
        R::Response: Send,
    {
        let shared = &self.0;
        let links = shared.links.get(&node).ok_or(PeerError::Unknown(node))?;
        let failed = |error: &ConnectionError| {
            let (address, reason) = (links.address.to_string(), error.to_string());
            if error.may_have_arrived() {
                PeerError::NoAnswer { node, address, reason }
            } else {
                PeerError::Unreachable { node, address, reason }
            }
        };
        let begun = shared.clock.now();
        let connection =
            shared.connection(links, lane, within).await.map_err(|error| match failed(&error) {
                // Nothing but the question for versions has left.
                PeerError::NoAnswer { node, address, reason } => {
                    PeerError::Unreachable { node, address, reason }
                }
                error => error,
            })?;
        let left = within.saturating_sub(shared.clock.now().since(begun));
        connection.request_within(&request, left).await.map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::messages::quorum::confirm_leader::ConfirmLeaderRequest;
    use tokio::{io::AsyncReadExt, net::TcpListener};

    fn peers(address: HostPort, tasks: &Tasks) -> TcpPeers {
        TcpPeers::new("test".to_owned(), [(BrokerId(2), address)], tasks.clone(), Clock::system())
    }

    async fn ask(peers: &TcpPeers, node: i32) -> PeerError {
        let request = ConfirmLeaderRequest::default();
        peers.ask(BrokerId(node), Lane::Prompt, request, Duration::from_millis(200)).await.unwrap_err()
    }

    /// Nobody listens there, or nobody is configured: an error, and nothing has left.
    #[tokio::test]
    async fn a_node_that_is_not_there_is_unreachable() {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let tasks = Tasks::new("test");
        let peers = peers(HostPort::new("127.0.0.1", unused.port()), &tasks);
        assert!(matches!(ask(&peers, 2).await, PeerError::Unreachable { node: BrokerId(2), .. }));
        assert_eq!(ask(&peers, 3).await, PeerError::Unknown(BrokerId(3)));
    }

    /// Somebody who takes the connection and says nothing holds nobody up, and the tasks end with their owner.
    #[tokio::test]
    async fn a_silent_node_is_left_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
        let (clock, tasks) = (Clock::system(), Tasks::new("test"));
        let peers = peers(address, &tasks);
        let silent = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut said = Vec::new();
            // Ends when the other side gives up.
            let _ = stream.read_to_end(&mut said).await;
        };
        let (error, ()) = tokio::join!(ask(&peers, 2), silent);
        assert!(matches!(error, PeerError::Unreachable { .. }), "{error}");
        tasks.shutdown(&clock, clock.now().after(Duration::from_secs(20))).await;
        assert_eq!(tasks.running(), 0);
    }
}
