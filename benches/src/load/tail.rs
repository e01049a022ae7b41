//! Produce in a closed loop, and beside it one consumer a partition that reads what has just been written.

use super::{
    Moved, ProduceLoad, on_one_thread,
    produce::{self, Shared},
};
use crate::frames::{self, CORRELATION_AT, FETCH_ERROR_AT, FETCH_OFFSET_AT, FETCH_RECORDS_AT};
use anyhow::ensure;
use bytes::Buf as _;
use mainstem_protocol::records::BatchHeader;
use std::{cell::Cell, rc::Rc, time::Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Most bytes of an answer.
const MAX_BYTES: i32 = 1 << 20;

/// What went in and came out.
#[derive(Debug, Clone)]
pub struct Tailed {
    /// What was written.
    pub written: Moved,
    /// Record bytes read; each batch once.
    pub read: u64,
}

/// Runs the load until everything that was acknowledged has been read. The topic must be new: consumers begin at offset
/// `first` of each partition, which must be the end of it.
pub fn tail(load: &ProduceLoad, first: &[i64]) -> anyhow::Result<Tailed> {
    on_one_thread(async {
        let records = i64::from(BatchHeader::parse(&load.batch)?.record_count);
        let shared = Shared::new(load)?;
        let done = Rc::new(Cell::new(false));
        let producers = produce::connect(load.address, load.connections).await?;
        let consumers = produce::connect(load.address, first.len()).await?;
        let began = Instant::now();
        let readers: Vec<_> = consumers
            .into_iter()
            .zip(first)
            .enumerate()
            .map(|(partition, (socket, first))| {
                let reader = Reader {
                    topic: load.topic.clone(),
                    partition,
                    first: *first,
                    records,
                    batch_bytes: load.batch.len() as u64,
                    shared: Rc::clone(&shared),
                    done: Rc::clone(&done),
                };
                tokio::task::spawn_local(reader.read(socket))
            })
            .collect();
        for task in produce::start(load, producers, &shared)? {
            task.await??;
        }
        done.set(true);
        let (mut read, mut last) = (0, shared.last.get());
        for reader in readers {
            let (bytes, at) = reader.await??;
            read += bytes;
            last = last.max(at);
        }
        let mut written = shared.moved(began);
        written.wall = last.duration_since(began);
        ensure!(read == written.bytes, "{read} bytes were read, {} written", written.bytes);
        Ok(Tailed { written, read })
    })
}

struct Reader {
    topic: String,
    partition: usize,
    first: i64,
    records: i64,
    batch_bytes: u64,
    shared: Rc<Shared>,
    done: Rc<Cell<bool>>,
}

impl Reader {
    /// Bytes of whole batches, and when the last of them came.
    async fn read(self, mut socket: TcpStream) -> anyhow::Result<(u64, Instant)> {
        let mut frame = frames::fetch(&self.topic, i32::try_from(self.partition)?, 0, MAX_BYTES);
        let mut head = [0; 4 + FETCH_RECORDS_AT];
        let mut sink = vec![0; 256 * 1024];
        let (mut batches, mut last, mut correlation) = (0_u64, Instant::now(), 0_i32);
        loop {
            let acknowledged = self.shared.acknowledged.borrow()[self.partition];
            if self.done.get() && acknowledged <= batches {
                return Ok((batches * self.batch_bytes, last));
            }
            let offset = self.first + i64::try_from(batches)? * self.records;
            frame[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation.to_be_bytes());
            frame[FETCH_OFFSET_AT..FETCH_OFFSET_AT + 8].copy_from_slice(&offset.to_be_bytes());
            correlation = correlation.wrapping_add(1);
            socket.write_all(&frame).await?;
            socket.read_exact(&mut head).await?;
            let error = (&head[4 + FETCH_ERROR_AT..]).get_i16();
            ensure!(error == 0, "the broker answered error {error} at offset {offset}");
            let records = usize::try_from((&head[..4]).get_i32())? - FETCH_RECORDS_AT;
            let mut rest = records;
            while rest > 0 {
                let part = rest.min(sink.len());
                let count = socket.read(&mut sink[..part]).await?;
                ensure!(count > 0, "the broker closed the connection");
                rest -= count;
            }
            // an answer may end within a batch
            let whole = records as u64 / self.batch_bytes;
            if whole > 0 {
                batches += whole;
                last = Instant::now();
            }
        }
    }
}
