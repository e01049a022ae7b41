//! Records of the cluster's own topics, in Kafka's layout, so that foreign tools can read ours and we theirs.
//!
//! The key of a record is a record type and then fields, never flexible; the value is a version and then fields. Both
//! prefixes are put and taken by [`encode_record_key`](crate::message::encode_record_key),
//! [`encode_versioned`](crate::message::encode_versioned) and their counterparts. A null value is a tombstone.
//! Above: the coordinators, which write these records and replay them, and the log dump of the tools.

pub mod classic_group;
pub mod consumer_group;
pub mod control;
pub mod offset_commit;
pub mod share_group;
pub mod share_state;
pub mod streams_group;
pub mod transaction_log;
