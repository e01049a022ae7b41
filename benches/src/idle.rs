//! What an idle connection costs: resident memory of a broker before and after many clients came, asked once, and stay.
//!
//! Above: `main`. Below: [`contestant`](crate::contestant). The kernel's part (socket buffers of both ends) is not in
//! these numbers: it belongs to no process.

use crate::contestant::{Contestant, Usage};
use anyhow::{Context as _, ensure};
use mainstem_protocol::{message::encode_request, messages::api_versions::ApiVersionsRequest};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The mainstem binary (release build).
    #[arg(long, default_value = "target/release/mainstem")]
    pub binary: PathBuf,
    /// Folder for the broker's data.
    #[arg(long, default_value = "target/bench-data/idle")]
    pub dir: PathBuf,
    /// Connections that come and stay.
    #[arg(long, default_value_t = 10_000)]
    pub connections: usize,
    /// Seconds of quiet before the second look, in which the broker may give memory back.
    #[arg(long, default_value_t = 5)]
    pub quiet: u64,
}

/// Measures and prints.
pub fn run(options: &Options) -> anyhow::Result<()> {
    allow_descriptors(options.connections)?;
    let most = (options.connections + 100).to_string();
    let settings = [("max.connections", most.as_str()), ("max.connection.creation.rate", "100000")];
    let broker = Contestant::mainstem("mainstem", &[], &options.binary, &options.dir, &settings)?;
    // What the first clients cost once (lazy tables, pooled buffers) is no cost of a connection.
    let _warm = (0..100).map(|_| client(broker.address)).collect::<anyhow::Result<Vec<_>>>()?;
    std::thread::sleep(Duration::from_secs(options.quiet));
    let before = broker.usage()?;
    let clients =
        (0..options.connections).map(|_| client(broker.address)).collect::<anyhow::Result<Vec<_>>>()?;
    let loaded = broker.usage()?;
    std::thread::sleep(Duration::from_secs(options.quiet));
    let after = broker.usage()?;
    drop(clients);
    std::thread::sleep(Duration::from_secs(options.quiet));
    let gone = broker.usage()?;

    let each = |usage: Usage| {
        (usage.anonymous as f64 - before.anonymous as f64) / options.connections as f64 / 1024.0
    };
    println!("connections      {}", options.connections);
    println!(
        "before           {:7.1} MiB resident, {:.1} anonymous",
        mib(before.resident),
        mib(before.anonymous)
    );
    println!("just connected   {:7.2} KiB each", each(loaded));
    println!("idle             {:7.2} KiB each", each(after));
    println!(
        "all gone         {:7.1} MiB resident, {:.1} anonymous",
        mib(gone.resident),
        mib(gone.anonymous)
    );
    println!(
        "CPU              {:7.1} us a connection",
        loaded.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e6 / options.connections as f64
    );
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// A client that asked for the versions and got its answer.
pub(crate) fn client(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("connecting")?;
    let request = encode_request(1, Some("idle"), 0, &ApiVersionsRequest::default())?;
    stream.write_all(&request.into_contiguous().context("no records in this request")?)?;
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(len))?];
    stream.read_exact(&mut answer)?;
    Ok(stream)
}

/// Raises the limit of open files for this process and the broker that it starts.
pub(crate) fn allow_descriptors(connections: usize) -> anyhow::Result<()> {
    let needed = connections as u64 + 1000;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| needed <= current) {
        return Ok(());
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(needed));
    ensure!(
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).is_ok(),
        "{needed} open files are needed: raise `ulimit -n`"
    );
    Ok(())
}
