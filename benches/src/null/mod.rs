//! The null broker: only what physics demands. Frame in, CRC, bytes into a fresh segment, fixed answer out.
//!
//! It has no metadata, no index and no recovery; it is the limit that every figure stands beside. Same crates, profile,
//! runtime shape and CRC as the broker. Modes: `n` page cache, `nd` answered once a flusher has synced past the append,
//! `e` transport only, `f` Fetch by sendfile of a file written before.

mod connection;
mod store;

use anyhow::Context as _;
use std::{path::PathBuf, sync::Arc};
use tokio::net::TcpListener;

pub use store::Store;

/// What the null broker does with a Produce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// CRC and one pwrite.
    N,
    /// As `n`, answered when it is on disk.
    Nd,
    /// Neither CRC nor pwrite.
    E,
    /// Answers Fetch with file bytes.
    F,
}

/// How the null broker is started.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What it does.
    #[arg(long, value_enum, default_value = "n")]
    pub mode: Mode,
    /// Loopback port; 0 takes a free one, which is printed.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Where the segments go; must be empty or absent.
    #[arg(long)]
    pub dir: PathBuf,
    /// Bytes of a segment; a full one is unlinked.
    #[arg(long, default_value_t = 1 << 30)]
    pub segment_bytes: u64,
    /// In mode `f`: how many bytes to write before serving, and in batches of how many bytes.
    #[arg(long, default_value_t = 256 << 20)]
    pub prefill_bytes: u64,
}

/// Serves until the process is killed. Prints `ready PORT`.
pub fn serve(options: &Options) -> anyhow::Result<()> {
    let store = Arc::new(Store::open(options).context("opening the store")?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await.context("binding the port")?;
        println!("ready {}", listener.local_addr()?.port());
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                // a client that goes away ends its own connection only
                let _ = connection::serve(socket, &store).await;
            });
        }
    })
}
