//! The one record of a control batch that ends a transaction, read straight from the bytes of the batch.
//!
//! Above: appending and recovery, which tell the producers' state. Below: nothing. The bytes come from a coordinator, a
//! leader or the disk, and are hostile all the same.

use crate::producer_state::{EndTransactionMarker, MarkerKind};
use mainstem_protocol::records::BatchHeader;

/// The marker in a control batch; `None` if it is another kind of control record, or not understood.
///
/// A record is: length, attributes, two deltas, key length, key (i16 version, i16 type), value length, value (i16 version,
/// i32 coordinator epoch). Control batches are never compressed.
pub(crate) fn end_transaction_marker(batch: &[u8]) -> Option<EndTransactionMarker> {
    let mut rest = batch.get(BatchHeader::LEN..)?;
    skip_varint(&mut rest)?;
    rest = rest.get(1..)?;
    skip_varint(&mut rest)?;
    skip_varint(&mut rest)?;
    skip_varint(&mut rest)?;
    let (key, mut rest) = rest.split_first_chunk::<4>()?;
    skip_varint(&mut rest)?;
    let value = rest.first_chunk::<6>()?;
    let [_, _, type_high, type_low] = *key;
    let kind = match i16::from_be_bytes([type_high, type_low]) {
        0 => MarkerKind::Abort,
        1 => MarkerKind::Commit,
        _ => return None,
    };
    let [_, _, a, b, c, d] = *value;
    Some(EndTransactionMarker { kind, coordinator_epoch: i32::from_be_bytes([a, b, c, d]) })
}

/// Steps over a number of at most ten bytes, of which all but the last have the high bit set.
fn skip_varint(rest: &mut &[u8]) -> Option<()> {
    let len = 1 + rest.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    *rest = rest.get(len..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control_batch(record: &[u8]) -> Vec<u8> {
        [&[0; BatchHeader::LEN][..], record].concat()
    }

    #[test]
    fn kind_and_coordinator_epoch_are_found() {
        let check = |kind: u8, expected| {
            let record = [0x20, 0, 0, 0, 8, 0, 0, 0, kind, 12, 0, 0, 0, 0, 0, 9, 0];
            let found = end_transaction_marker(&control_batch(&record));
            assert_eq!(found.map(|marker| (marker.kind, marker.coordinator_epoch)), expected);
        };
        check(0, Some((MarkerKind::Abort, 9)));
        check(1, Some((MarkerKind::Commit, 9)));
        check(2, None);
    }

    #[test]
    fn cut_records_are_no_markers() {
        let record = [0x20, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 9];
        for len in 0..record.len() {
            assert_eq!(end_transaction_marker(&control_batch(&record[..len])), None);
        }
        assert_eq!(end_transaction_marker(&control_batch(&[0xff; 30])), None);
    }
}
