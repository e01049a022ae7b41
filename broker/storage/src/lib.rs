//! The files of a partition.
