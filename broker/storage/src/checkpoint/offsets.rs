//! Kafka's text checkpoints of one offset per partition.
//!
//! Above: the log directory. Below: [`text`](super::text). No I/O. Four files have this form:
//!
//! | file | the offset |
//! |---|---|
//! | `recovery-point-offset-checkpoint` | durable LEO: below it everything was synced |
//! | `replication-offset-checkpoint` | high watermark; never proof of durability |
//! | `log-start-offset-checkpoint` | log start, where it was moved by `DeleteRecords` |
//! | `cleaner-offset-checkpoint` | first offset that compaction has not seen |
//!
//! ```text
//! 0                    version
//! 2                    number of lines
//! orders 0 1170        topic, partition, offset
//! orders 1 996
//! ```

use super::text::Lines;
use crate::format::FormatError;
use mainstem_protocol::model::{Offset, PartitionIndex, TopicPartition};
use std::{collections::BTreeMap, fmt::Write as _};

/// Name of the file of durable LEOs.
pub const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
/// Name of the file of high watermarks.
pub const HIGH_WATERMARK: &str = "replication-offset-checkpoint";
/// Name of the file of log start offsets.
pub const LOG_START: &str = "log-start-offset-checkpoint";
/// Name of the file of first dirty offsets.
pub const CLEANER: &str = "cleaner-offset-checkpoint";

/// The content of such a file.
pub fn to_text(offsets: &BTreeMap<TopicPartition, Offset>) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for (name, offset) in offsets {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {offset}", name.topic, name.partition);
    }
    text
}

/// Reads such a file. A file without content is one without lines.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<TopicPartition, Offset>, FormatError> {
    let mut lines = Lines::open(bytes)?;
    let mut offsets = BTreeMap::new();
    while let Some(line) = lines.next_line()? {
        let mut words = line.split_ascii_whitespace();
        let (Some(topic), Some(partition), Some(offset), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(FormatError::malformed("a line is topic, partition and offset"));
        };
        let name = TopicPartition::new(topic, PartitionIndex(partition.parse()?));
        let offset = Offset(offset.parse()?);
        if name.partition.0 < 0 || offset.0 < 0 {
            return Err(FormatError::malformed("negative partition or offset"));
        }
        if offsets.insert(name, offset).is_some() {
            return Err(FormatError::malformed("a partition stands twice"));
        }
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_that_of_kafka() {
        let text = "0\n2\norders 0 1170\norders 1 996\n";
        let offsets = parse(text.as_bytes()).unwrap();
        assert_eq!(offsets[&TopicPartition::new("orders", PartitionIndex(1))], Offset(996));
        assert_eq!(to_text(&offsets), text);
        assert_eq!(parse(b"").unwrap(), BTreeMap::new(), "Kafka leaves empty files");
    }

    #[test]
    fn damage_is_refused() {
        for bad in [
            "0\n2\na 0 1\n",        // a line is missing
            "0\n1\na 0 1\nb 0 1\n", // one too many
            "1\n1\na 0 1\n",        // newer
            "0\n1\na 0\n",
            "0\n1\na 0 1 1\n",
            "0\n2\na 0 1\na 0 2\n",
            "0\n1\na 0 -1\n",
            "0\n",
            "x",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn maps_survive_text(entries in prop::collection::btree_map(("[a-zA-Z0-9._-]{1,20}", 0..100_i32), 0..i64::MAX, 0..20)) {
            let offsets: BTreeMap<_, _> = entries
                .into_iter()
                .map(|((topic, partition), offset)| (TopicPartition::new(topic, PartitionIndex(partition)), Offset(offset)))
                .collect();
            prop_assert_eq!(parse(to_text(&offsets).as_bytes()), Ok(offsets));
        }

        #[test]
        fn any_bytes_are_loaded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[a-z0-9 \n-]{0,60}") {
            let _ = parse(&bytes);
            let _ = parse(text.as_bytes());
        }
    }
}
