//! A first look at the bytes of one partition of an answer: how far they reach, without reading a record. Pure.
//!
//! Where the next fetch starts is known from the headers alone, so it can leave before these bytes are handed out.
//! Above: `fetch`. Below: batch headers.

use mainstem_protocol::records::{BatchHeader, HeaderError};

/// What the headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    /// Offset behind the last whole batch; that asked for if there is none.
    pub(super) next_offset: i64,
    /// Leader epoch of the last whole batch.
    pub(super) last_epoch: Option<i32>,
    /// Bytes of all whole batches.
    pub(super) whole_bytes: usize,
    /// Bytes that the first batch needs, if even that one is cut off.
    pub(super) cut_first: Option<usize>,
}

/// What no broker may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanFault {
    /// A batch starts before the end of the one in front of it, or ends before it starts.
    Falling,
    /// There are whole batches, but all of them lie below the offset asked for: asking again would get them again.
    Below,
    /// A header that cannot be read.
    Header(HeaderError),
}

/// Looks at the batches in `bytes`, which were asked for from `asked` on. A cut-off batch at the end is left out.
pub(super) fn scan(bytes: &[u8], asked: i64) -> Result<Scan, ScanFault> {
    let mut rest = bytes;
    let mut found = Scan { next_offset: asked, last_epoch: None, whole_bytes: 0, cut_first: None };
    let mut end = i64::MIN;
    while !rest.is_empty() {
        let header = match BatchHeader::parse(rest) {
            Ok(header) => header,
            Err(HeaderError::TooShort { .. }) => {
                if found.whole_bytes == 0 {
                    found.cut_first = Some(declared_len(rest));
                }
                break;
            }
            Err(error) => return Err(ScanFault::Header(error)),
        };
        let Some((_, behind)) = rest.split_at_checked(header.total_len()) else {
            if found.whole_bytes == 0 {
                found.cut_first = Some(header.total_len());
            }
            break;
        };
        let next = header.next_offset().get();
        if header.base_offset.get() < end || next <= header.base_offset.get() {
            return Err(ScanFault::Falling);
        }
        end = next;
        found.whole_bytes += header.total_len();
        found.last_epoch = Some(header.partition_leader_epoch.get());
        rest = behind;
    }
    if 0 < found.whole_bytes {
        if end <= asked {
            return Err(ScanFault::Below);
        }
        found.next_offset = end;
    }
    Ok(found)
}

/// Bytes of the batch whose header is cut off, as far as its length field is there; else enough for any header.
fn declared_len(rest: &[u8]) -> usize {
    let length = rest.get(8..BatchHeader::PREFIX_LEN).and_then(|field| field.first_chunk::<4>());
    let length = length.and_then(|field| usize::try_from(i32::from_be_bytes(*field)).ok());
    length.unwrap_or(0).saturating_add(BatchHeader::PREFIX_LEN).max(BatchHeader::LEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::model::{LeaderEpoch, Offset, Timestamp};
    use mainstem_protocol::records::{BatchBuilder, BatchOptions};

    fn batch(base: i64, count: usize) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset: Offset(base),
            partition_leader_epoch: LeaderEpoch(4),
            ..BatchOptions::default()
        });
        for _ in 0..count {
            builder.append(Timestamp(1), None, Some(b"value"), []).unwrap();
        }
        builder.finish().unwrap().to_vec()
    }

    #[test]
    fn whole_batches_count_and_a_cut_one_behind_them_does_not() {
        let mut bytes = [batch(10, 3), batch(13, 2)].concat();
        let whole = bytes.len();
        let expected = Scan { next_offset: 15, last_epoch: Some(4), whole_bytes: whole, cut_first: None };
        assert_eq!(scan(&bytes, 11), Ok(expected));
        let third = batch(15, 1);
        for cut in 1..third.len() {
            bytes.truncate(whole);
            bytes.extend_from_slice(&third[..cut]);
            assert_eq!(scan(&bytes, 11), Ok(expected), "cut after {cut}");
        }
    }

    #[test]
    fn a_first_batch_that_is_cut_says_how_much_it_needs() {
        let whole = batch(10, 3);
        for cut in [1, 11] {
            assert_eq!(scan(&whole[..cut], 10).unwrap().cut_first, Some(BatchHeader::LEN));
        }
        for cut in [12, 60, 61, whole.len() - 1] {
            let found = scan(&whole[..cut], 10).unwrap();
            assert_eq!((found.cut_first, found.next_offset), (Some(whole.len()), 10), "cut after {cut}");
        }
    }

    #[test]
    fn what_would_loop_or_go_back_is_a_fault() {
        assert_eq!(scan(&[batch(10, 3), batch(12, 2)].concat(), 10), Err(ScanFault::Falling));
        assert_eq!(scan(&batch(10, 3), 13), Err(ScanFault::Below));
        let mut bad = batch(10, 1);
        bad[16] = 1;
        assert!(matches!(scan(&bad, 10), Err(ScanFault::Header(HeaderError::UnsupportedMagic(1)))));
    }
}
