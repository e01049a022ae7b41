//! Brokers as processes: start, CPU, memory, stop. A process is killed when its handle goes.

use anyhow::{Context as _, bail, ensure};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running broker.
pub struct Contestant {
    /// Its name in the tables.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    dir: PathBuf,
    /// From exec to the first answer.
    pub start: Duration,
}

/// CPU and memory of a process at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident anonymous memory in bytes.
    pub anonymous: u64,
    /// Resident memory in bytes, file pages included.
    pub resident: u64,
}

impl Contestant {
    /// The null broker, as a child of this very program.
    pub fn null(name: &str, mode: &str, dir: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["null", "--mode", mode, "--dir"]).arg(dir).stdout(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().context("starting the null broker")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
        let port: u16 =
            line.trim().strip_prefix("ready ").context("the null broker did not get ready")?.parse()?;
        Ok(Self {
            name: name.to_owned(),
            address: ([127, 0, 0, 1], port).into(),
            child,
            dir: dir.to_owned(),
            start: began.elapsed(),
        })
    }

    /// A Mainstem with shipped defaults but for ports, folder and the given settings.
    pub fn mainstem(
        name: &str,
        binary: &Path,
        dir: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let admin = free_port()?;
        fs::create_dir_all(dir)?;
        let log = fs::File::create(dir.join("broker.log"))?;
        let mut command = Command::new(binary);
        command.arg("serve").stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
        let listeners = format!("PLAINTEXT://127.0.0.1:{port}");
        let admin = format!("127.0.0.1:{admin}");
        let data = dir.join("data").to_string_lossy().into_owned();
        let own = [
            ("listeners", listeners.as_str()),
            ("log.dirs", data.as_str()),
            ("mainstem.admin.listen", admin.as_str()),
        ];
        for (key, value) in own.iter().chain(settings) {
            command.arg("--override").arg(format!("{key}={value}"));
        }
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {}", binary.display()))?;
        let address = ([127, 0, 0, 1], port).into();
        let mut this =
            Self { name: name.to_owned(), address, child, dir: dir.to_owned(), start: Duration::ZERO };
        while TcpStream::connect(address).is_err() {
            if let Some(status) = this.child.try_wait()? {
                bail!(
                    "{name} ended with {status}: {}",
                    fs::read_to_string(dir.join("broker.log")).unwrap_or_default()
                );
            }
            ensure!(began.elapsed() < Duration::from_mins(1), "{name} did not listen within 60 s");
            std::thread::sleep(Duration::from_millis(1));
        }
        this.start = began.elapsed();
        Ok(this)
    }

    /// CPU and memory of the process so far.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        usage(self.child.id())
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        // the round is over either way; a process that is gone already is what is wanted
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// CPU and memory of any process, from `/proc`.
pub fn usage(pid: u32) -> anyhow::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("a stat line")?.1.split_whitespace().collect();
    let ticks: u64 =
        fields.get(11).context("utime")?.parse::<u64>()? + fields.get(12).context("stime")?.parse::<u64>()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name));
        line.and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse::<u64>().ok()).unwrap_or_default()
            * 1024
    };
    Ok(Usage {
        cpu: Duration::from_secs_f64(ticks as f64 / 100.0),
        anonymous: kib("RssAnon:"),
        resident: kib("VmRSS:"),
    })
}

fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
