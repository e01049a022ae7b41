//! Every message as a list, for whoever handles them without knowing which: tools that print what they see, tests that
//! must not forget one.
//!
//! Handlers name the type they serve and do not come here. What is missing from the list is missing from the round trip
//! and the fuzz targets too, so a test compares it with the table in [`api`](crate::api).

use crate::{
    api::ApiKey,
    message::{Message, Request},
    schema::MessageSchema,
    wire::{DecodeError, EncodeError, Reader, Writer},
};
use std::{any::Any, fmt};

/// A message of a type known at run time only.
pub trait AnyMessage: Any + fmt::Debug {
    /// Bytes that [`AnyMessage::encode`] will write.
    fn encoded_len(&self, version: i16) -> Result<usize, EncodeError>;

    /// Writes the message, all of it or an error.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;

    /// Whether the other is of the same type and equal.
    fn equals(&self, other: &dyn AnyMessage) -> bool;
}

impl<M: Message + 'static> AnyMessage for M {
    fn encoded_len(&self, version: i16) -> Result<usize, EncodeError> {
        Message::encoded_len(self, version)
    }

    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        Message::encode(self, writer, version)
    }

    fn equals(&self, other: &dyn AnyMessage) -> bool {
        (other as &dyn Any).downcast_ref::<M>().is_some_and(|other| self == other)
    }
}

/// Reads a message of one type in the version given.
pub type Decode = fn(&mut Reader, i16) -> Result<Box<dyn AnyMessage>, DecodeError>;

/// What can be done with a type of message.
#[derive(Clone, Copy, Debug)]
pub struct MessageDescriptor {
    /// Name, role, versions, fields.
    pub schema: &'static MessageSchema,
    /// Reads a message. What remains in the reader is the caller's to judge.
    pub decode: Decode,
    /// Least number of bytes that any message of this version takes.
    pub min_wire_len: fn(i16) -> usize,
}

impl MessageDescriptor {
    const fn of<M: Message + 'static>() -> Self {
        Self {
            schema: M::SCHEMA,
            decode: |reader, version| M::decode(reader, version).map(|message| Box::new(message) as Box<_>),
            min_wire_len: <M as Message>::min_wire_len,
        }
    }
}

/// Both sides of an API.
#[derive(Clone, Copy, Debug)]
pub struct ApiDescriptor {
    /// Which API.
    pub key: ApiKey,
    /// What the client sends.
    pub request: MessageDescriptor,
    /// What the broker answers.
    pub response: MessageDescriptor,
}

impl ApiDescriptor {
    const fn of<R: Request + 'static>() -> Self
    where
        R::Response: 'static,
    {
        Self {
            key: R::KEY,
            request: MessageDescriptor::of::<R>(),
            response: MessageDescriptor::of::<R::Response>(),
        }
    }

    /// The API with this key, if we speak it.
    pub fn find(key: ApiKey) -> Option<&'static Self> {
        let position = APIS.binary_search_by_key(&key, |api| api.key).ok()?;
        APIS.get(position)
    }
}

/// Both halves of a record in an internal topic.
#[derive(Clone, Copy, Debug)]
pub struct RecordDescriptor {
    /// What the record is about.
    pub key: MessageDescriptor,
    /// What is said of it.
    pub value: MessageDescriptor,
}

