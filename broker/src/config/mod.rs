//! Configuration: what a broker is told before it starts, what topics may override, and what both answer about it.
//!
//! Floor 0: named by every room, names none. In reading order:
//! - `keys`: the table of every key; `names`, `value`, `units`: finding a key and reading its value
//! - `properties`, `toml_file`, `environment`: the three syntaxes, pure
//! - `settings`, `load`, `sources`: what was set and where; loading it, precedence, every fault at once (`problem`)
//! - `broker`, `typed`, `listener`, `listener_list`, `voters`, `choices`: the typed whole, [`BrokerConfig`]
//! - `layers`, `topic`, `cleaner`: who overrides whom; the effective values of a topic, [`TopicConfig`], and of compaction
//! - `describe`, `alter`, `served`: DescribeConfigs and the changes of configurations
//! - `report`: what became of each setting, for people

pub mod alter;
mod broker;
mod choices;
mod cleaner;
pub mod describe;
mod environment;
mod group_bounds;
pub mod keys;
mod layers;
mod listener;
mod listener_list;
mod load;
mod names;
mod problem;
mod properties;
mod report;
mod served;
mod settings;
mod sources;
mod toml_file;
mod topic;
mod typed;
mod units;
mod value;
mod voters;

pub use broker::{
    AdminConfig, BrokerConfig, DEFAULT_DATA_DIRECTORY, GroupsConfig, Listeners, LoggingConfig, LogsConfig,
    MetricsConfig, NetworkConfig, OffsetsTopicConfig, ProducersConfig, QuorumConfig, RequestConfig,
    TopicDefaults,
};
pub use choices::{
    CompressionType, Durability, GroupMetricsLevel, GroupMigration, LogFormat, MetricsLevel,
    SecurityProtocol, TimestampType, UnknownChoice,
};
pub use cleaner::CleanerConfig;
pub use layers::{ConfigValues, Layers, Source, Sourced};
pub use listener::{HostPort, Listener, ListenerName};
pub use load::{ConfigFile, ConfigSources, Loaded, load};
pub use names::{Named, find, nearest};
pub use problem::{ConfigError, Problem};
pub use report::{ConfigReport, Explanation, Line, bounds, explain};
pub use served::unserved;
pub use settings::{Origin, Setting, Settings};
pub use topic::TopicConfig;
pub use typed::Surroundings;
pub use units::Unit;
pub use value::{ValueError, plain, validated};
pub use voters::QuorumVoter;
