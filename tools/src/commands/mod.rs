//! One file per command, or one folder where a command has several. Each holds its flags and what it does.

pub(crate) mod broker;
pub(crate) mod cluster;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod consume;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod group;
pub(crate) mod help_on;
pub(crate) mod log;
pub(crate) mod perf;
pub(crate) mod produce;
pub(crate) mod serve;
mod start_failure;
pub(crate) mod topic;
