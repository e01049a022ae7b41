//! Control records: those between the records of users, which end transactions, and those of `KRaft`'s
//! metadata log, which only tools meet.

use crate::{message::Message, model::Uuid, wire::WireStr};

/// Key of every control record, after its version.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0)]
pub struct ControlRecordTypeSchema {
    /// 0 abort, 1 commit; in metadata logs 2 leader change, 3 snapshot header, 4 snapshot footer, 5
    /// `kraft.version`, 6 voters.
    #[wire(name = "Type")]
    pub record_type: i16,
}

/// Value of an abort or commit, after its version.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0)]
pub struct EndTxnMarker {
    /// Leader epoch of the coordinator that decided; a marker of an older one is refused.
    pub coordinator_epoch: i32,
}

/// First record of a leadership of the quorum.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=1, flexible = 0)]
pub struct LeaderChangeMessage {
    /// Version of this record, once more.
    pub version: i16,
    /// Node that leads from here on.
    pub leader_id: i32,
    /// Voters of the quorum.
    pub voters: Vec<Voter>,
    /// Those that voted for the leader.
    pub granting_voters: Vec<Voter>,
}

/// A voter.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Voter {
    /// Node id of the voter.
    pub voter_id: i32,
    /// Log directory of the voter.
    #[wire(since = 1)]
    pub voter_directory_id: Uuid,
}

/// First record of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct SnapshotHeaderRecord {
    /// Version of this record, once more.
    pub version: i16,
    /// Append time of the last record that the snapshot contains, in milliseconds since the epoch.
    pub last_contained_log_timestamp: i64,
}

/// Last record of a snapshot; without it the snapshot is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct SnapshotFooterRecord {
    /// Version of this record, once more.
    pub version: i16,
}

/// Level of the feature `kraft.version` from here on.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct KRaftVersionRecord {
    /// Version of this record, once more.
    pub version: i16,
    /// The level: 0 fixed voters, 1 voters that can change.
    #[wire(name = "KRaftVersion")]
    pub kraft_version: i16,
}

/// Voters of the quorum from here on.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct VotersRecord {
    /// Version of this record, once more.
    pub version: i16,
    /// The voters.
    pub voters: Vec<VotersRecordVoter>,
}

/// A voter, where it listens and what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct VotersRecordVoter {
    /// Node id of the voter.
    pub voter_id: i32,
    /// Log directory of the voter.
    pub voter_directory_id: Uuid,
    /// Where it listens, by listener.
    pub endpoints: Vec<Endpoint>,
    /// Levels of `kraft.version` that its software can run at.
    #[wire(name = "KRaftVersionFeature")]
    pub kraft_version_feature: KRaftVersionFeature,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Endpoint {
    /// Name of the listener.
    pub name: WireStr,
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: u16,
}

/// Levels of `kraft.version`.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct KRaftVersionFeature {
    /// Lowest level, inclusive.
    pub min_supported_version: i16,
    /// Highest level, inclusive.
    pub max_supported_version: i16,
}
