//! The table of Kafka 4.3's APIs and of our own: key, name, versions, first flexible version.
//!
//! Own APIs have keys from 20000 on and are spoken between the nodes of a cluster only.
//! What we can read and write stands with each message; what is served is the router's list. This table is what a key
//! means, also where we do not speak it: how to read the header of its requests, what to call it in a log line.

use std::{fmt, ops::RangeInclusive};

/// Key of an API, as it stands in a request header. Any number is representable, only some are known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKey(i16);

/// What is known of an API.
struct Row {
    key: ApiKey,
    name: &'static str,
    versions: RangeInclusive<i16>,
    first_flexible: i16,
}

/// Stands for "no version is flexible".
const NEVER: i16 = i16::MAX;

macro_rules! apis {
    ($($constant:ident = $code:literal, $name:literal, $versions:expr, $first_flexible:expr;)*) => {
        impl ApiKey {
            $(#[doc = $name]
            pub const $constant: Self = Self($code);)*
        }

        /// By rising key.
        const TABLE: &[Row] = &[
            $(Row {
                key: ApiKey::$constant,
                name: $name,
                versions: $versions,
                first_flexible: $first_flexible,
            },)*
        ];
    };
}

// Constant and key, name, versions of Kafka 4.3 (its unstable ones included), first flexible version.
apis! {
    PRODUCE = 0, "Produce", 3..=13, 9;
    FETCH = 1, "Fetch", 4..=18, 12;
    LIST_OFFSETS = 2, "ListOffsets", 1..=11, 6;
    METADATA = 3, "Metadata", 0..=13, 9;
    OFFSET_COMMIT = 8, "OffsetCommit", 2..=10, 8;
    OFFSET_FETCH = 9, "OffsetFetch", 1..=10, 6;
    FIND_COORDINATOR = 10, "FindCoordinator", 0..=6, 3;
    JOIN_GROUP = 11, "JoinGroup", 0..=9, 6;
    HEARTBEAT = 12, "Heartbeat", 0..=4, 4;
    LEAVE_GROUP = 13, "LeaveGroup", 0..=5, 4;
    SYNC_GROUP = 14, "SyncGroup", 0..=5, 4;
    DESCRIBE_GROUPS = 15, "DescribeGroups", 0..=6, 5;
    LIST_GROUPS = 16, "ListGroups", 0..=5, 3;
    SASL_HANDSHAKE = 17, "SaslHandshake", 0..=1, NEVER;
    API_VERSIONS = 18, "ApiVersions", 0..=4, 3;
    CREATE_TOPICS = 19, "CreateTopics", 2..=7, 5;
    DELETE_TOPICS = 20, "DeleteTopics", 1..=6, 4;
    DELETE_RECORDS = 21, "DeleteRecords", 0..=2, 2;
    INIT_PRODUCER_ID = 22, "InitProducerId", 0..=6, 2;
    OFFSET_FOR_LEADER_EPOCH = 23, "OffsetForLeaderEpoch", 2..=4, 4;
    ADD_PARTITIONS_TO_TXN = 24, "AddPartitionsToTxn", 0..=5, 3;
    ADD_OFFSETS_TO_TXN = 25, "AddOffsetsToTxn", 0..=4, 3;
    END_TXN = 26, "EndTxn", 0..=5, 3;
    WRITE_TXN_MARKERS = 27, "WriteTxnMarkers", 1..=2, 1;
    TXN_OFFSET_COMMIT = 28, "TxnOffsetCommit", 0..=5, 3;
    DESCRIBE_ACLS = 29, "DescribeAcls", 1..=3, 2;
    CREATE_ACLS = 30, "CreateAcls", 1..=3, 2;
    DELETE_ACLS = 31, "DeleteAcls", 1..=3, 2;
    DESCRIBE_CONFIGS = 32, "DescribeConfigs", 1..=4, 4;
    ALTER_CONFIGS = 33, "AlterConfigs", 0..=2, 2;
    ALTER_REPLICA_LOG_DIRS = 34, "AlterReplicaLogDirs", 1..=2, 2;
    DESCRIBE_LOG_DIRS = 35, "DescribeLogDirs", 1..=5, 2;
    SASL_AUTHENTICATE = 36, "SaslAuthenticate", 0..=2, 2;
    CREATE_PARTITIONS = 37, "CreatePartitions", 0..=3, 2;
    CREATE_DELEGATION_TOKEN = 38, "CreateDelegationToken", 1..=3, 2;
    RENEW_DELEGATION_TOKEN = 39, "RenewDelegationToken", 1..=2, 2;
    EXPIRE_DELEGATION_TOKEN = 40, "ExpireDelegationToken", 1..=2, 2;
    DESCRIBE_DELEGATION_TOKEN = 41, "DescribeDelegationToken", 1..=3, 2;
    DELETE_GROUPS = 42, "DeleteGroups", 0..=2, 2;
    ELECT_LEADERS = 43, "ElectLeaders", 0..=2, 2;
    INCREMENTAL_ALTER_CONFIGS = 44, "IncrementalAlterConfigs", 0..=1, 1;
    ALTER_PARTITION_REASSIGNMENTS = 45, "AlterPartitionReassignments", 0..=1, 0;
    LIST_PARTITION_REASSIGNMENTS = 46, "ListPartitionReassignments", 0..=0, 0;
    OFFSET_DELETE = 47, "OffsetDelete", 0..=0, NEVER;
    DESCRIBE_CLIENT_QUOTAS = 48, "DescribeClientQuotas", 0..=1, 1;
    ALTER_CLIENT_QUOTAS = 49, "AlterClientQuotas", 0..=1, 1;
    DESCRIBE_USER_SCRAM_CREDENTIALS = 50, "DescribeUserScramCredentials", 0..=0, 0;
    ALTER_USER_SCRAM_CREDENTIALS = 51, "AlterUserScramCredentials", 0..=0, 0;
    VOTE = 52, "Vote", 0..=2, 0;
    BEGIN_QUORUM_EPOCH = 53, "BeginQuorumEpoch", 0..=1, 1;
    END_QUORUM_EPOCH = 54, "EndQuorumEpoch", 0..=1, 1;
    DESCRIBE_QUORUM = 55, "DescribeQuorum", 0..=2, 0;
    ALTER_PARTITION = 56, "AlterPartition", 2..=3, 0;
    UPDATE_FEATURES = 57, "UpdateFeatures", 0..=2, 0;
    ENVELOPE = 58, "Envelope", 0..=0, 0;
    FETCH_SNAPSHOT = 59, "FetchSnapshot", 0..=1, 0;
    DESCRIBE_CLUSTER = 60, "DescribeCluster", 0..=2, 0;
    DESCRIBE_PRODUCERS = 61, "DescribeProducers", 0..=0, 0;
    BROKER_REGISTRATION = 62, "BrokerRegistration", 0..=4, 0;
    BROKER_HEARTBEAT = 63, "BrokerHeartbeat", 0..=2, 0;
    UNREGISTER_BROKER = 64, "UnregisterBroker", 0..=0, 0;
    DESCRIBE_TRANSACTIONS = 65, "DescribeTransactions", 0..=0, 0;
    LIST_TRANSACTIONS = 66, "ListTransactions", 0..=2, 0;
    ALLOCATE_PRODUCER_IDS = 67, "AllocateProducerIds", 0..=0, 0;
    CONSUMER_GROUP_HEARTBEAT = 68, "ConsumerGroupHeartbeat", 0..=1, 0;
    CONSUMER_GROUP_DESCRIBE = 69, "ConsumerGroupDescribe", 0..=1, 0;
    CONTROLLER_REGISTRATION = 70, "ControllerRegistration", 0..=0, 0;
    GET_TELEMETRY_SUBSCRIPTIONS = 71, "GetTelemetrySubscriptions", 0..=0, 0;
    PUSH_TELEMETRY = 72, "PushTelemetry", 0..=0, 0;
    ASSIGN_REPLICAS_TO_DIRS = 73, "AssignReplicasToDirs", 0..=0, 0;
    LIST_CONFIG_RESOURCES = 74, "ListConfigResources", 0..=1, 0;
    DESCRIBE_TOPIC_PARTITIONS = 75, "DescribeTopicPartitions", 0..=0, 0;
    SHARE_GROUP_HEARTBEAT = 76, "ShareGroupHeartbeat", 1..=1, 0;
    SHARE_GROUP_DESCRIBE = 77, "ShareGroupDescribe", 1..=1, 0;
    SHARE_FETCH = 78, "ShareFetch", 1..=2, 0;
    SHARE_ACKNOWLEDGE = 79, "ShareAcknowledge", 1..=2, 0;
    ADD_RAFT_VOTER = 80, "AddRaftVoter", 0..=1, 0;
    REMOVE_RAFT_VOTER = 81, "RemoveRaftVoter", 0..=0, 0;
    UPDATE_RAFT_VOTER = 82, "UpdateRaftVoter", 0..=0, 0;
    INITIALIZE_SHARE_GROUP_STATE = 83, "InitializeShareGroupState", 0..=0, 0;
    READ_SHARE_GROUP_STATE = 84, "ReadShareGroupState", 0..=0, 0;
    WRITE_SHARE_GROUP_STATE = 85, "WriteShareGroupState", 0..=1, 0;
    DELETE_SHARE_GROUP_STATE = 86, "DeleteShareGroupState", 0..=0, 0;
    READ_SHARE_GROUP_STATE_SUMMARY = 87, "ReadShareGroupStateSummary", 0..=1, 0;
    STREAMS_GROUP_HEARTBEAT = 88, "StreamsGroupHeartbeat", 0..=0, 0;
    STREAMS_GROUP_DESCRIBE = 89, "StreamsGroupDescribe", 0..=0, 0;
    DESCRIBE_SHARE_GROUP_OFFSETS = 90, "DescribeShareGroupOffsets", 0..=1, 0;
    ALTER_SHARE_GROUP_OFFSETS = 91, "AlterShareGroupOffsets", 0..=0, 0;
    DELETE_SHARE_GROUP_OFFSETS = 92, "DeleteShareGroupOffsets", 0..=0, 0;
    DESCRIBE_VOTER = 20_000, "DescribeVoter", 0..=0, 0;
    REQUEST_VOTE = 20_001, "RequestVote", 0..=0, 0;
    APPEND_ENTRIES = 20_002, "AppendEntries", 0..=0, 0;
    INSTALL_SNAPSHOT = 20_003, "InstallSnapshot", 0..=0, 0;
    CONFIRM_LEADER = 20_004, "ConfirmLeader", 0..=0, 0;
    ASK_CONTROLLER = 20_005, "AskController", 0..=0, 0;
    KEEP_ALIVE = 20_006, "KeepAlive", 0..=0, 0;
}

