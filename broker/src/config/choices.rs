//! Settings that are a choice of few words: durability, timestamp type, security protocol and the like.
//!
//! Pure. Above: the rest of `config` and whoever reads a `BrokerConfig` or a `TopicConfig`. Below: nothing.

use std::fmt;
use std::str::FromStr;

/// A word that is not among those allowed; shows which ones are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not one of {}", allowed.join(", "))]
pub struct UnknownChoice {
    /// The word that was found.
    pub found: String,
    /// The words that would have been understood.
    pub allowed: &'static [&'static str],
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every word of this choice, as it is written in a configuration.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as it is written in a configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownChoice;

            fn from_str(word: &str) -> Result<Self, UnknownChoice> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownChoice { found: word.to_owned(), allowed: Self::WORDS }),
                }
            }
        }
    };
}

choice! {
    /// When `acks=all` is answered (`mainstem.durability`).
    Durability {
        /// When the records are on disk on every in-sync replica.
        #[default]
        Fsync = "fsync",
        /// When they are in the page cache of every in-sync replica: Kafka's own promise.
        Replicated = "replicated",
    }
}

choice! {
    /// Whose clock stamps a record (`message.timestamp.type`).
    TimestampType {
        /// The producer's.
        #[default]
        CreateTime = "CreateTime",
        /// The leader's, at the append.
        LogAppendTime = "LogAppendTime",
    }
}

choice! {
    /// What a log keeps compressed with which codec (`compression.type`).
    CompressionType {
        /// As the producer sent it: batches are never rewritten.
        #[default]
        Producer = "producer",
        /// Not compressed.
        Uncompressed = "uncompressed",
        /// gzip.
        Gzip = "gzip",
        /// Snappy.
        Snappy = "snappy",
        /// LZ4 frames.
        Lz4 = "lz4",
        /// Zstandard.
        Zstd = "zstd",
    }
}

choice! {
    /// How a listener is secured (`listener.security.protocol.map`).
    SecurityProtocol {
        /// Neither encrypted nor authenticated.
        #[default]
        Plaintext = "PLAINTEXT",
        /// TLS, with or without client certificates.
        Ssl = "SSL",
        /// SASL without TLS.
        SaslPlaintext = "SASL_PLAINTEXT",
        /// SASL inside TLS.
        SaslSsl = "SASL_SSL",
    }
}

choice! {
    /// How finely the metrics written from state are split (`mainstem.metrics.level`).
    MetricsLevel {
        /// Only sums for the whole broker.
        Broker = "broker",
        /// One series a topic.
        #[default]
        Topic = "topic",
        /// One series a partition, from its leader.
        Partition = "partition",
    }
}

choice! {
    /// How finely metrics of groups are split (`mainstem.metrics.groups`).
    GroupMetricsLevel {
        /// Nothing of single groups.
        Off = "off",
        /// One series a group.
        Group = "group",
        /// One series a group and topic.
        #[default]
        Topic = "topic",
        /// One series a group and partition.
        Partition = "partition",
    }
}

choice! {
    /// Which way groups may change between the protocols (`group.consumer.migration.policy`).
    GroupMigration {
        /// Neither way.
        Disabled = "disabled",
        /// From the classic protocol to the consumer protocol.
        Upgrade = "upgrade",
        /// From the consumer protocol to the classic protocol.
        Downgrade = "downgrade",
        /// Both ways.
        #[default]
        Bidirectional = "bidirectional",
    }
}

choice! {
    /// Form of the log lines (`mainstem.logging.format`).
    LogFormat {
        /// Lines for people.
        #[default]
        Text = "text",
        /// One JSON object a line.
        Json = "json",
        /// Straight to the systemd journal.
        Journald = "journald",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_the_choice_that_writes_it() {
        for word in CompressionType::WORDS {
            assert_eq!(word.parse::<CompressionType>().unwrap().as_str(), *word);
        }
        let error = "Fsync".parse::<Durability>().unwrap_err();
        assert_eq!(error.to_string(), "`Fsync` is not one of fsync, replicated");
    }
}
