//! Produce in a closed loop: so many connections, so many requests in flight on each.

use super::{Moved, latencies, micros, on_one_thread};
use crate::frames::{self, CORRELATION_AT, PRODUCE_BATCH_AT, PRODUCE_ERROR_AT, PRODUCE_PARTITION_AT};
use anyhow::{Context as _, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use hdrhistogram::Histogram;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// One produce load.
#[derive(Debug, Clone)]
pub struct ProduceLoad {
    /// The broker.
    pub address: SocketAddr,
    /// Name of the topic, of the agreed length.
    pub topic: String,
    /// Connections. Connection `c` writes to partition `c % partitions`; if there are more partitions than connections, to `c`,
    /// `c + connections` and so on, in turn.
    pub connections: usize,
    /// Requests in flight on each.
    pub depth: usize,
    /// Partitions of the topic.
    pub partitions: i32,
    /// Bytes to send in all, unless time is up before.
    pub bytes: u64,
    /// After so long no request is sent any more.
    pub at_most: Duration,
    /// acks of each request; not 0, which has no answers.
    pub acks: i16,
    /// The batch of every request.
    pub batch: Bytes,
}

/// What the connections of a load share.
pub(super) struct Shared {
    /// Requests that are still to be sent.
    left: Cell<u64>,
    until: Instant,
    latencies: RefCell<Histogram<u64>>,
    /// When the last answer came.
    pub(super) last: Cell<Instant>,
    /// Batches acknowledged, by partition.
    pub(super) acknowledged: RefCell<Vec<u64>>,
    batch_bytes: u64,
}

impl Shared {
    pub(super) fn new(load: &ProduceLoad) -> anyhow::Result<Rc<Self>> {
        let now = Instant::now();
        Ok(Rc::new(Self {
            left: Cell::new(load.bytes.div_ceil(load.batch.len() as u64)),
            until: now + load.at_most,
            latencies: RefCell::new(latencies()),
            last: Cell::new(now),
            acknowledged: RefCell::new(vec![0; usize::try_from(load.partitions)?]),
            batch_bytes: load.batch.len() as u64,
        }))
    }

    fn take(&self) -> bool {
        let left = self.left.get();
        if left == 0 || self.until <= Instant::now() {
            self.left.set(0);
            return false;
        }
        self.left.set(left - 1);
        true
    }

    pub(super) fn moved(&self, began: Instant) -> Moved {
        let requests = self.acknowledged.borrow().iter().sum();
        Moved {
            requests,
            bytes: requests * self.batch_bytes,
            wall: self.last.get().duration_since(began),
            latencies: self.latencies.borrow().clone(),
        }
    }
}

/// Runs the load to its end.
pub fn produce(load: &ProduceLoad) -> anyhow::Result<Moved> {
    on_one_thread(async {
        let sockets = connect(load.address, load.connections).await?;
        let shared = Shared::new(load)?;
        let began = Instant::now();
        for task in start(load, sockets, &shared)? {
            task.await??;
        }
        Ok(shared.moved(began))
    })
}

pub(super) async fn connect(address: SocketAddr, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let socket = TcpStream::connect(address).await.context("connecting the load client")?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Starts the connections of a load on the runtime of this thread.
pub(super) fn start(
    load: &ProduceLoad,
    sockets: Vec<TcpStream>,
    shared: &Rc<Shared>,
) -> anyhow::Result<Vec<tokio::task::JoinHandle<anyhow::Result<()>>>> {
    let count = i32::try_from(sockets.len())?;
    let of = |index: i32| -> Vec<i32> {
        if load.partitions <= count {
            vec![index % load.partitions]
        } else {
            (index..load.partitions).step_by(sockets.len()).collect()
        }
    };
    let partitions: Vec<Vec<i32>> = (0..count).map(of).collect();
    let mut tasks = Vec::new();
    for (socket, partitions) in sockets.into_iter().zip(partitions) {
        let frame = frames::produce(&load.topic, 0, load.acks, load.batch.clone());
        tasks.push(tokio::task::spawn_local(connection(
            socket,
            frame,
            load.depth,
            partitions,
            Rc::clone(shared),
        )));
    }
    Ok(tasks)
}

async fn connection(
    mut socket: TcpStream,
    mut frame: BytesMut,
    depth: usize,
    partitions: Vec<i32>,
    shared: Rc<Shared>,
) -> anyhow::Result<()> {
    let mut sent: VecDeque<(Instant, i32)> = VecDeque::new();
    let mut turn = partitions.iter().copied().cycle();
    let mut input = BytesMut::with_capacity(64 * 1024);
    let mut correlation = 0_i32;
    loop {
        while sent.len() < depth && shared.take() {
            let partition = turn.next().context("a partition")?;
            frame[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation.to_be_bytes());
            frame[PRODUCE_PARTITION_AT..PRODUCE_PARTITION_AT + 4].copy_from_slice(&partition.to_be_bytes());
            correlation = correlation.wrapping_add(1);
            sent.push_back((Instant::now(), partition));
            socket.write_all(&frame).await?;
        }
        if sent.is_empty() {
            return Ok(());
        }
        ensure!(socket.read_buf(&mut input).await? > 0, "the broker closed the connection");
        while let Some(length) = input.first_chunk::<4>() {
            let total = 4 + usize::try_from(i32::from_be_bytes(*length))?;
            if input.len() < total {
                break;
            }
            let answer = input.split_to(total);
            let body = &answer[4..];
            let expected = correlation.wrapping_sub(i32::try_from(sent.len())?);
            ensure!((&body[..4]).get_i32() == expected, "answers out of order");
            let error = (&body[PRODUCE_ERROR_AT..PRODUCE_ERROR_AT + 2]).get_i16();
            ensure!(
                error == 0,
                "the broker answered error {error} to a batch of {} bytes",
                frame.len() - PRODUCE_BATCH_AT
            );
            let (began, partition) = sent.pop_front().context("an answer to nothing")?;
            let now = Instant::now();
            shared.latencies.borrow_mut().saturating_record(micros(now - began));
            shared.acknowledged.borrow_mut()[usize::try_from(partition)?] += 1;
            shared.last.set(now);
        }
    }
}
