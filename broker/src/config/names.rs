//! Finding a key by the name that a person wrote: known, formerly known, or mistyped.
//!
//! Pure. Above: the loader, `config explain`, messages about unknown keys. Below: the key table.

use super::keys::{self, Key};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    /// A key of the table.
    Known(&'static Key),
    /// A key of older Kafka versions, or one that Kafka takes for a single listener: no effect, for this reason.
    Foreign(&'static str),
    /// Nothing that is known; the nearest names, best first.
    Unknown(Vec<&'static str>),
}

const ZOOKEEPER: &str = "there is no ZooKeeper; metadata is kept by the brokers";
const OLD: &str = "the key was removed from Kafka";
const LISTENER: &str = "settings of a single listener are not served";

/// Keys that Kafka dropped and that files carry along.
const REMOVED: &[&str] = &[
    "advertised.host.name",
    "advertised.port",
    "broker.id.generation.enable",
    "control.plane.listener.name",
    "controlled.shutdown.max.retries",
    "controlled.shutdown.retry.backoff.ms",
    "delegation.token.master.key",
    "host.name",
    "inter.broker.protocol.version",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.difference.max.ms",
    "offsets.commit.required.acks",
    "port",
    "reserved.broker.max.id",
];

/// What this name stands for among a broker's keys.
pub fn find(name: &str) -> Named {
    if let Some(key) = keys::broker_key(name) {
        return Named::Known(key);
    }
    if name.starts_with("zookeeper.") || name.starts_with("password.encoder.") {
        return Named::Foreign(ZOOKEEPER);
    }
    if REMOVED.contains(&name) {
        return Named::Foreign(OLD);
    }
    if name.starts_with("listener.name.") {
        return Named::Foreign(LISTENER);
    }
    Named::Unknown(nearest(name, keys::broker_keys().map(|key| key.name)))
}

/// Up to three names that a person may have meant, best first.
pub fn nearest(name: &str, candidates: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    // One slip in six letters, at most three; names are long, and `log.dir` must not suggest `log.dirs.x`.
    let allowed = (name.chars().count() / 6).clamp(1, 3);
    let mut near: Vec<(usize, &'static str)> = candidates
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, candidate)| candidate).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_key_that_was_meant() {
        for (name, meant) in [
            ("log.retension.ms", "log.retention.ms"),
            ("num.partition", "num.partitions"),
            ("mainstem.durabilty", "mainstem.durability"),
            ("advertised.listener", "advertised.listeners"),
        ] {
            let Named::Unknown(near) = find(name) else { panic!("{name} is known") };
            assert_eq!(near.first(), Some(&meant), "{name}");
        }
        assert_eq!(find("confluent.license"), Named::Unknown(Vec::new()));
    }

    #[test]
    fn keys_of_older_versions_are_recognised() {
        assert_eq!(find("zookeeper.connect"), Named::Foreign(ZOOKEEPER));
        assert_eq!(find("inter.broker.protocol.version"), Named::Foreign(OLD));
        assert_eq!(find("listener.name.external.ssl.keystore.location"), Named::Foreign(LISTENER));
    }
}
