//! 128-bit ids and topic-partition names.

use super::PartitionIndex;
use std::{fmt, str::FromStr, sync::Arc};

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// "No id", as Kafka writes it.
            pub const NONE: Self = Self([0; 16]);

            /// Whether this is "no id".
            pub const fn is_none(self) -> bool {
                u128::from_be_bytes(self.0) == 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&text_of(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                id_of(text).map(Self)
            }
        }
    };
}

id! {
    /// 128-bit id of one incarnation of a topic. All zero = none. Printed as Kafka does: 22 characters of URL-safe base64.
    TopicId
}
id! {
    /// 128-bit id of anything else: a log directory, a run of a broker, a client instance. Printed like a [`TopicId`].
    Uuid
}

/// A text that is not 22 characters of URL-safe base64, or has stray bits in the last one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of 22 URL-safe base64 characters: {0:?}")]
pub struct ParseIdError(String);

fn text_of(id: [u8; 16]) -> String {
    // 128 bits are 21 sextets and two bits; the last character carries those two, shifted up.
    let value = u128::from_be_bytes(id);
    let mut text = String::with_capacity(22);
    for index in 0..22_u32 {
        let sextet = if index < 21 { (value >> (122 - 6 * index)) & 63 } else { (value & 3) << 4 };
        let position = usize::try_from(sextet).unwrap_or_default();
        text.push(BASE64_URL.get(position).copied().map_or('A', char::from));
    }
    text
}

fn id_of(text: &str) -> Result<[u8; 16], ParseIdError> {
    let refuse = || ParseIdError(text.chars().take(64).collect());
    let trimmed = text.trim_end_matches('=');
    if trimmed.len() != 22 {
        return Err(refuse());
    }
    let mut value: u128 = 0;
    for (index, byte) in trimmed.bytes().enumerate() {
        let sextet = BASE64_URL.iter().position(|c| *c == byte).ok_or_else(refuse)?;
        let sextet = u128::try_from(sextet).map_err(|_| refuse())?;
        if index < 21 {
            value = (value << 6) | sextet;
        } else if sextet.trailing_zeros() >= 4 {
            value = (value << 2) | (sextet >> 4);
        } else {
            return Err(refuse());
        }
    }
    Ok(value.to_be_bytes())
}

/// One partition of one topic, by name. Cloning shares the name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Partition inside it.
    pub partition: PartitionIndex,
}

impl TopicPartition {
    /// Puts the two together.
    pub fn new(topic: impl Into<Arc<str>>, partition: PartitionIndex) -> Self {
        Self { topic: topic.into(), partition }
    }
}

/// `topic-partition`, as the folder on disk is called.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text and bytes as Kafka's Uuid prints them.
    #[test]
    fn topic_id_prints_and_reads_as_kafka_does() {
        for (bytes, text) in [
            ([0_u8; 16], "AAAAAAAAAAAAAAAAAAAAAA"),
            ([255; 16], "_____________________w"),
            (1_u128.to_be_bytes(), "AAAAAAAAAAAAAAAAAAAAAQ"),
            (2_u128.to_be_bytes(), "AAAAAAAAAAAAAAAAAAAAAg"),
        ] {
            assert_eq!(TopicId(bytes).to_string(), text);
            assert_eq!(text.parse::<TopicId>().unwrap(), TopicId(bytes));
        }
        assert!("AAAAAAAAAAAAAAAAAAAAAB".parse::<TopicId>().is_err(), "stray bits");
        assert!("short".parse::<TopicId>().is_err());
    }
}
