//! Quotas and their windows.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::AtLeast;
use super::key::ValueType::Class;
use super::key::{Key, int};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    int("quota.window.num", "11")
        .check(AtLeast(1))
        .no_effect(reasons::QUOTA)
        .doc("Samples over which client quotas are measured."),
    int("quota.window.size.seconds", "1")
        .check(AtLeast(1))
        .no_effect(reasons::QUOTA)
        .doc("Length of a sample of client quotas."),
    int("controller.quota.window.num", "11")
        .check(AtLeast(1))
        .no_effect(reasons::QUOTA)
        .doc("Samples over which mutation quotas are measured."),
    int("controller.quota.window.size.seconds", "1")
        .check(AtLeast(1))
        .no_effect(reasons::QUOTA)
        .doc("Length of a sample of mutation quotas."),
    int("replication.quota.window.num", "11")
        .check(AtLeast(1))
        .no_effect(reasons::QUOTA)
        .doc("Samples over which replication throttles are measured."),
    int("replication.quota.window.size.seconds", "1")
        .check(AtLeast(1))
        .no_effect(reasons::QUOTA)
        .doc("Length of a sample of replication throttles."),
    int("alter.log.dirs.replication.quota.window.num", "11")
        .check(AtLeast(1))
        .no_effect(reasons::QUOTA)
        .doc("Samples over which moves between folders are measured."),
    int("alter.log.dirs.replication.quota.window.size.seconds", "1")
        .check(AtLeast(1))
        .no_effect(reasons::QUOTA)
        .doc("Length of a sample of moves between folders."),
    Key::unset(Class, "client.quota.callback.class")
        .refused(reasons::QUOTA_CLASS)
        .doc("Class that computes client quotas."),
];
