//! What a broker measures of itself, and the text in which it tells it.
//!
//! Floor 0: named by every room, names none. One recorder per broker and no global one, since several brokers share a
//! process. Two sources, and a family never in both: *recorder* (events with bounded labels, handles made once and
//! kept in structs) and *state* (whatever carries a topic, partition or client, written at scrape time from the state
//! itself). In reading order:
//! - `table`: every family with type, source, labels and help: the source of docs/metrics.md
//! - `recorder`: the recorder and the groups of handles; `request`: those of one API; `traffic`: counters of a topic
//! - `state`: what the floors above tell at scrape time; `text`: writing it; `process`: the operating system's view

mod process;
mod recorder;
mod request;
mod state;
mod table;
mod text;
mod traffic;

pub use recorder::{BuildInfo, DirectoryMetrics, ListenerMetrics, Telemetry};
pub use request::{ApiMetrics, Stage};
pub use state::{BrokerState, ClusterState, DirectoryState, PartitionState, StateSnapshot, TopicState};
pub use table::{Family, Kind, SECONDS_BUCKETS, Source, families};
pub use traffic::{TopicTraffic, Traffic};
