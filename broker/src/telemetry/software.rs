//! Which software clients run, by what they say of themselves when they connect.
//!
//! Above: `net`, whose connections take seats and leave them; the overview, which reads. Below: nothing. Names come checked
//! (letters, digits, `-`, `.`) but anyone may invent them, so there is room for a number of them and a place for the rest.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

/// Kinds of software that are told apart.
const KINDS_MAX: usize = 100;
/// Longest name or version; the rest is cut off.
const NAME_LEN_MAX: usize = 64;
/// What stands for everything beyond.
const OTHER: &str = "other";

/// Name and version.
type Software = (String, String);

/// Open connections by software. Cloning shares the counts.
#[derive(Debug, Clone, Default)]
pub struct ConnectedSoftware(Arc<Mutex<BTreeMap<Software, u64>>>);

impl ConnectedSoftware {
    /// Connections by name and version.
    pub fn read(&self) -> Vec<(String, String, u64)> {
        let counts = self.0.lock();
        counts.iter().map(|((name, version), count)| (name.clone(), version.clone(), *count)).collect()
    }

    fn enter(&self, name: &str, version: &str) -> Software {
        let cut = |text: &str| text.chars().take(NAME_LEN_MAX).collect::<String>();
        let mut counts = self.0.lock();
        let mut software = (cut(name), cut(version));
        if KINDS_MAX <= counts.len() && !counts.contains_key(&software) {
            software = (OTHER.to_owned(), OTHER.to_owned());
        }
        *counts.entry(software.clone()).or_default() += 1;
        software
    }

    fn leave(&self, software: &Software) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(software) {
            *count -= 1;
            if *count == 0 {
                counts.remove(software);
            }
        }
    }
}

/// The place of one connection in the counts; left when dropped.
#[derive(Debug)]
pub struct SoftwareSeat {
    counts: ConnectedSoftware,
    software: OnceLock<Box<Software>>,
}

impl SoftwareSeat {
    /// A connection that has not said what it runs.
    pub const fn new(counts: ConnectedSoftware) -> Self {
        Self { counts, software: OnceLock::new() }
    }

    /// The connection runs this. The first word counts.
    pub fn tell(&self, name: &str, version: &str) {
        self.software.get_or_init(|| Box::new(self.counts.enter(name, version)));
    }
}

impl Drop for SoftwareSeat {
    fn drop(&mut self) {
        if let Some(software) = self.software.get() {
            self.counts.leave(software);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_until_they_end() {
        let counts = ConnectedSoftware::default();
        let seats: Vec<_> = (0..3).map(|_| SoftwareSeat::new(counts.clone())).collect();
        seats[0].tell("librdkafka", "2.6.0");
        seats[1].tell("librdkafka", "2.6.0");
        seats[1].tell("something", "else");
        assert_eq!(counts.read(), [("librdkafka".to_owned(), "2.6.0".to_owned(), 2)]);
        drop(seats);
        assert_eq!(counts.read(), []);
    }

    #[test]
    fn invented_names_do_not_become_series_without_end() {
        let counts = ConnectedSoftware::default();
        let seats: Vec<_> = (0..1_000)
            .map(|number| {
                let seat = SoftwareSeat::new(counts.clone());
                seat.tell(&format!("client-{number}"), &"9".repeat(1_000));
                seat
            })
            .collect();
        let read = counts.read();
        assert_eq!(read.len(), KINDS_MAX + 1);
        assert!(read.contains(&(OTHER.to_owned(), OTHER.to_owned(), 900)), "{read:?}");
        assert!(read.iter().all(|(_, version, _)| version.len() <= NAME_LEN_MAX));
        drop(seats);
        assert_eq!(counts.read(), []);
    }
}
