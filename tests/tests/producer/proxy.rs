//! A TCP proxy that cuts connections: each after some bytes in one direction or the other, wherever that falls.

use bytes::BytesMut;
use futures_util::future::BoxFuture;
use mainstem_client::connection::{ByteStream, Dial, TcpDialer};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// Bytes of answers that pass at least: enough for the versions that a broker speaks, with which every connection
/// begins. And how many more pass at most, so that answers to what was appended are lost as often as requests.
const ANSWERS_FROM: u64 = 900;
const ANSWERS_MORE: u64 = 400;

/// A running proxy in front of one broker.
#[derive(Debug)]
pub struct CuttingProxy {
    address: SocketAddr,
    cuts: Arc<AtomicU64>,
    /// Ends with the proxy.
    _tasks: JoinSet<()>,
}

impl CuttingProxy {
    /// Forwards to `broker`. A connection carries at most `bytes` of requests before it is cut.
    pub async fn start(broker: SocketAddr, bytes: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let cuts = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, broker, bytes, Arc::clone(&cuts)));
        Ok(Self { address, cuts, _tasks: tasks })
    }

    /// Connections that were cut.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Relaxed)
    }

    /// A dialler that reaches every broker through this proxy, whatever address it names.
    pub fn dialer(&self) -> Arc<dyn Dial> {
        Arc::new(Through(self.address))
    }
}

async fn serve(listener: TcpListener, broker: SocketAddr, bytes: u64, cuts: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    let mut number = 0_u64;
    while let Ok((client, _)) = listener.accept().await {
        number += 1;
        // Another point each time, the same ones in each run: 7919 and 104,729 are primes.
        let up = bytes / 4 + (number * 7919) % (bytes * 3 / 4);
        let down = ANSWERS_FROM + (number * 104_729) % ANSWERS_MORE;
        let cuts = Arc::clone(&cuts);
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(broker).await else { return };
            // What arrives goes on at once, or every exchange waits for a delayed acknowledgement.
            if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
                return;
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // Both halves are dropped with what they hold when one direction is used up.
            let cut = tokio::select! {
                cut = forward(from_client, to_server, up) => cut,
                cut = forward(from_server, to_client, down) => cut,
            };
            cuts.fetch_add(u64::from(cut), Relaxed);
        });
    }
}

/// Forwards until the end or the limit; true = cut.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut limit: u64) -> bool {
    let mut buffer = BytesMut::new();
    loop {
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        let room = buffer.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        limit -= room as u64;
        if to.write_all_buf(&mut buffer.split_to(room)).await.is_err() {
            return false;
        }
        if limit == 0 {
            return true;
        }
    }
}

#[derive(Debug)]
struct Through(SocketAddr);

impl Dial for Through {
    fn dial<'a>(&'a self, _host: &'a str, _port: u16) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move { TcpDialer.dial(&self.0.ip().to_string(), self.0.port()).await })
    }
}
