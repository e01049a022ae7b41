//! Produce in an open loop: requests leave at fixed times whatever the broker does, and a latency counts from the time at which its
//! request was to leave. So a stall costs every request that falls into it (no coordinated omission).
//!
//! One thread writes, for all connections in turn; each connection has a thread that reads. The n-th answer of a connection
//! belongs to its n-th request, so the two share nothing.

use super::{Moved, latencies, micros};
use crate::frames::{self, CORRELATION_AT, PRODUCE_ERROR_AT, PRODUCE_PARTITION_AT};
use anyhow::{Context as _, anyhow, ensure};
use bytes::{Buf as _, Bytes};
use hdrhistogram::Histogram;
use std::{
    io::{BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// One open loop.
#[derive(Debug, Clone)]
pub struct PacedLoad {
    /// The broker.
    pub address: SocketAddr,
    /// Name of the topic, of the agreed length.
    pub topic: String,
    /// Connections, which take turns; connection `c` writes to partition `c % partitions`.
    pub connections: usize,
    /// Partitions of the topic.
    pub partitions: i32,
    /// Requests a second, over all connections.
    pub rate: f64,
    /// How long.
    pub lasts: Duration,
    /// The batch of every request, with `acks=all`.
    pub batch: Bytes,
}

/// Runs the load to its end: until the last answer has come.
pub fn paced(load: &PacedLoad) -> anyhow::Result<Moved> {
    let count = (load.rate * load.lasts.as_secs_f64()) as usize;
    let sockets: Vec<TcpStream> = (0..load.connections)
        .map(|_| {
            let socket = TcpStream::connect(load.address).context("connecting the load client")?;
            socket.set_nodelay(true)?;
            Ok(socket)
        })
        .collect::<anyhow::Result<_>>()?;
    let began = Instant::now();
    let due = |request: usize| began + Duration::from_secs_f64(request as f64 / load.rate);
    let mut moved = Moved::default();
    thread::scope(|scope| {
        let readers: Vec<_> = sockets
            .iter()
            .enumerate()
            .map(|(index, socket)| {
                let own = (index..count).step_by(load.connections).map(due);
                scope.spawn(move || answers(socket, own))
            })
            .collect();
        let written = write(load, &sockets, count, due);
        if written.is_err() {
            // the readers would wait for answers to what was never sent
            for socket in &sockets {
                // one that is closed already is what is wanted
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
        let mut read = Ok(());
        for reader in readers {
            match reader.join().map_err(|_| anyhow!("a reader panicked"))? {
                Ok(own) => moved.latencies.add(&own)?,
                Err(error) => read = Err(error),
            }
        }
        written.and(read)
    })?;
    moved.wall = began.elapsed();
    moved.requests = moved.latencies.len();
    moved.bytes = moved.requests * load.batch.len() as u64;
    Ok(moved)
}

fn write(
    load: &PacedLoad,
    sockets: &[TcpStream],
    count: usize,
    due: impl Fn(usize) -> Instant,
) -> anyhow::Result<()> {
    let mut frame = frames::produce(&load.topic, 0, -1, load.batch.clone());
    for request in 0..count {
        let index = request % sockets.len();
        let partition = i32::try_from(index)? % load.partitions;
        let correlation = i32::try_from(request / sockets.len())?;
        frame[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation.to_be_bytes());
        frame[PRODUCE_PARTITION_AT..PRODUCE_PARTITION_AT + 4].copy_from_slice(&partition.to_be_bytes());
        thread::sleep(due(request).saturating_duration_since(Instant::now()));
        (&sockets[index]).write_all(&frame)?;
    }
    Ok(())
}

/// Reads an answer for each request that was due.
fn answers(socket: &TcpStream, due: impl Iterator<Item = Instant>) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = latencies();
    let mut input = BufReader::new(socket);
    let mut answer = Vec::new();
    for (number, due) in due.enumerate() {
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        answer.resize(usize::try_from(i32::from_be_bytes(length))?, 0);
        input.read_exact(&mut answer)?;
        ensure!((&answer[..]).get_i32() == i32::try_from(number)?, "answers out of order");
        let error = (&answer[PRODUCE_ERROR_AT..PRODUCE_ERROR_AT + 2]).get_i16();
        ensure!(error == 0, "the broker answered error {error}");
        latencies.saturating_record(micros(due.elapsed()));
    }
    Ok(latencies)
}