/// Every API, by rising key.
pub const APIS: &[ApiDescriptor] = &[
    ApiDescriptor::of::<super::produce::ProduceRequest>(),
    ApiDescriptor::of::<super::fetch::FetchRequest>(),
    ApiDescriptor::of::<super::list_offsets::ListOffsetsRequest>(),
    ApiDescriptor::of::<super::metadata::MetadataRequest>(),
    ApiDescriptor::of::<super::offset_commit::OffsetCommitRequest>(),
    ApiDescriptor::of::<super::offset_fetch::OffsetFetchRequest>(),
    ApiDescriptor::of::<super::find_coordinator::FindCoordinatorRequest>(),
    ApiDescriptor::of::<super::join_group::JoinGroupRequest>(),
    ApiDescriptor::of::<super::heartbeat::HeartbeatRequest>(),
    ApiDescriptor::of::<super::leave_group::LeaveGroupRequest>(),
    ApiDescriptor::of::<super::sync_group::SyncGroupRequest>(),
    ApiDescriptor::of::<super::describe_groups::DescribeGroupsRequest>(),
    ApiDescriptor::of::<super::list_groups::ListGroupsRequest>(),
    ApiDescriptor::of::<super::sasl_handshake::SaslHandshakeRequest>(),
    ApiDescriptor::of::<super::api_versions::ApiVersionsRequest>(),
    ApiDescriptor::of::<super::create_topics::CreateTopicsRequest>(),
    ApiDescriptor::of::<super::delete_topics::DeleteTopicsRequest>(),
    ApiDescriptor::of::<super::delete_records::DeleteRecordsRequest>(),
    ApiDescriptor::of::<super::init_producer_id::InitProducerIdRequest>(),
    ApiDescriptor::of::<super::offset_for_leader_epoch::OffsetForLeaderEpochRequest>(),
    ApiDescriptor::of::<super::add_partitions_to_txn::AddPartitionsToTxnRequest>(),
    ApiDescriptor::of::<super::add_offsets_to_txn::AddOffsetsToTxnRequest>(),
    ApiDescriptor::of::<super::end_txn::EndTxnRequest>(),
    ApiDescriptor::of::<super::write_txn_markers::WriteTxnMarkersRequest>(),
    ApiDescriptor::of::<super::txn_offset_commit::TxnOffsetCommitRequest>(),
    ApiDescriptor::of::<super::describe_acls::DescribeAclsRequest>(),
    ApiDescriptor::of::<super::create_acls::CreateAclsRequest>(),
    ApiDescriptor::of::<super::delete_acls::DeleteAclsRequest>(),
    ApiDescriptor::of::<super::describe_configs::DescribeConfigsRequest>(),
    ApiDescriptor::of::<super::alter_configs::AlterConfigsRequest>(),
    ApiDescriptor::of::<super::alter_replica_log_dirs::AlterReplicaLogDirsRequest>(),
    ApiDescriptor::of::<super::describe_log_dirs::DescribeLogDirsRequest>(),
    ApiDescriptor::of::<super::sasl_authenticate::SaslAuthenticateRequest>(),
    ApiDescriptor::of::<super::create_partitions::CreatePartitionsRequest>(),
    ApiDescriptor::of::<super::create_delegation_token::CreateDelegationTokenRequest>(),
    ApiDescriptor::of::<super::renew_delegation_token::RenewDelegationTokenRequest>(),
    ApiDescriptor::of::<super::expire_delegation_token::ExpireDelegationTokenRequest>(),
    ApiDescriptor::of::<super::describe_delegation_token::DescribeDelegationTokenRequest>(),
    ApiDescriptor::of::<super::delete_groups::DeleteGroupsRequest>(),
    ApiDescriptor::of::<super::elect_leaders::ElectLeadersRequest>(),
    ApiDescriptor::of::<super::incremental_alter_configs::IncrementalAlterConfigsRequest>(),
    ApiDescriptor::of::<super::alter_partition_reassignments::AlterPartitionReassignmentsRequest>(),
    ApiDescriptor::of::<super::list_partition_reassignments::ListPartitionReassignmentsRequest>(),
    ApiDescriptor::of::<super::offset_delete::OffsetDeleteRequest>(),
    ApiDescriptor::of::<super::describe_client_quotas::DescribeClientQuotasRequest>(),
    ApiDescriptor::of::<super::alter_client_quotas::AlterClientQuotasRequest>(),
    ApiDescriptor::of::<super::describe_user_scram_credentials::DescribeUserScramCredentialsRequest>(),
    ApiDescriptor::of::<super::alter_user_scram_credentials::AlterUserScramCredentialsRequest>(),
    ApiDescriptor::of::<super::describe_quorum::DescribeQuorumRequest>(),
    ApiDescriptor::of::<super::alter_partition::AlterPartitionRequest>(),
    ApiDescriptor::of::<super::update_features::UpdateFeaturesRequest>(),
    ApiDescriptor::of::<super::describe_cluster::DescribeClusterRequest>(),
    ApiDescriptor::of::<super::describe_producers::DescribeProducersRequest>(),
    ApiDescriptor::of::<super::broker_registration::BrokerRegistrationRequest>(),
    ApiDescriptor::of::<super::broker_heartbeat::BrokerHeartbeatRequest>(),
    ApiDescriptor::of::<super::unregister_broker::UnregisterBrokerRequest>(),
    ApiDescriptor::of::<super::describe_transactions::DescribeTransactionsRequest>(),
    ApiDescriptor::of::<super::list_transactions::ListTransactionsRequest>(),
    ApiDescriptor::of::<super::allocate_producer_ids::AllocateProducerIdsRequest>(),
    ApiDescriptor::of::<super::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest>(),
    ApiDescriptor::of::<super::consumer_group_describe::ConsumerGroupDescribeRequest>(),
    ApiDescriptor::of::<super::get_telemetry_subscriptions::GetTelemetrySubscriptionsRequest>(),
    ApiDescriptor::of::<super::push_telemetry::PushTelemetryRequest>(),
    ApiDescriptor::of::<super::list_config_resources::ListConfigResourcesRequest>(),
    ApiDescriptor::of::<super::describe_topic_partitions::DescribeTopicPartitionsRequest>(),
    ApiDescriptor::of::<super::share_group_heartbeat::ShareGroupHeartbeatRequest>(),
    ApiDescriptor::of::<super::share_group_describe::ShareGroupDescribeRequest>(),
    ApiDescriptor::of::<super::share_fetch::ShareFetchRequest>(),
    ApiDescriptor::of::<super::share_acknowledge::ShareAcknowledgeRequest>(),
    ApiDescriptor::of::<super::add_raft_voter::AddRaftVoterRequest>(),
    ApiDescriptor::of::<super::remove_raft_voter::RemoveRaftVoterRequest>(),
    ApiDescriptor::of::<super::initialize_share_group_state::InitializeShareGroupStateRequest>(),
    ApiDescriptor::of::<super::read_share_group_state::ReadShareGroupStateRequest>(),
    ApiDescriptor::of::<super::write_share_group_state::WriteShareGroupStateRequest>(),
    ApiDescriptor::of::<super::delete_share_group_state::DeleteShareGroupStateRequest>(),
    ApiDescriptor::of::<super::read_share_group_state_summary::ReadShareGroupStateSummaryRequest>(),
    ApiDescriptor::of::<super::streams_group_heartbeat::StreamsGroupHeartbeatRequest>(),
    ApiDescriptor::of::<super::streams_group_describe::StreamsGroupDescribeRequest>(),
    ApiDescriptor::of::<super::describe_share_group_offsets::DescribeShareGroupOffsetsRequest>(),
    ApiDescriptor::of::<super::alter_share_group_offsets::AlterShareGroupOffsetsRequest>(),
    ApiDescriptor::of::<super::delete_share_group_offsets::DeleteShareGroupOffsetsRequest>(),
    ApiDescriptor::of::<super::quorum::describe_voter::DescribeVoterRequest>(),
    ApiDescriptor::of::<super::quorum::request_vote::RequestVoteRequest>(),
    ApiDescriptor::of::<super::quorum::append_entries::AppendEntriesRequest>(),
    ApiDescriptor::of::<super::quorum::install_snapshot::InstallSnapshotRequest>(),
    ApiDescriptor::of::<super::quorum::confirm_leader::ConfirmLeaderRequest>(),
    ApiDescriptor::of::<super::quorum::ask_controller::AskControllerRequest>(),
    ApiDescriptor::of::<super::quorum::keep_alive::KeepAliveRequest>(),
];

