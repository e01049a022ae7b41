//! One connection of the null broker: read, all whole frames, one coalesced write.

use super::{Mode, store::Store};
use crate::frames::{CORRELATION_AT, FETCH_OFFSET_AT, PRODUCE_BATCH_AT, PRODUCE_PARTITION_AT, TOPIC_LEN};
use anyhow::ensure;
use bytes::{Buf as _, BufMut as _, BytesMut};
use rustix::{
    fs::sendfile,
    io::Errno,
    net::{SendFlags, send},
};
use std::collections::VecDeque;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::TcpStream,
    sync::oneshot,
};

/// An answer whose batch is not on disk yet.
struct Waiting {
    correlation: [u8; 4],
    topic: [u8; TOPIC_LEN],
    partition: i32,
    base: i64,
    synced: Option<oneshot::Receiver<()>>,
}

pub(super) async fn serve(mut socket: TcpStream, store: &Store) -> anyhow::Result<()> {
    let mut input = BytesMut::with_capacity(256 * 1024);
    let mut output = BytesMut::with_capacity(4096);
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    loop {
        if waiting.is_empty() {
            input.reserve(64 * 1024);
            if socket.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        } else {
            // in `nd` reading goes on while earlier appends are being synced
            let first = waiting.front_mut().and_then(|w| w.synced.as_mut());
            let Some(first) = first else { anyhow::bail!("only unsynced answers wait") };
            input.reserve(64 * 1024);
            tokio::select! {
                read = socket.read_buf(&mut input) => if read? == 0 { return Ok(()) },
                synced = first => {
                    synced?;
                    waiting[0].synced = None;
                }
            }
        }
        while let Some(length) = input.first_chunk::<4>() {
            let total = 4 + usize::try_from(i32::from_be_bytes(*length))?;
            if input.len() < total {
                input.reserve(total - input.len());
                break;
            }
            let mut frame = input.split_to(total);
            if store.mode == Mode::F {
                fetch(&socket, store, &frame).await?;
            } else {
                waiting.push_back(produce(store, &mut frame)?);
            }
        }
        while let Some(ready) = waiting.pop_front_if(|w| match &mut w.synced {
            None => true,
            Some(receiver) => receiver.try_recv().is_ok(),
        }) {
            answer(&ready, &mut output);
        }
        if !output.is_empty() {
            socket.write_all(&output).await?;
            output.clear();
        }
    }
}

fn produce(store: &Store, frame: &mut BytesMut) -> anyhow::Result<Waiting> {
    ensure!(frame.len() > PRODUCE_BATCH_AT + 61, "a Produce frame of the agreed layout");
    let mut correlation = [0; 4];
    correlation.copy_from_slice(&frame[CORRELATION_AT..CORRELATION_AT + 4]);
    let mut topic = [0; TOPIC_LEN];
    topic.copy_from_slice(&frame[PRODUCE_PARTITION_AT - 4 - TOPIC_LEN..PRODUCE_PARTITION_AT - 4]);
    let partition = (&frame[PRODUCE_PARTITION_AT..]).get_i32();
    let (base, synced) = match store.mode {
        Mode::E | Mode::F => (0, None),
        Mode::N | Mode::Nd => store.append(partition, &mut frame[PRODUCE_BATCH_AT..])?,
    };
    Ok(Waiting { correlation, topic, partition, base, synced })
}

/// Produce v8: one topic, one partition, no error.
fn answer(ready: &Waiting, out: &mut BytesMut) {
    let length = 4 + 4 + 2 + TOPIC_LEN + 4 + 4 + 2 + 8 + 8 + 8 + 4 + 2 + 4;
    out.put_u32(u32::try_from(length).expect("a small answer"));
    out.put_slice(&ready.correlation);
    out.put_i32(1);
    out.put_i16(i16::try_from(TOPIC_LEN).expect("a short name"));
    out.put_slice(&ready.topic);
    out.put_i32(1);
    out.put_i32(ready.partition);
    out.put_i16(0);
    out.put_i64(ready.base);
    out.put_i64(-1);
    out.put_i64(0);
    out.put_i32(0);
    out.put_i16(-1);
    out.put_i32(0);
}

/// Fetch v11: a fixed head, then file bytes by sendfile. The offset field carries a byte position here, modulo the file.
async fn fetch(socket: &TcpStream, store: &Store, frame: &BytesMut) -> anyhow::Result<()> {
    let Some((file, size)) = &store.served else { anyhow::bail!("only mode f serves Fetch") };
    ensure!(frame.len() >= FETCH_OFFSET_AT + 8, "a Fetch frame of the agreed layout");
    // behind the partition's limit stand only an empty list of forgotten topics and an empty rack
    let wanted = u64::from((&frame[frame.len() - 10..]).get_u32()).min(*size);
    let position = u64::try_from((&frame[FETCH_OFFSET_AT..]).get_i64())? * wanted % (size - wanted + 1);
    let records = usize::try_from(wanted)?;
    let mut head = BytesMut::new();
    let length = crate::frames::FETCH_RECORDS_AT + records;
    head.put_u32(u32::try_from(length)?);
    head.put_slice(&frame[CORRELATION_AT..CORRELATION_AT + 4]);
    head.put_slice(&[0; 4 + 2 + 4]);
    head.put_i32(1);
    head.put_i16(i16::try_from(TOPIC_LEN)?);
    head.put_slice(&frame[FETCH_OFFSET_AT - 12 - TOPIC_LEN..FETCH_OFFSET_AT - 12]);
    head.put_i32(1);
    head.put_i32(0);
    head.put_i16(0);
    head.put_slice(&[0; 24]);
    head.put_i32(-1);
    head.put_i32(-1);
    head.put_i32(i32::try_from(records)?);
    while !head.is_empty() {
        let sent = io(socket, || send(socket, &head, SendFlags::MORE | SendFlags::NOSIGNAL)).await?;
        head.advance(sent);
    }
    let (mut at, mut left) = (position, records);
    while left > 0 {
        left -= io(socket, || sendfile(socket, file, Some(&mut at), left)).await?;
    }
    Ok(())
}

/// One non-blocking call, repeated when the socket takes more.
async fn io(socket: &TcpStream, mut call: impl FnMut() -> Result<usize, Errno>) -> anyhow::Result<usize> {
    loop {
        socket.writable().await?;
        match socket.try_io(Interest::WRITABLE, || call().map_err(Into::into)) {
            Ok(0) => anyhow::bail!("the peer takes nothing more"),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}
