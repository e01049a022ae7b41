//! Tests of classic groups: transcripts of every rule (`testdata/classic_groups/*.txt`), and random lives of groups.
//!
//! Reading order: [`table`] (a group with its log and its timers, driven by hand), [`transcripts`] in the words of
//! [`telling`], [`model`], [`hostile`].

mod hostile;
mod model;
mod table;
mod telling;
mod transcripts;
