//! One batch from its first record to its end. Pure.
//!
//! Above: `queue`, which decides when it leaves. Below: the builder of the record format.

use bytes::{Bytes, BytesMut};
use mainstem_protocol::model::{Timestamp, TopicPartition};
use mainstem_protocol::records::{
    BatchBuilder, BatchHeader, BatchOptions, BuildError, ProducerFields, Record as StoredRecord, RecordBatch,
    set_producer,
};

use super::budget::Grant;
use super::delivery::{Delivery, Ended, Promise};
use super::record::{Outcome, Record, SendError};
use crate::error::Error;
use crate::runtime::Instant;

/// Bytes that a batch takes without any record.
pub(super) const EMPTY_LEN: usize = BatchHeader::LEN;

/// Where the bytes of a batch are.
#[derive(Debug)]
pub(super) enum Body {
    /// Records are still plain.
    Plain(BatchBuilder),
    /// Compressed and complete, with these producer fields.
    Complete { bytes: Bytes, producer: Option<ProducerFields> },
    /// With whoever compresses or sends it.
    Away,
}

/// A batch that waits, or is on its way.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) body: Body,
    promise: Promise,
    /// Bytes before compression, at most.
    pub(super) len: usize,
    pub(super) count: i32,
    pub(super) created: Instant,
    /// Names it among the batches of its partition that have not left yet.
    pub(super) serial: u64,
    /// Position in its partition: rises from batch to batch by 2^32, so that there is room for the halves of one that
    /// is split. Set when it first leaves.
    pub(super) order: u64,
    /// Set when it first leaves; changes only once the fate of all earlier attempts is known.
    pub(super) numbers: Option<ProducerFields>,
    pub(super) attempts: u32,
    /// Whether an attempt left whose fate is not known.
    pub(super) open_fate: bool,
    /// Its outcome was told (it ran out of time) while a request with it was under way.
    pub(super) told: bool,
    memory: Option<Grant>,
}

impl Batch {
    /// An empty batch. Its records are written into `capacity` bytes, for which there is `memory`.
    pub(super) fn new(
        partition: &TopicPartition,
        options: BatchOptions,
        capacity: usize,
        created: Instant,
        memory: Option<Grant>,
    ) -> Self {
        let buffer = Vec::with_capacity(capacity);
        Self {
            body: Body::Plain(BatchBuilder::with_buffer(options, buffer)),
            promise: Promise::new(partition.clone()),
            len: EMPTY_LEN,
            count: 0,
            created,
            serial: 0,
            order: 0,
            numbers: None,
            attempts: 0,
            open_fate: false,
            told: false,
            memory,
        }
    }

    /// Appends a record of at most `len` bytes. A refused record leaves the batch as it was.
    pub(super) fn append(
        &mut self,
        record: &Record,
        timestamp: Timestamp,
        len: usize,
    ) -> Result<Delivery, BuildError> {
        let Body::Plain(builder) = &mut self.body else { return Err(BuildError::TooLarge) };
        let headers = HeaderIter { headers: record.headers.iter() };
        builder.append(timestamp, record.key.as_deref(), record.value.as_deref(), headers)?;
        let delivery = self.promise.delivery(self.count.unsigned_abs());
        self.len += len;
        self.count += 1;
        Ok(delivery)
    }

    pub(super) fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Hands its records out to be compressed.
    pub(super) fn begin_sealing(&mut self) -> Option<Sealing> {
        match std::mem::replace(&mut self.body, Body::Away) {
            Body::Plain(builder) => Some(Sealing { serial: self.serial, builder }),
            body => {
                self.body = body;
                None
            }
        }
    }

    /// Whether its bytes are here, so that it could leave.
    pub(super) const fn is_here(&self) -> bool {
        !matches!(self.body, Body::Away)
    }

    /// Keeps the completed bytes, and gives back the memory that compression saved.
    pub(super) fn complete(&mut self, bytes: Bytes, producer: Option<ProducerFields>) {
        if let Some(memory) = &mut self.memory {
            memory.shrink(bytes.len());
        }
        self.body = Body::Complete { bytes, producer };
    }

    /// Bytes that it adds to a request, at most.
    pub(super) fn wire_len(&self) -> usize {
        match &self.body {
            Body::Complete { bytes, .. } => bytes.len(),
            Body::Plain(_) | Body::Away => self.len,
        }
    }

