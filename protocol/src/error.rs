//! Kafka's error codes: the answers of the protocol, as opposed to failures of ours.
//!
//! Message fields hold the bare `i16`, since a newer peer may send codes that are not known here.

use std::fmt;

macro_rules! error_codes {
    ($($variant:ident = $code:literal, $name:literal, $retriable:ident, $text:literal;)*) => {
        /// A code of Kafka 4.3.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(#[doc = concat!($name, ": ", $text, ".")]
            $variant = $code,)*
        }

        impl ErrorCode {
            /// Every code, rising.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As it stands on the wire.
            pub const fn code(self) -> i16 {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// The code if it is known.
            pub const fn from_code(code: i16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Kafka's name, such as `NOT_LEADER_OR_FOLLOWER`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it means, as part of a sentence.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// Whether the same request may succeed later, perhaps elsewhere.
            pub const fn is_retriable(self) -> bool {
                match self {
                    $(Self::$variant => is!($retriable),)*
                }
            }
        }
    };
}

macro_rules! is {
    (retriable) => {
        true
    };
    (fatal) => {
        false
    };
}

error_codes! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", fatal, "the broker failed in a way it did not foresee";
    None = 0, "NONE", fatal, "no error";
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", fatal, "the offset is outside of what the partition holds";
    CorruptMessage = 2, "CORRUPT_MESSAGE", retriable, "the record batch is damaged: length or checksum do not fit";
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", retriable, "the broker does not host this topic or partition";
    InvalidFetchSize = 4, "INVALID_FETCH_SIZE", fatal, "the fetch size is not legal";
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", retriable, "the partition has no leader at the moment";
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", retriable, "this broker is neither leader nor follower of the partition";
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", retriable, "the time allowed for the request ran out";
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", fatal, "the broker cannot be reached";
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE", retriable, "the replica is not there on this broker";
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE", fatal, "the request holds a batch that is larger than the broker takes";
    StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH", fatal, "the controller epoch is older than one already seen";
    OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE", fatal, "the metadata string of an offset commit is too long";
    NetworkException = 13, "NETWORK_EXCEPTION", retriable, "the connection broke before the answer came";
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", retriable, "the coordinator is still reading its log";
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", retriable, "the coordinator is not ready";
    NotCoordinator = 16, "NOT_COORDINATOR", retriable, "this broker is not the coordinator of the group or transaction";
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION", fatal, "the topic name is not legal, or names an internal topic";
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", fatal, "the batch is larger than a segment";
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", retriable, "too few replicas are in sync: nothing was appended";
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", retriable, "the records were appended, but too few replicas are in sync";
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", fatal, "acks is not one of -1, 0 and 1";
    IllegalGeneration = 22, "ILLEGAL_GENERATION", fatal, "the generation is not the current one of the group";
    InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL", fatal, "the protocols of the member do not fit those of the group";
    InvalidGroupId = 24, "INVALID_GROUP_ID", fatal, "the group id is not legal";
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", fatal, "the group does not know this member";
    InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT", fatal, "the session timeout is outside of the allowed range";
    RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS", fatal, "the group is rebalancing: join again";
    InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE", fatal, "the offset commit is larger than the offsets topic takes";
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", fatal, "not authorized to use the topic";
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", fatal, "not authorized to use the group";
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", fatal, "not authorized to act on the cluster";
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", fatal, "a timestamp is too far off, or of the wrong kind";
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", fatal, "the broker does not offer this SASL mechanism";
    IllegalSaslState = 34, "ILLEGAL_SASL_STATE", fatal, "the request does not belong to this state of the SASL exchange";
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION", fatal, "the broker does not speak this version of the API";
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", fatal, "a topic of this name is there already";
    InvalidPartitions = 37, "INVALID_PARTITIONS", fatal, "the number of partitions is not legal";
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", fatal, "the replication factor is below 1 or above the number of brokers";
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", fatal, "the list of replicas is not legal";
    InvalidConfig = 40, "INVALID_CONFIG", fatal, "a config key or value is not legal";
    NotController = 41, "NOT_CONTROLLER", retriable, "this broker is not the controller";
    InvalidRequest = 42, "INVALID_REQUEST", fatal, "the request contradicts itself or breaks a rule of its API";
    UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", fatal, "the message format of the topic cannot do this";
    PolicyViolation = 44, "POLICY_VIOLATION", fatal, "a policy of the cluster forbids this";
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", fatal, "the sequence number does not follow the last one";
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER", fatal, "the broker has these records already";
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", fatal, "the producer epoch is older than the current one";
    InvalidTxnState = 48, "INVALID_TXN_STATE", fatal, "the transaction is in a state that does not allow this";
    InvalidProducerIdMapping = 49, "INVALID_PRODUCER_ID_MAPPING", fatal, "the producer id does not belong to this transactional id";
    InvalidTransactionTimeout = 50, "INVALID_TRANSACTION_TIMEOUT", fatal, "the transaction timeout is not legal or above the maximum of the broker";
    ConcurrentTransactions = 51, "CONCURRENT_TRANSACTIONS", retriable, "another operation on the transaction is still under way";
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED", fatal, "the transaction coordinator was replaced by a newer one";
    TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", fatal, "not authorized to use the transactional id";
    SecurityDisabled = 54, "SECURITY_DISABLED", fatal, "the broker has no authorizer, hence no such feature";
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED", fatal, "the broker did not get to this item, since another one failed";
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", retriable, "the log directory of the partition failed";
    LogDirNotFound = 57, "LOG_DIR_NOT_FOUND", fatal, "the broker has no such log directory";
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", fatal, "authentication failed";
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", fatal, "the broker has no state of this producer";
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS", fatal, "a reassignment of the partition is under way";
    DelegationTokenAuthDisabled = 61, "DELEGATION_TOKEN_AUTH_DISABLED", fatal, "delegation tokens are switched off";
    DelegationTokenNotFound = 62, "DELEGATION_TOKEN_NOT_FOUND", fatal, "the delegation token is not there";
    DelegationTokenOwnerMismatch = 63, "DELEGATION_TOKEN_OWNER_MISMATCH", fatal, "the delegation token belongs to somebody else";
    DelegationTokenRequestNotAllowed = 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", fatal, "delegation tokens are not handed out on a connection like this";
    DelegationTokenAuthorizationFailed = 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", fatal, "not authorized to use the delegation token";
    DelegationTokenExpired = 66, "DELEGATION_TOKEN_EXPIRED", fatal, "the delegation token has expired";
    InvalidPrincipalType = 67, "INVALID_PRINCIPAL_TYPE", fatal, "the type of the principal is not supported";
    NonEmptyGroup = 68, "NON_EMPTY_GROUP", fatal, "the group still has members";
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", fatal, "the group is not there";
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", retriable, "the broker has no such fetch session";
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH", retriable, "the epoch of the fetch session is not the next one";
    ListenerNotFound = 72, "LISTENER_NOT_FOUND", retriable, "the leader has no listener of this name";
    TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED", fatal, "deletion of topics is switched off";
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", retriable, "the leader epoch is older than the broker's";
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", retriable, "the leader epoch is newer than the broker's";
    UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE", fatal, "the codec is not known, or too new for the version of the request";
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", fatal, "the broker epoch is older than the registered one";
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", retriable, "a new leader does not know this offset yet";
    MemberIdRequired = 79, "MEMBER_ID_REQUIRED", fatal, "join again with the member id of this answer";
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE", retriable, "the preferred leader cannot lead now";
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", fatal, "the group has as many members as it may have";
    FencedInstanceId = 82, "FENCED_INSTANCE_ID", fatal, "another member with the same instance id took its place";
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", retriable, "no replica that may lead is alive";
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", retriable, "the partition is led as wished already";
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS", fatal, "no reassignment of the partition is under way";
    GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC", fatal, "the group is subscribed to the topic";
    InvalidRecord = 87, "INVALID_RECORD", fatal, "the broker refused a record of the batch";
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", retriable, "a transaction has not yet decided about the committed offset";
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", retriable, "a quota is used up";
    ProducerFenced = 90, "PRODUCER_FENCED", fatal, "a newer producer with the same transactional id is active";
    ResourceNotFound = 91, "RESOURCE_NOT_FOUND", fatal, "no such resource";
    DuplicateResource = 92, "DUPLICATE_RESOURCE", fatal, "a resource of this name is there already";
    UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL", fatal, "the credential does not meet the requirements";
    InconsistentVoterSet = 94, "INCONSISTENT_VOTER_SET", fatal, "the voters of the request are not those of the quorum";
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", fatal, "the feature level is not a legal next one";
    FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED", fatal, "the change of the feature level failed";
    PrincipalDeserializationFailure = 97, "PRINCIPAL_DESERIALIZATION_FAILURE", fatal, "the forwarded principal cannot be read";
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND", fatal, "the snapshot is not there";
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE", fatal, "the position is beyond the end of the snapshot";
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", retriable, "no topic has this id";
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", fatal, "a broker with this id is alive already";
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", fatal, "the broker with this id is not registered";
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID", retriable, "the topic id is not the one of the partition's log";
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", fatal, "the request is meant for another cluster";
    TransactionalIdNotFound = 105, "TRANSACTIONAL_ID_NOT_FOUND", fatal, "the transactional id is not known";
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR", retriable, "the fetch session mixes topic ids and topic names";
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", fatal, "the replica may not join the in-sync replicas now";
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", fatal, "the change came with a new leader: ask for metadata again";
    OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE", fatal, "the offset is only in remote storage";
    FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH", fatal, "the member epoch is not the current one: join again";
    UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID", fatal, "the static member is still held by another one";
    UnsupportedAssignor = 112, "UNSUPPORTED_ASSIGNOR", fatal, "the group has no such assignor";
    StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH", fatal, "the member epoch is old: learn the new one by a heartbeat first";
    MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE", fatal, "the request is meant for the other kind of endpoint";
    UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE", fatal, "the broker does not serve this kind of endpoint";
    UnknownControllerId = 116, "UNKNOWN_CONTROLLER_ID", fatal, "the controller with this id is not known";
    UnknownSubscriptionId = 117, "UNKNOWN_SUBSCRIPTION_ID", fatal, "the telemetry subscription is not the current one";
    TelemetryTooLarge = 118, "TELEMETRY_TOO_LARGE", fatal, "the telemetry is larger than the broker takes";
    InvalidRegistration = 119, "INVALID_REGISTRATION", fatal, "the registration contradicts the cluster";
    TransactionAbortable = 120, "TRANSACTION_ABORTABLE", fatal, "the transaction can only be aborted now";
    InvalidRecordState = 121, "INVALID_RECORD_STATE", fatal, "the record is not in a state that allows this acknowledgement";
    ShareSessionNotFound = 122, "SHARE_SESSION_NOT_FOUND", retriable, "the broker has no such share session";
    InvalidShareSessionEpoch = 123, "INVALID_SHARE_SESSION_EPOCH", retriable, "the epoch of the share session is not the next one";
    FencedStateEpoch = 124, "FENCED_STATE_EPOCH", fatal, "the state epoch of the share partition is old";
    InvalidVoterKey = 125, "INVALID_VOTER_KEY", fatal, "the key of the voter is not the expected one";
    DuplicateVoter = 126, "DUPLICATE_VOTER", fatal, "the voter is in the quorum already";
    VoterNotFound = 127, "VOTER_NOT_FOUND", fatal, "the voter is not in the quorum";
    InvalidRegularExpression = 128, "INVALID_REGULAR_EXPRESSION", fatal, "the regular expression is not legal";
    RebootstrapRequired = 129, "REBOOTSTRAP_REQUIRED", fatal, "start again from the bootstrap servers";
    StreamsInvalidTopology = 130, "STREAMS_INVALID_TOPOLOGY", fatal, "the topology is not legal";
    StreamsInvalidTopologyEpoch = 131, "STREAMS_INVALID_TOPOLOGY_EPOCH", fatal, "the epoch of the topology is not legal";
    StreamsTopologyFenced = 132, "STREAMS_TOPOLOGY_FENCED", fatal, "the topology is older than that of the group";
    ShareSessionLimitReached = 133, "SHARE_SESSION_LIMIT_REACHED", retriable, "the broker has as many share sessions as it may have";
}

/// `NAME: what it means`
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.text())
    }
}

impl From<ErrorCode> for i16 {
    fn from(error: ErrorCode) -> Self {
        error.code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes have no gap, so that none was forgotten between the first and the last.
    #[test]
    fn codes_run_from_minus_one_without_a_gap() {
        for (code, error) in (-1_i16..).zip(ErrorCode::ALL) {
            assert_eq!(error.code(), code);
            assert_eq!(ErrorCode::from_code(code), Some(*error));
        }
        assert_eq!(ErrorCode::ALL.len(), 135);
        assert_eq!(ErrorCode::from_code(134), None);
    }
}
