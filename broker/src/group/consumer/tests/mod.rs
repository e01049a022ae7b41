//! What a consumer group does, as transcripts: the records of each step, in order, then the answer.
//!
//! `joining` (who gets in, and what is refused), `handover` (partitions from one member to the next), `fixed` (static
//! members), `regexes`, `migration` (classic members, both ways), `records` (replay, Kafka's own log), `model` (many members,
//! lost answers, any order).

mod fixed;
mod handover;
mod joining;
mod migration;
mod model;
mod records;
mod regexes;
