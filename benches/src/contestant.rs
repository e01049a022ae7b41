//! Brokers as processes: start, CPU, memory, stop. A process is killed when its handle goes, or when this program is ended.

use anyhow::{Context as _, bail, ensure};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};

/// Process groups of all brokers that run. Each broker leads one, so that what stands before it (a tracer) goes with it.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A running broker.
pub struct Contestant {
    /// Its name in the tables.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    dir: PathBuf,
    /// How it was started, for the next start.
    command: Command,
    /// From exec to the first answer.
    pub start: Duration,
}

/// How a broker is ended before it starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM, and its time.
    Clean,
    /// SIGKILL.
    Kill,
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
    pub fn null(name: &str, wrapper: &[&str], mode: &str, dir: &Path) -> anyhow::Result<Self> {
        let mut command = wrapped(wrapper, std::env::current_exe()?);
        command.args(["null", "--mode", mode, "--dir"]).arg(dir).stdin(Stdio::null()).stdout(Stdio::piped());
        let began = Instant::now();
        let mut child = spawn(&mut command)?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
        let port: u16 =
            line.trim().strip_prefix("ready ").context("the null broker did not get ready")?.parse()?;
        Ok(Self {
            name: name.to_owned(),
            address: ([127, 0, 0, 1], port).into(),
            child,
            dir: dir.to_owned(),
            command,
            start: began.elapsed(),
        })
    }

    /// A Mainstem with shipped defaults but for ports, folder and the given settings. `wrapper` is what stands before it on the
    /// command line: a tracer and its arguments, or nothing.
    pub fn mainstem(
        name: &str,
        wrapper: &[&str],
        binary: &Path,
        dir: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let admin = free_port()?;
        fs::create_dir_all(dir)?;
        let log = fs::File::create(dir.join("broker.log"))?;
        let mut command = wrapped(wrapper, binary);
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
        Self::of_command(name, command, ([127, 0, 0, 1], port).into(), dir)
    }

    /// Whatever the command starts, once it answers at the address. The folder goes with it.
    pub(crate) fn of_command(
        name: &str,
        mut command: Command,
        address: SocketAddr,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let (child, start) = spawn_until_answering(&mut command, address, dir)?;
        Ok(Self { name: name.to_owned(), address, child, dir: dir.to_owned(), command, start })
    }

    /// Its folder; the log directory is `data` in it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends the broker and starts it again on the same folder; the time from exec to its first answer.
    pub fn restarted(mut self, stop: Stop) -> anyhow::Result<(Duration, Self)> {
        match stop {
            Stop::Kill => self.child.kill()?,
            Stop::Clean => {
                let pid = Pid::from_child(&self.child);
                kill_process(pid, Signal::TERM)?;
            }
        }
        let status = self.child.wait()?;
        // a JVM that ends in order after SIGTERM says 143
        let in_order = status.success() || status.code() == Some(143);
        ensure!(stop == Stop::Kill || in_order, "{} stopped with {status}", self.name);
        forget(&self.child);
        (self.child, self.start) = spawn_until_answering(&mut self.command, self.address, &self.dir)?;
        Ok((self.start, self))
    }

    /// CPU and memory of the process so far.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        usage(self.child.id())
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        usage(self.child.id()).is_ok_and(|usage| 0 < usage.resident)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        // the round is over either way; a process that is gone already is what is wanted
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        forget(&self.child);
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

fn spawn_until_answering(
    command: &mut Command,
    address: SocketAddr,
    dir: &Path,
) -> anyhow::Result<(Child, Duration)> {
    let began = Instant::now();
    let mut child = spawn(command)?;
    while !answers(address) {
        if let Some(status) = child.try_wait()? {
            forget(&child);
            let log = fs::read_to_string(dir.join("broker.log")).unwrap_or_default();
            bail!("the broker ended with {status}: {log}");
        }
        if Duration::from_mins(2) < began.elapsed() {
            // it is about to be given up; what the kill says changes nothing
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            forget(&child);
            bail!("the broker did not answer within 2 minutes");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok((child, began.elapsed()))
}

/// A command with what stands before it.
pub(crate) fn wrapped(wrapper: &[&str], program: impl AsRef<OsStr>) -> Command {
    let Some((first, rest)) = wrapper.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    // the lock is held, so that no broker starts that `end_with_the_program` does not know of
    let mut running = RUNNING.lock();
    let child = command
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    running.insert(Pid::from_child(&child).as_raw_nonzero().get());
    Ok(child)
}

fn forget(child: &Child) {
    RUNNING.lock().remove(&Pid::from_child(child).as_raw_nonzero().get());
}

/// From now on SIGINT and SIGTERM end all brokers, and then this program with 130.
pub fn end_with_the_program() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        let running = RUNNING.lock();
        for pid in running.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            // one that has ended by itself is what is wanted
            let _ = kill_process_group(pid, Signal::KILL);
        }
        eprintln!("\ninterrupted: brokers are stopped, rounds that ended are kept");
        std::process::exit(130);
    })?;
    Ok(())
}

/// Whether a request gets its answer. That a connection is made says little: a broker may bind its address before it is
/// ready to serve.
fn answers(address: SocketAddr) -> bool {
    // ApiVersions 0: length, key, version, correlation id, no client id
    const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255];
    let asked = || -> io::Result<()> {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(&REQUEST)?;
        socket.read_exact(&mut [0; 4])
    };
    asked().is_ok()
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
