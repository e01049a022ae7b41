//! Decisions as transcripts.
