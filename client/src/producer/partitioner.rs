//! Which partition a record goes to. Pure.
//!
//! A keyed record's partition follows from key and count alone, so that every client of a scheme agrees. A key of no
//! bytes is a key. Records without a key fill one partition with about a batch, then go on to another.

use super::options::Partitioner;
use crate::cluster::Topic;

/// Hash of Kafka's Java client: 32-bit MurmurHash2 with its fixed seed, over little-endian words.
#[expect(clippy::little_endian_bytes, reason = "the hash reads its input so")]
pub fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let len = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let words = key.chunks_exact(4);
    let tail = words.remainder();
    let mut hash = words.fold(SEED ^ len, |hash, word| {
        let word = word.first_chunk::<4>().map_or(0, |word| u32::from_le_bytes(*word));
        let mut k = word.wrapping_mul(M);
        k ^= k >> 24;
        hash.wrapping_mul(M) ^ k.wrapping_mul(M)
    });
    if !tail.is_empty() {
        hash ^= tail.iter().rev().fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// CRC-32 (the one of zlib), as librdkafka's `consistent` schemes use.
pub fn crc32(key: &[u8]) -> u32 {
    !key.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// 32-bit FNV-1a, as Sarama's default scheme uses.
pub fn fnv1a(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Partition of a keyed record among `count` partitions, reachable or not.
pub(crate) fn keyed(scheme: Partitioner, key: &[u8], count: usize) -> i32 {
    let count = i64::try_from(count).unwrap_or(i64::MAX).max(1);
    let place = match scheme {
        Partitioner::Murmur2 | Partitioner::RoundRobin => i64::from(murmur2(key) & 0x7fff_ffff) % count,
        Partitioner::Crc32 => i64::from(crc32(key)) % count,
        // Sarama takes the remainder of the signed hash and then its absolute value.
        Partitioner::Fnv1a => (i64::from(i32::from_be_bytes(fnv1a(key).to_be_bytes())) % count).abs(),
    };
    i32::try_from(place).unwrap_or(0)
}

/// Where the records without a key of one topic go. Partitions without a leader are passed over while others have one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spread {
    current: Option<i32>,
    bytes: usize,
}

impl Spread {
    /// Partition of the next record of `len` bytes: the same until `batch_bytes` have gone there, then another, which
    /// `random` decides.
    pub(crate) fn sticky(
        &mut self,
        topic: &Topic,
        len: usize,
        batch_bytes: usize,
        random: impl FnOnce() -> u32,
    ) -> i32 {
        let stays = self.current.filter(|current| {
            self.bytes < batch_bytes && topic.partition(*current).is_some_and(|known| known.leader.is_some())
        });
        let next = stays.unwrap_or_else(|| {
            self.bytes = 0;
            let mut choices = available(topic);
            if 1 < choices.len() {
                // Any but the one that just had its share.
                choices.retain(|index| Some(*index) != self.current);
            }
            pick(&choices, random())
        });
        self.bytes = self.bytes.saturating_add(len);
        self.current = Some(next);
        next
    }

    /// Partition of the next record: the one after the last.
    pub(crate) fn in_turn(&mut self, topic: &Topic, random: impl FnOnce() -> u32) -> i32 {
        let choices = available(topic);
        let next = match self.current {
            None => pick(&choices, random()),
            Some(current) => {
                let behind = choices.iter().find(|index| current < **index);
                behind.or(choices.first()).copied().unwrap_or(0)
            }
        };
        self.current = Some(next);
        next
    }
}

/// Partitions with a leader, or all if none has one.
fn available(topic: &Topic) -> Vec<i32> {
    let led = topic.partitions.iter().filter(|partition| partition.leader.is_some());
    let led: Vec<i32> = led.map(|partition| partition.index).collect();
    if led.is_empty() { topic.partitions.iter().map(|partition| partition.index).collect() } else { led }
}

fn pick(choices: &[i32], random: u32) -> i32 {
    let at = usize::try_from(random).unwrap_or(0).checked_rem(choices.len()).unwrap_or(0);
    choices.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use mainstem_protocol::model::TopicId;

    use super::*;
    use crate::cluster::Partition;
    use crate::runtime::now;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// Keys hashed by `org.apache.kafka.common.utils.Utils.murmur2` of Apache Kafka 4.3.1, one a line:
    /// key in hex, hash, then the partition among 1, 2, 3, 7, 12, 100 and 1000.
    #[test]
    fn keyed_records_go_where_the_java_client_sends_them() {
        let vectors = include_str!("../../tests/data/murmur2.txt");
        let mut count = 0;
        for line in vectors.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split(' ');
            let key = unhex(fields.next().unwrap());
            let hash: i32 = fields.next().unwrap().parse().unwrap();
            assert_eq!(i32::from_be_bytes(murmur2(&key).to_be_bytes()), hash, "{line}");
            for partitions in [1, 2, 3, 7, 12, 100, 1000] {
                let expected: i32 = fields.next().unwrap().parse().unwrap();
                assert_eq!(keyed(Partitioner::Murmur2, &key, partitions), expected, "{line}");
            }
            count += 1;
        }
        assert!(200 <= count, "{count} vectors");
    }

    /// Check values of the algorithms' own definitions.
    #[test]
    fn other_hashes() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(fnv1a(b""), 0x811c_9dc5);
        assert_eq!(fnv1a(b"a"), 0xe40c_292c);
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
    }

    fn topic(leaders: &[Option<i32>]) -> Topic {
        let partitions = (0..).zip(leaders).map(|(index, leader)| Partition {
            index,
            leader: *leader,
            leader_epoch: 0,
            replicas: Vec::new(),
            in_sync_replicas: Vec::new(),
            offline_replicas: Vec::new(),
        });
        Topic {
            name: "t".into(),
            id: TopicId::NONE,
            is_internal: false,
            partitions: partitions.collect(),
            error: None,
            fetched: now(),
        }
    }

    #[test]
    fn keyless_records_stay_until_a_batch_is_full_and_then_move() {
        let all = topic(&[Some(1), Some(1), Some(1)]);
        let mut spread = Spread::default();
        let first = spread.sticky(&all, 60, 100, || 7);
        assert_eq!(spread.sticky(&all, 60, 100, || 8), first);
        for random in 0..10 {
            assert_ne!(spread.clone().sticky(&all, 60, 100, || random), first);
        }
        assert_eq!(Spread::default().sticky(&topic(&[Some(1)]), 1, 1, || 9), 0);
    }

    #[test]
    fn keyless_records_pass_over_partitions_without_a_leader() {
        let mut spread = Spread { current: Some(1), bytes: 0 };
        assert_eq!(spread.sticky(&topic(&[None, None, Some(4)]), 1, 100, || 0), 2);
        assert_eq!(spread.sticky(&topic(&[None, None, Some(4)]), 1, 1, || 0), 2, "nowhere else to go");
        let nobody = topic(&[None, None]);
        assert!((0..2).contains(&spread.sticky(&nobody, 1, 1, || 0)));
    }

    #[test]
    fn turns_visit_every_partition() {
        let all = topic(&[Some(1), Some(1), Some(1)]);
        let mut spread = Spread::default();
        let turns: Vec<_> = (0..6).map(|_| spread.in_turn(&all, || 2)).collect();
        assert_eq!(turns, [2, 0, 1, 2, 0, 1]);
    }
}
