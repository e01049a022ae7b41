//! The hash over the topics of a group that Kafka keeps in the record of its epoch: when it differs, topics, partitions or
//! racks have changed and the group needs a new assignment.
//!
//! Above: decisions. Below: the metadata image. The value is Kafka's (XXH3 over a stream of little-endian numbers and
//! UTF-16 text, `Utils.computeTopicHash` of its group coordinator), so that a group taken over from Kafka does not begin
//! with a rebalance.

use crate::metadata::{MetadataImage, TopicImage};
use std::sync::Arc;
use twox_hash::XxHash3_64;

/// First byte of what is hashed for a topic: the version of this layout.
const TOPIC_LAYOUT: u8 = 0;

/// Over the topics that exist among these, which come by rising name; 0 = none does.
pub(super) fn metadata_hash<'a>(topics: impl Iterator<Item = &'a str>, image: &MetadataImage) -> i64 {
    let mut group = Stream::default();
    for topic in topics.filter_map(|topic| image.topics.by_name(topic)) {
        group.long(topic_hash(topic, image));
    }
    if group.0.is_empty() { 0 } else { group.hash() }
}

fn topic_hash(topic: &TopicImage, image: &MetadataImage) -> i64 {
    let id = i128::from_be_bytes(topic.id.0);
    let mut stream = Stream(vec![TOPIC_LAYOUT]);
    stream.0.extend(id.to_be_bytes().chunks(8).flat_map(|half| half.iter().rev()));
    stream.text(&topic.name);
    stream.count(topic.partitions.len());
    for (index, partition) in topic.partitions.iter().enumerate() {
        stream.count(index);
        let mut racks: Vec<&Arc<str>> =
            partition.replicas.iter().filter_map(|replica| image.broker(*replica)?.rack.as_ref()).collect();
        racks.sort_unstable_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
        for rack in racks {
            stream.count(rack.encode_utf16().count());
            stream.text(rack);
        }
    }
    stream.hash()
}

#[derive(Default)]
struct Stream(Vec<u8>);

#[expect(clippy::little_endian_bytes, reason = "Kafka's hash is defined over little-endian numbers")]
impl Stream {
    fn long(&mut self, value: i64) {
        self.0.extend(value.to_le_bytes());
    }

    /// A 32-bit number; what is counted here fits by far.
    fn count(&mut self, value: usize) {
        self.0.extend(u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        self.count(text.encode_utf16().count());
    }

    fn hash(&self) -> i64 {
        i64::from_le_bytes(XxHash3_64::oneshot(&self.0).to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::image;
    use super::*;

    /// The first two values are of a log that a real Kafka 4.3.1 wrote, the third was computed with its own classes.
    #[test]
    fn the_hash_is_that_of_kafka() {
        let image = image(&[
            ("orders", "hHlKyhDzSQ2Wde9kPkqTaw", &[&[1], &[1], &[1]]),
            ("orders-eu", "m44I5tCORUug--dIb9PZZQ", &[&[1], &[1]]),
            ("ünï-\u{1F600}", "hHlKyhDzSQ2Wde9kPkqTbw", &[&[3, 1, 2], &[4]]),
        ]);
        assert_eq!(metadata_hash(["orders"].into_iter(), &image), 6_507_521_553_730_625_263);
        assert_eq!(
            metadata_hash(["orders", "orders-eu", "unknown"].into_iter(), &image),
            1_590_260_102_289_369_431
        );
        assert_eq!(metadata_hash(["unknown"].into_iter(), &image), 0);
        let racks = image.topics.by_name("ünï-\u{1F600}").unwrap();
        assert_eq!(topic_hash(racks, &image), -3_048_644_180_062_338_576);
    }
}
