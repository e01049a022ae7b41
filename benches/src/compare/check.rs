//! After a round: is everything there that was acknowledged, and is it whole?
//!
//! Above: `round`. A round whose answer is no is void.

use super::field::Target;
use crate::frames::{self, CORRELATION_AT, FETCH_ERROR_AT, FETCH_OFFSET_AT, FETCH_RECORDS_AT};
use anyhow::{bail, ensure};
use bytes::Buf as _;
use mainstem_protocol::records::BatchHeader;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

/// A consumer sees the end of the log a moment after the answer at most.
const VISIBLE: Duration = Duration::from_secs(10);

/// The ends of the log make so many records; those of every partition are read and their checksums compared.
pub(super) fn whole(target: &Target<'_>, records: u64) -> anyhow::Result<()> {
    let ends = settled(target, records)?;
    let mut socket = TcpStream::connect(target.address())?;
    socket.set_nodelay(true)?;
    let mut read = 0;
    for (partition, end) in (0..).zip(ends) {
        read += read_partition(&mut socket, &target.topic, partition, end, 8 << 20)?;
    }
    ensure!(read == records, "{read} records were read of {records} acknowledged");
    Ok(())
}

/// The ends of all partitions, once they make so many records.
pub(super) fn settled(target: &Target<'_>, records: u64) -> anyhow::Result<Vec<i64>> {
    let (mut caller, began) = (target.caller()?, Instant::now());
    loop {
        let ends = caller.log_ends(&target.topic, target.partitions)?;
        let sum: i64 = ends.iter().sum();
        if u64::try_from(sum)? == records {
            return Ok(ends);
        }
        if VISIBLE < began.elapsed() {
            bail!("the log ends make {sum} records, {records} were acknowledged");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads a partition from its start to its end, compares the checksums, and counts the records.
pub(super) fn read_partition(
    socket: &mut TcpStream,
    topic: &str,
    partition: i32,
    end: i64,
    max_bytes: i32,
) -> anyhow::Result<u64> {
    let mut frame = frames::fetch(topic, partition, 0, max_bytes);
    let (mut offset, mut records) = (0_i64, 0_u64);
    while offset < end {
        frame[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&1_i32.to_be_bytes());
        frame[FETCH_OFFSET_AT..FETCH_OFFSET_AT + 8].copy_from_slice(&offset.to_be_bytes());
        socket.write_all(&frame)?;
        let mut head = [0; 4 + FETCH_RECORDS_AT];
        socket.read_exact(&mut head)?;
        let error = (&head[4 + FETCH_ERROR_AT..]).get_i16();
        ensure!(error == 0, "reading back: error {error} at offset {offset}");
        let mut bytes = vec![0; usize::try_from((&head[..4]).get_i32())? - FETCH_RECORDS_AT];
        socket.read_exact(&mut bytes)?;
        let (before, mut rest) = (offset, &bytes[..]);
        while let Ok(header) = BatchHeader::parse(rest) {
            let Some(batch) = rest.get(..header.total_len()) else { break };
            ensure!(header.base_offset.0 == offset, "a gap before offset {}", header.base_offset.0);
            ensure!(BatchHeader::compute_crc(batch) == header.crc, "a wrong checksum at offset {offset}");
            records += u64::try_from(header.record_count)?;
            offset = header.next_offset().0;
            rest = &rest[batch.len()..];
        }
        ensure!(before < offset, "nothing comes at offset {offset} of {end}");
    }
    Ok(records)
}