/// Every record of an internal topic, topic by topic.
pub const RECORDS: &[RecordDescriptor] = &[
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::offset_commit::LegacyOffsetCommitKey>(),
        value: MessageDescriptor::of::<super::internal::offset_commit::LegacyOffsetCommitValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::offset_commit::OffsetCommitKey>(),
        value: MessageDescriptor::of::<super::internal::offset_commit::OffsetCommitValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::classic_group::GroupMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::classic_group::GroupMetadataValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupMetadataValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupPartitionMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupPartitionMetadataValue>(
        ),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupMemberMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupMemberMetadataValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupTargetAssignmentMetadataKey>(
        ),
        value: MessageDescriptor::of::<
            super::internal::consumer_group::ConsumerGroupTargetAssignmentMetadataValue,
        >(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupTargetAssignmentMemberKey>(
        ),
        value: MessageDescriptor::of::<
            super::internal::consumer_group::ConsumerGroupTargetAssignmentMemberValue,
        >(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupCurrentMemberAssignmentKey>(
        ),
        value: MessageDescriptor::of::<
            super::internal::consumer_group::ConsumerGroupCurrentMemberAssignmentValue,
        >(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupRegularExpressionKey>(),
        value: MessageDescriptor::of::<super::internal::consumer_group::ConsumerGroupRegularExpressionValue>(
        ),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::share_group::ShareGroupMemberMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::share_group::ShareGroupMemberMetadataValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::share_group::ShareGroupMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::share_group::ShareGroupMetadataValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::share_group::ShareGroupTargetAssignmentMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::share_group::ShareGroupTargetAssignmentMetadataValue>(
        ),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::share_group::ShareGroupTargetAssignmentMemberKey>(),
        value: MessageDescriptor::of::<super::internal::share_group::ShareGroupTargetAssignmentMemberValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::share_group::ShareGroupCurrentMemberAssignmentKey>(),
        value: MessageDescriptor::of::<super::internal::share_group::ShareGroupCurrentMemberAssignmentValue>(
        ),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::share_group::ShareGroupStatePartitionMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::share_group::ShareGroupStatePartitionMetadataValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupMetadataValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupMemberMetadataKey>(),
        value: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupMemberMetadataValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupTargetAssignmentMetadataKey>(
        ),
        value: MessageDescriptor::of::<
            super::internal::streams_group::StreamsGroupTargetAssignmentMetadataValue,
        >(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupTargetAssignmentMemberKey>(),
        value: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupTargetAssignmentMemberValue>(
        ),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupCurrentMemberAssignmentKey>(
        ),
        value: MessageDescriptor::of::<
            super::internal::streams_group::StreamsGroupCurrentMemberAssignmentValue,
        >(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupTopologyKey>(),
        value: MessageDescriptor::of::<super::internal::streams_group::StreamsGroupTopologyValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::transaction_log::TransactionLogKey>(),
        value: MessageDescriptor::of::<super::internal::transaction_log::TransactionLogValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::share_state::ShareSnapshotKey>(),
        value: MessageDescriptor::of::<super::internal::share_state::ShareSnapshotValue>(),
    },
    RecordDescriptor {
        key: MessageDescriptor::of::<super::internal::share_state::ShareUpdateKey>(),
        value: MessageDescriptor::of::<super::internal::share_state::ShareUpdateValue>(),
    },
];

/// Control records and what is inside byte fields.
pub const DATA: &[MessageDescriptor] = &[
    MessageDescriptor::of::<super::internal::control::ControlRecordTypeSchema>(),
    MessageDescriptor::of::<super::internal::control::EndTxnMarker>(),
    MessageDescriptor::of::<super::internal::control::LeaderChangeMessage>(),
    MessageDescriptor::of::<super::internal::control::SnapshotHeaderRecord>(),
    MessageDescriptor::of::<super::internal::control::SnapshotFooterRecord>(),
    MessageDescriptor::of::<super::internal::control::KRaftVersionRecord>(),
    MessageDescriptor::of::<super::internal::control::VotersRecord>(),
    MessageDescriptor::of::<super::blob::consumer_protocol::ConsumerProtocolSubscription>(),
    MessageDescriptor::of::<super::blob::consumer_protocol::ConsumerProtocolAssignment>(),
    MessageDescriptor::of::<super::blob::principal::DefaultPrincipalData>(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Role;

    /// Kafka's consensus messages and some between its own nodes; ours are others.
    const NOT_SPOKEN: [i16; 8] = [52, 53, 54, 58, 59, 70, 73, 82];

    #[test]
    fn every_known_api_is_here_or_left_out_on_purpose() {
        let mut expected: Vec<_> = ApiKey::all().collect();
        expected.retain(|key| !NOT_SPOKEN.contains(&key.code()));
        assert_eq!(APIS.iter().map(|api| api.key).collect::<Vec<_>>(), expected, "by rising key");
    }

    #[test]
    fn messages_agree_with_the_table_of_apis() {
        for api in APIS {
            let name = api.key.name();
            let mut versions = api.key.versions().unwrap();
            if api.key == ApiKey::INIT_PRODUCER_ID {
                versions = 0..=5; // 6 is unstable in Kafka 4.3
            }
            for (side, ending, role) in [
                (api.request, "Request", Role::Request(api.key)),
                (api.response, "Response", Role::Response(api.key)),
            ] {
                let schema = side.schema;
                assert_eq!(schema.name, format!("{name}{ending}"));
                assert_eq!(schema.role, role, "{name}");
                assert_eq!(schema.first_version..=schema.last_version, versions, "{name}");
                assert_eq!(schema.first_flexible, api.key.first_flexible(), "{name}");
            }
            assert_eq!(ApiDescriptor::find(api.key).unwrap().key, api.key);
        }
        assert!(ApiDescriptor::find(ApiKey::new(4)).is_none());
    }

    #[test]
    fn key_and_value_of_a_record_belong_together_and_no_type_is_taken_twice() {
        let mut taken = std::collections::BTreeSet::new();
        for record in RECORDS {
            let (
                Role::RecordKey { topic, record_type },
                Role::RecordValue { topic: of, record_type: value_type },
            ) = (record.key.schema.role, record.value.schema.role)
            else {
                panic!("{} is not a key with its value", record.key.schema.name);
            };
            assert_eq!((topic, record_type), (of, value_type), "{}", record.key.schema.name);
            assert!(taken.insert((topic, record_type)), "{topic} {record_type} is there twice");
        }
    }
}