    /// Ends it as failed, in the class that its attempts have left it in.
    pub(super) fn fail(&self, cause: Error) {
        let outcome = if self.open_fate { Outcome::PossiblyWritten } else { Outcome::NotWritten };
        self.promise.keep(Ended::Failed(SendError::new(outcome, cause, self.attempts)));
    }

    /// Makes two batches of one that is too large for the broker. They keep its numbers, so those of the batches behind
    /// it stay right. `None` = it has one record, or cannot be taken apart.
    pub(super) fn split(&mut self, options: BatchOptions) -> Option<[Self; 2]> {
        let at = self.count / 2;
        let Body::Complete { bytes, .. } = &self.body else { return None };
        let (whole, _) = RecordBatch::parse(bytes.clone()).ok().filter(|_| 0 < at)?;
        let records = whole.records(self.len).ok()?;
        let outcome = self.promise.outcome();
        let [mut first, mut second] = [(); 2].map(|()| Self {
            attempts: self.attempts,
            open_fate: self.open_fate,
            order: self.order,
            numbers: self.numbers,
            ..Self::new(outcome.partition(), options, 0, self.created, None)
        });
        for (index, record) in (0_i32..).zip(&records) {
            let half = if index < at { &mut first } else { &mut second };
            half.append_stored(&record.ok()?)?;
        }
        second.order += u64::from(at.unsigned_abs());
        if let Some(numbers) = &mut second.numbers {
            numbers.base_sequence = next_sequence(numbers.base_sequence, at);
        }
        first.memory = self.memory.take();
        second.memory = first.memory.as_mut().and_then(Grant::halve);
        let parts = [first.promise.outcome(), second.promise.outcome()];
        self.promise.keep(Ended::Split { at: at.unsigned_abs(), parts });
        Some([first, second])
    }

    fn append_stored(&mut self, record: &StoredRecord<'_>) -> Option<()> {
        let Body::Plain(builder) = &mut self.body else { return None };
        let before = builder.len();
        let headers: Vec<_> = record.headers().map(|header| (header.key, header.value)).collect();
        builder.append(record.timestamp, record.key, record.value, headers).ok()?;
        self.len += builder.len() - before;
        self.count += 1;
        Some(())
    }
}

/// A full batch that is to be compressed, outside of any lock.
#[derive(Debug)]
pub(super) struct Sealing {
    serial: u64,
    builder: BatchBuilder,
}

impl Sealing {
    /// Compresses it. Gives its serial along, for `Queue::sealed`.
    pub(super) fn seal(self) -> (u64, Result<Bytes, BuildError>) {
        (self.serial, self.builder.finish())
    }
}

impl Body {
    /// The batch as it goes out under `producer`.
    pub(super) fn into_bytes(self, producer: Option<ProducerFields>) -> Result<Bytes, BuildError> {
        match self {
            Self::Plain(mut builder) => {
                builder.set_producer(producer);
                builder.finish()
            }
            Self::Complete { bytes, producer: now } => Ok(match producer {
                Some(numbers) if now != producer => {
                    // Only copied if an earlier attempt still holds on to it.
                    let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
                    set_producer(&mut bytes, numbers);
                    bytes.freeze()
                }
                _ => bytes,
            }),
            Self::Away => Err(BuildError::Empty),
        }
    }
}

/// Headers of a record as the builder wants them, without a list in between.
#[derive(Clone)]
struct HeaderIter<'a> {
    headers: std::slice::Iter<'a, (Bytes, Option<Bytes>)>,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.headers.next().map(|(key, value)| (&**key, value.as_deref()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.headers.size_hint()
    }
}

impl ExactSizeIterator for HeaderIter<'_> {}

/// The sequence that follows `count` records from `base` on: counted modulo 2^31.
pub(super) const fn next_sequence(base: i32, count: i32) -> i32 {
    match base.checked_add(count) {
        Some(next) => next,
        None => count - (i32::MAX - base) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_start_again_behind_the_greatest_number() {
        for (base, count, next) in [
            (0, 3, 3),
            (i32::MAX - 3, 3, i32::MAX),
            (i32::MAX - 3, 4, 0),
            (i32::MAX, 1, 0),
            (i32::MAX, 10, 9),
        ] {
            assert_eq!(next_sequence(base, count), next, "{base} + {count}");
        }
    }
}
