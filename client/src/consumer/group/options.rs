//! How a member of a group behaves.

use std::time::Duration;

use super::assignor;
use crate::properties::ConfigError;

/// Who computes the assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupProtocol {
    /// A member does; every broker knows this protocol.
    #[default]
    Classic,
    /// The broker does (KIP-848), from Kafka 4.0 on.
    Consumer,
}

/// What is committed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// What polls before the last one handed out, at this interval, and before partitions leave.
    Auto(Duration),
    /// What was marked, at this interval, and before partitions leave.
    Marked(Duration),
    /// What was marked, when `commit` is called and before partitions leave.
    MarkedOnCall,
    /// What was handed out, when `commit` is called, and at no other time.
    OnCall,
}

impl Default for Commits {
    fn default() -> Self {
        Self::Auto(Self::INTERVAL)
    }
}

impl Commits {
    /// The interval of Kafka's Java client.
    const INTERVAL: Duration = Duration::from_secs(5);

    /// The property `auto.commit.interval.ms`.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        match self {
            Self::Auto(known) | Self::Marked(known) => *known = interval,
            Self::MarkedOnCall | Self::OnCall => {}
        }
    }

    /// The property `enable.auto.commit`.
    pub(crate) fn set_automatic(&mut self, automatic: bool) {
        *self = match (*self, automatic) {
            (Self::Auto(_), false) => Self::OnCall,
            (Self::Marked(_), false) => Self::MarkedOnCall,
            (Self::OnCall, true) => Self::Auto(Self::INTERVAL),
            (Self::MarkedOnCall, true) => Self::Marked(Self::INTERVAL),
            (same, _) => same,
        };
    }

    /// The opposite of the property `enable.auto.offset.store` of librdkafka.
    pub(crate) fn set_by_marks(&mut self, by_marks: bool) {
        *self = match (*self, by_marks) {
            (Self::Auto(interval), true) => Self::Marked(interval),
            (Self::OnCall, true) => Self::MarkedOnCall,
            (Self::Marked(interval), false) => Self::Auto(interval),
            (Self::MarkedOnCall, false) => Self::OnCall,
            (same, _) => same,
        };
    }

    pub(super) const fn interval(self) -> Option<Duration> {
        match self {
            Self::Auto(interval) | Self::Marked(interval) => Some(interval),
            Self::MarkedOnCall | Self::OnCall => None,
        }
    }

    pub(super) const fn by_marks(self) -> bool {
        matches!(self, Self::Marked(_) | Self::MarkedOnCall)
    }

    /// Whether partitions that leave are committed without being asked.
    pub(super) const fn at_revocation(self) -> bool {
        !matches!(self, Self::OnCall)
    }
}

/// What becomes of the membership when a consumer closes (KIP-1092).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leaving {
    /// A dynamic member leaves; a static one stays, so that its partitions wait for its return.
    #[default]
    ByKind,
    /// The member leaves, and its partitions go to others at once.
    Leave,
    /// The member stays until its session ends.
    Stay,
}

/// How a member of a group behaves. The defaults are those of Kafka's Java client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOptions {
    /// Id of the group; empty = none, and nothing is committed.
    pub group_id: String,
    /// Name of a static member: it keeps its partitions over a restart.
    pub instance_id: Option<String>,
    /// Who computes the assignment.
    pub protocol: GroupProtocol,
    /// Silence after which the broker takes the member for dead. Classic protocol only: otherwise the broker says.
    pub session_timeout: Duration,
    /// Time between signs of life. Classic protocol only: otherwise the broker says.
    pub heartbeat_interval: Duration,
    /// Longest time between two polls, and so the longest that the group waits for this member in a rebalance.
    pub max_poll_interval: Duration,
    /// Names of assignors, best first. Classic protocol only. Members keep their partitions during a rebalance only if all
    /// of them are cooperative.
    pub assignors: Vec<String>,
    /// Assignor of the broker; `None` = its choice. Only where the broker computes the assignment.
    pub remote_assignor: Option<String>,
    /// What is committed, and when.
    pub commits: Commits,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self {
            group_id: String::new(),
            instance_id: None,
            protocol: GroupProtocol::Classic,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            assignors: vec!["range".into(), "cooperative-sticky".into()],
            remote_assignor: None,
            commits: Commits::default(),
        }
    }
}

impl GroupOptions {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.assignors.is_empty() {
            return Err(ConfigError::Combination("partition.assignment.strategy names no assignor"));
        }
        if self.session_timeout <= self.heartbeat_interval {
            return Err(ConfigError::Combination(
                "heartbeat.interval.ms must be shorter than session.timeout.ms",
            ));
        }
        if self.group_id.is_empty() && self.instance_id.is_some() {
            return Err(ConfigError::Combination("group.instance.id needs a group.id"));
        }
        Ok(())
    }

    /// The assignor names of a property: short names or those of Java classes.
    pub(crate) fn assignor_names(list: &str) -> Option<Vec<String>> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Option<Vec<_>> =
            names.map(|name| Some(assignor::by_name(name)?.name().to_owned())).collect();
        names.filter(|names| !names.is_empty())
    }
}