impl ApiKey {
    /// The first key of an API of our own.
    pub const OWN_FIRST: Self = Self(20_000);

    /// Any key, known or not.
    pub const fn new(code: i16) -> Self {
        Self(code)
    }

    /// The key if Kafka 4.3 knows it, or if it is one of ours.
    pub fn known(code: i16) -> Option<Self> {
        Self(code).row().map(|row| row.key)
    }

    /// All known keys, rising.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.key)
    }

    /// The number.
    pub const fn code(self) -> i16 {
        self.0
    }

    /// Kafka's name or ours, or `Unknown`.
    pub fn name(self) -> &'static str {
        self.row().map_or("Unknown", |row| row.name)
    }

    /// Versions that Kafka 4.3 has, unstable ones included, or those of our own API; `None` for an unknown key.
    pub fn versions(self) -> Option<RangeInclusive<i16>> {
        self.row().map(|row| row.versions.clone())
    }

    /// First version with compact lengths and tagged fields; `i16::MAX` = none, or an unknown key.
    pub fn first_flexible(self) -> i16 {
        self.row().map_or(NEVER, |row| row.first_flexible)
    }

    fn row(self) -> Option<&'static Row> {
        let index = TABLE.binary_search_by_key(&self, |row| row.key).ok()?;
        TABLE.get(index)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some(row) => f.write_str(row.name),
            None => write!(f, "Unknown({})", self.0),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Look-up is by binary search, so the table must rise.
    #[test]
    fn keys_rise_and_are_found() {
        assert!(TABLE.windows(2).all(|pair| pair[0].key < pair[1].key));
        for key in ApiKey::all() {
            assert_eq!(ApiKey::known(key.code()), Some(key));
        }
        assert_eq!(ApiKey::known(4), None, "LeaderAndIsr is gone");
        assert_eq!(ApiKey::known(i16::MIN), None);
        assert_eq!(ApiKey::new(19_999).to_string(), "Unknown(19999)");
        assert!(ApiKey::OWN_FIRST <= ApiKey::DESCRIBE_VOTER);
        assert!(ApiKey::all().filter(|key| *key < ApiKey::OWN_FIRST).all(|key| key.code() < 1_000));
    }
}
