//! What stands on a disk: small files beside a log, entries of the metadata log.

use crate::{in_proportion, within};
use bytes::Bytes;
use mainstem_broker::metadata::Proposal;
use mainstem_protocol::model::Offset;
use mainstem_storage::{
    checkpoint::{
        clean::CleanMarker, durable::DurableBounds, kafka_clean, meta_properties::MetaProperties, offsets,
        partition_metadata,
    },
    epoch_cache::EpochCache,
    format::FormatError,
    producer_state::{sidecar, snapshot},
    seal::Seal,
    txn_index::TransactionIndex,
};

/// Base of the segment, or end of the snapshot, that a file is said to belong to.
const OFFSET: Offset = Offset(1000);

/// `data` is a number that picks the format, and a file.
pub fn storage(data: &[u8]) {
    let Some((format, bytes)) = data.split_first() else { return };
    match format {
        0 => file(bytes, EpochCache::parse, |cache| cache.to_text().into_bytes()),
        1 => file(bytes, |bytes| TransactionIndex::parse(bytes, OFFSET), TransactionIndex::to_bytes),
        2 => file(bytes, |bytes| Seal::parse(bytes, OFFSET), Seal::to_bytes),
        3 => file(bytes, CleanMarker::parse, CleanMarker::to_bytes),
        4 => file(bytes, DurableBounds::parse, DurableBounds::to_bytes),
        5 => file(bytes, kafka_clean::parse, |epoch| kafka_clean::to_text(*epoch).into_bytes()),
        6 => file(bytes, MetaProperties::parse, |properties| properties.to_text().into_bytes()),
        7 => file(bytes, offsets::parse, |offsets| offsets::to_text(offsets).into_bytes()),
        8 => file(bytes, partition_metadata::parse, |id| partition_metadata::to_text(*id).into_bytes()),
        9 => file(&checksummed(bytes), |bytes| snapshot::parse(bytes, OFFSET), snapshot::to_bytes),
        10 => producers(bytes),
        _ => {}
    }
}

/// Whatever is read says the same when it is written and read once more.
fn file<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, FormatError>,
    write: impl Fn(&T) -> Vec<u8>,
) {
    match within(4 * in_proportion(bytes.len()), || parse(bytes)) {
        Ok(value) => assert_eq!(parse(&write(&value)).as_ref(), Ok(&value)),
        Err(error) => {
            let _ = error.to_string();
        }
    }
}

/// A snapshot of producers, given a right checksum, and the file beside it: lengths in front of both.
fn producers(bytes: &[u8]) {
    let Some((len, rest)) = bytes.split_first() else { return };
    let Some((first, second)) = rest.split_at_checked(usize::from(*len)) else { return };
    let first = checksummed(first);
    let (Ok(mut states), Some(checksum)) = (snapshot::parse(&first, OFFSET), snapshot::checksum(&first))
    else {
        return;
    };
    let before = states.clone();
    let extended =
        within(4 * in_proportion(second.len()), || sidecar::extend(&mut states, second, OFFSET, checksum));
    match extended {
        Err(_) => assert_eq!(states, before, "a refused file changed something"),
        Ok(()) => {
            if let Some(written) = sidecar::to_bytes(&states, OFFSET, checksum) {
                let mut again = before;
                sidecar::extend(&mut again, &written, OFFSET, checksum).expect("what was written");
                assert_eq!(again, states);
            }
        }
    }
}

/// A fuzzer does not find checksums: makes that of a snapshot of producers right.
fn checksummed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((head, content)) = bytes.split_at_mut_checked(6) {
        head[2..].copy_from_slice(&crc32c::crc32c(content).to_be_bytes());
    }
    bytes
}

/// `data` is the payload of an entry.
pub fn metadata_log(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let read = within(4 * in_proportion(data.len()), || Proposal::decode(bytes));
    match read {
        Ok(proposal) => {
            let written = proposal.encode().expect("what was read");
            assert_eq!(Proposal::decode(written).as_ref(), Ok(&proposal));
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
}
