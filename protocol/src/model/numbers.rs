//! Offsets, epochs and numeric ids as newtypes over Kafka's wire integers.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $int);

        impl $name {
            /// The integer as it stands on the wire and on disk.
            pub const fn get(self) -> $int {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $int {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

number! {
    /// Position of a record in a partition; -1 stands for "none" where Kafka says so.
    Offset(i64)
}
number! {
    /// Number of a leadership, stamped into every batch; only rises. -1 = unknown.
    LeaderEpoch(i32)
}
number! {
    /// Version of the state of a partition; rises with every change of it.
    PartitionEpoch(i32)
}
number! {
    /// Number of a broker's registration: the index of its entry in the metadata log. -1 = none.
    BrokerEpoch(i64)
}
number! {
    /// Index of a partition inside its topic, from 0.
    PartitionIndex(i32)
}
number! {
    /// Id of a node. -1 = none.
    BrokerId(i32)
}
number! {
    /// Id of an idempotent or transactional producer. -1 = none.
    ProducerId(i64)
}
number! {
    /// Incarnation of a producer id; only rises. -1 = none.
    ProducerEpoch(i16)
}
number! {
    /// Milliseconds since the Unix epoch. -1 = none.
    Timestamp(i64)
}

impl Offset {
    /// "No offset", as Kafka writes it.
    pub const NONE: Self = Self(-1);
    /// The first offset of every partition.
    pub const ZERO: Self = Self(0);

    /// This offset plus `count`, or `None` beyond `i64::MAX`.
    pub const fn checked_add(self, count: i64) -> Option<Self> {
        match self.0.checked_add(count) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }
}

impl LeaderEpoch {
    /// "Unknown", as Kafka writes it.
    pub const NONE: Self = Self(-1);
}

impl BrokerId {
    /// "No node", as Kafka writes it.
    pub const NONE: Self = Self(-1);
}

impl ProducerId {
    /// "Not idempotent", as Kafka writes it.
    pub const NONE: Self = Self(-1);
}

impl ProducerEpoch {
    /// "Not idempotent", as Kafka writes it.
    pub const NONE: Self = Self(-1);
}

impl Timestamp {
    /// "No timestamp", as Kafka writes it.
    pub const NONE: Self = Self(-1);
}
