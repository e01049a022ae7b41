//! Listeners: where a broker listens and which address it tells its clients.
//!
//! Pure: text in, values out; no name is resolved here. Above: the loader and the typed configuration.

use std::fmt;

use super::choices::SecurityProtocol;

/// Name of a listener, upper case by convention (`PLAINTEXT`, `CONTROLLER`, `EXTERNAL`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerName(String);

impl ListenerName {
    /// Takes a name as written; listener names are compared in upper case, as Kafka does.
    pub fn new(name: &str) -> Self {
        Self(name.trim().to_ascii_uppercase())
    }

    /// The name, in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host and a port. An IPv6 host is kept without its brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Name or address; empty where a listener binds every interface.
    pub host: String,
    /// 0 = the operating system chooses.
    pub port: u16,
}

impl HostPort {
    /// Puts a host and a port together.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Whether this binds every interface, which no client could be told to connect to.
    pub fn is_wildcard(&self) -> bool {
        matches!(self.host.as_str(), "" | "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0")
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One address to listen on, and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Name; unique within a broker.
    pub name: ListenerName,
    /// How connections are secured.
    pub protocol: SecurityProtocol,
    /// Where to bind. An empty host binds every interface.
    pub bind: HostPort,
    /// What clients are told in Metadata; `None` where the listener is never advertised (a controller's). A port of 0
    /// stands for the port that the listener really got.
    pub advertised: Option<HostPort>,
}

impl Listener {
    /// A plaintext listener on `host:port` that advertises that same host.
    pub fn plaintext(name: &str, host: &str, port: u16) -> Self {
        Self {
            name: ListenerName::new(name),
            protocol: SecurityProtocol::Plaintext,
            bind: HostPort::new(host, port),
            advertised: Some(HostPort::new(host, port)),
        }
    }
}
