//! Registered brokers. Above: `image`. Below: nothing.

use mainstem_protocol::model::{BrokerEpoch, BrokerId, Uuid};
use std::{collections::BTreeMap, sync::Arc};

/// One address of a broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Name of the listener, for example `PLAINTEXT`.
    pub listener: Arc<str>,
    /// Host that clients are told to connect to.
    pub host: Arc<str>,
    /// Port that clients are told to connect to.
    pub port: u16,
    /// Kafka's number of the security protocol: 0 `PLAINTEXT`, 1 `SSL`, 2 `SASL_PLAINTEXT`, 3 `SASL_SSL`.
    pub security_protocol: i16,
}

/// Versions of one feature that a broker can serve, both inclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeatureRange {
    /// Lowest.
    pub min: i16,
    /// Highest.
    pub max: i16,
}

/// One broker as it registered last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokerRegistration {
    /// Its node id.
    pub id: BrokerId,
    /// Index of the metadata entry of this registration: it rises with every restart.
    pub epoch: BrokerEpoch,
    /// Id of the process that registered.
    pub incarnation_id: Uuid,
    /// Its addresses, in the order of its configuration.
    pub endpoints: Vec<Endpoint>,
    /// What it can serve.
    pub features: BTreeMap<Arc<str>, FeatureRange>,
    /// Where it stands, if told.
    pub rack: Option<Arc<str>>,
    /// A fenced broker leads nothing and is in no ISR.
    pub fenced: bool,
    /// It has asked to be relieved and will get no new leadership.
    pub in_controlled_shutdown: bool,
    /// Its log directories that work, by rising id.
    pub directories: Vec<Uuid>,
}

impl BrokerRegistration {
    /// The address of one listener.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener.as_ref() == listener)
    }

    /// Whether it may be given leaderships and new replicas in sync.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}
