//! What a broker measures of itself, and the text in which it tells it.
//!
//! Floor 0: named by every room, names none. One recorder per broker and no global one, since several brokers share a
//! process. Two sources, and a family never in both: *recorder* (events with bounded labels, handles made once and
//! kept in structs) and *state* (whatever carries a topic, partition or client, written at scrape time from the state
//! itself). In reading order:
//! - `table`: every family with type, source, labels and help: the source of docs/metrics.md
//! - `recorder`: the recorder and the groups of handles; `histogram`: times; `request`: handles of requests; `traffic`:
//!   counters of a topic; `software`: what clients run
//! - `state`: what the floors above tell at scrape time; `text`: writing it, `group_text` what is of groups; `process`: the operating system's view

mod group_text;
mod histogram;
mod process;
mod recorder;
mod request;
mod software;
mod state;
mod table;
mod text;
mod traffic;

pub use histogram::SecondsHistogram;
pub use recorder::{BuildInfo, CompactionMetrics, DirectoryMetrics, ListenerMetrics, Telemetry};
pub use request::{ApiMetrics, ListenerRequests, Stage};
pub use software::{ConnectedSoftware, SoftwareSeat};
pub use state::{
    BrokerState, ClusterState, CoordinatorShards, DirectoryState, GroupMembership, GroupPositions,
    GroupsState, PartitionState, QuorumState, SegmentFiles, StateSnapshot, TopicState,
};
pub use table::{Family, Kind, SECONDS_BUCKETS, Source, families};
pub use traffic::{TopicTraffic, Traffic};
