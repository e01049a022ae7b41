//! Nothing: this package is only the pinned list of crates that the gates G2 and G3 fetch.
