//! Which partition of an internal topic a key belongs to: Kafka's rule, so that its clients, tools and data agree with us.
//!
//! Pure. Above: the coordinator. Below: nothing.

use mainstem_protocol::model::PartitionIndex;

/// The partition of `key` among `partitions`; `None` if there are none.
///
/// Java's `String.hashCode` (31 times what was before plus the next UTF-16 unit, wrapping), without its sign bit in the way
/// of `Math.abs` with 0 for the one number that has no opposite, modulo the count.
pub(super) fn partition_of(key: &str, partitions: usize) -> Option<PartitionIndex> {
    let hash =
        key.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let partitions = i32::try_from(partitions).ok()?;
    hash.checked_abs().unwrap_or(0).checked_rem(partitions).map(PartitionIndex)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `Utils.abs(s.hashCode()) % 50` as a Java runtime computes them.
    #[test]
    fn keys_go_where_java_puts_them() {
        let place = |key: &str| partition_of(key, 50).unwrap().get();
        assert_eq!(place(""), 0);
        assert_eq!(place("a"), 97 % 50);
        // hashCode 98262, 3556498
        assert_eq!(place("cat"), 98_262 % 50);
        assert_eq!(place("test"), 3_556_498 % 50);
        // The string whose hashCode is Integer.MIN_VALUE.
        assert_eq!(place("polygenelubricants"), 0);
        // Outside the basic plane a character counts as two units: 0xD83D * 31 + 0xDE00.
        assert_eq!(place("\u{1F600}"), (0xD83D * 31 + 0xDE00) % 50);
        assert_eq!(partition_of("a", 0), None);
    }
}
