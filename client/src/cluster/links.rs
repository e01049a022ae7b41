//! The connections of a client: opened when first needed, one attempt at a time, with a pause after each failure.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::Cluster;
use crate::connection::{CloseReason, Connection, ConnectionError};
use crate::error::Error;
use crate::runtime::{Instant, chance, now, random_u32, sleep_until, until};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Produce.
    Produce,
    /// Fetch, which may wait at the broker.
    Fetch,
    /// Everything else.
    Control,
}

/// Node id and lane. The addresses that a client starts from count from -2 down.
type Key = (i32, Lane);

#[derive(Debug, Default)]
pub(super) struct Links {
    links: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    closed: bool,
    links: HashMap<Key, Arc<Link>>,
}

#[derive(Debug)]
struct Link {
    /// Held by whoever connects.
    connecting: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Link {
    fn open(&self) -> Option<Connection> {
        self.state.lock().connection.clone().filter(|connection| !connection.is_closed())
    }
}

impl Links {
    /// The connection of `key`, opened to `host:port` if there is none.
    pub(super) async fn connect(
        &self,
        cluster: &Cluster,
        key: Key,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        const LATE: Error =
            Error::Connection(ConnectionError::Closed { reason: CloseReason::RequestTimeout, sent: false });
        let link = self.link(key)?;
        if let Some(connection) = link.open() {
            return Ok(connection);
        }
        let permit = until(deadline, link.connecting.acquire()).await.ok_or(LATE)?;
        if let Some(connection) = link.open() {
            return Ok(connection);
        }
        let not_before = link.state.lock().not_before;
        if let Some(moment) = not_before {
            until(deadline, sleep_until(moment)).await.ok_or(LATE)?;
        }
        let options = &cluster.options.connection;
        let attempt = Connection::connect(&*cluster.dial, host, port, options, &cluster.tasks);
        let result = until(deadline, attempt).await.unwrap_or_else(|| {
            Err(ConnectionError::Connect {
                address: format!("{host}:{port}"),
                source: Arc::new(std::io::ErrorKind::TimedOut.into()),
            })
        });
        let mut state = link.state.lock();
        match result {
            Ok(connection) => {
                *state = State { connection: Some(connection.clone()), ..State::default() };
                drop((state, permit));
                // Closed meanwhile: then nobody may keep this one.
                self.link(key).map(|_| connection)
            }
            Err(error) => {
                state.failures += 1;
                state.not_before = Some(now() + cluster.options.backoff.after(state.failures, chance()));
                Err(error.into())
            }
        }
    }

    /// A connection that nobody else uses, for requests that may wait at the broker.
    pub(super) async fn connect_alone(
        &self,
        cluster: &Cluster,
        (host, port): (&str, u16),
        deadline: Instant,
    ) -> Result<Connection, Error> {
        if self.links.lock().closed {
            return Err(Error::Closed);
        }
        let options = &cluster.options.connection;
        let attempt = Connection::connect(&*cluster.dial, host, port, options, &cluster.tasks);
        let late = || ConnectionError::Connect {
            address: format!("{host}:{port}"),
            source: Arc::new(std::io::ErrorKind::TimedOut.into()),
        };
        Ok(until(deadline, attempt).await.unwrap_or_else(|| Err(late()))?)
    }

    /// A connection to whoever answers: an open one, then a live broker, then the addresses to start from. Every address
    /// is tried once.
    pub(super) async fn any(&self, cluster: &Cluster, deadline: Instant) -> Result<Connection, Error> {
        if let Some(connection) = self.any_open() {
            return Ok(connection);
        }
        let metadata = cluster.metadata();
        let mut tried = Vec::new();
        let mut last = None;
        let start = usize::try_from(random_u32()).unwrap_or(0);
        let brokers = metadata.brokers.iter().map(|broker| (broker.id, &*broker.host, broker.port));
        let bootstrap = cluster.options.bootstrap.iter().zip((i32::MIN..=-2).rev());
        let bootstrap = bootstrap.map(|((host, port), key)| (key, host.as_str(), *port));
        for group in [brokers.collect::<Vec<_>>(), bootstrap.collect()] {
            let count = group.len();
            let order = group.iter().cycle().skip(start.checked_rem(count).unwrap_or(0)).take(count);
            for &(key, host, port) in order {
                match self.connect(cluster, (key, Lane::Control), host, port, deadline).await {
                    Ok(connection) => return Ok(connection),
                    Err(Error::Connection(error)) => last = Some(error),
                    Err(error) => return Err(error),
                }
                tried.push(format!("{host}:{port}"));
            }
        }
        Err(Error::NoBroker { tried, last })
    }

    fn any_open(&self) -> Option<Connection> {
        let book = self.links.lock();
        let mut open = book.links.iter().filter(|((_, lane), _)| *lane == Lane::Control);
        open.find_map(|(_, link)| link.open())
    }

    fn link(&self, key: Key) -> Result<Arc<Link>, Error> {
        let mut book = self.links.lock();
        if book.closed {
            return Err(Error::Closed);
        }
        let link = book
            .links
            .entry(key)
            .or_insert_with(|| Arc::new(Link { connecting: Semaphore::new(1), state: Mutex::default() }));
        Ok(Arc::clone(link))
    }

    /// Drops all connections; there will be no new ones.
    pub(super) fn close(&self) {
        let links = {
            let mut book = self.links.lock();
            book.closed = true;
            std::mem::take(&mut book.links)
        };
        for link in links.into_values() {
            link.state.lock().connection = None;
        }
    }
}
