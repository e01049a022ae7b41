//! Running the binary under test: without this machine's variables, with a bound on time, and ended with its test.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Longer than anything here takes, even on a busy machine.
const WITHIN: Duration = Duration::from_mins(1);

/// The binary, with none of this process's variables that could set something.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstem"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_ours = ["MAINSTEM_", "KAFKA_", "CLUSTER_ID", "RUST_LOG", "NOTIFY_SOCKET"];
        if is_ours.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Fails the test unless the command ended with `code` and said all of `parts` on stderr.
    #[track_caller]
    pub fn refused_with(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{:?} is missing in:\n{}", part, self.stderr);
        }
    }
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Ended {
    finish(command(arguments))
}

/// Runs a prepared command to its end.
pub fn finish(mut command: Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    Running { child }.wait()
}

/// A process of the test; it ends with it.
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts `dev` on a free port and waits until it serves.
    pub fn dev() -> (Self, String) {
        let mut running = Self::start(command(&["dev", "--any-port", "--print-json"]));
        let told: serde_json::Value = serde_json::from_str(&running.first_line()).expect("one JSON object");
        let address = told["bootstrap_servers"].as_str().expect("an address").to_owned();
        (running, address)
    }

    /// Starts `serve` with these overrides; it may fail.
    pub fn start(mut command: Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        Self { child }
    }

    /// The first line on stdout: the process serves from then on.
    pub fn first_line(&mut self) -> String {
        let stdout = self.child.stdout.take().expect("stdout is a pipe");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut line = String::new();
            let read = lines.read_line(&mut line);
            // the test may have given up waiting
            let _ = sender.send(read.map(|_| line));
            // keeps the pipe open for whatever the process still says
            let _ = lines.read_to_end(&mut Vec::new());
        });
        let line = receiver.recv_timeout(WITHIN).expect("a line in time").expect("stdout can be read");
        if line.is_empty() {
            let mut said = String::new();
            let _ = self.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
            panic!("it ended instead of serving: {said}");
        }
        line
    }

    /// Asks for an end in order, and waits for it.
    pub fn stop(self) -> Ended {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(told.success(), "the process is gone already");
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let stdout = self.child.stdout.take();
        let stderr = self.child.stderr.take();
        let (sender, receiver) = mpsc::channel();
        let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
            thread::spawn(move || {
                let mut text = Vec::new();
                stream.map(|mut stream| stream.read_to_end(&mut text));
                String::from_utf8_lossy(&text).into_owned()
            })
        };
        let stdout = read(stdout.map(|stream| Box::new(stream) as _));
        let stderr = read(stderr.map(|stream| Box::new(stream) as _));
        let (stdout, stderr) = thread::scope(|scope| {
            scope.spawn(move || {
                // both streams end with the process
                let _ = sender.send((stdout.join(), stderr.join()));
            });
            let Ok((Ok(stdout), Ok(stderr))) = receiver.recv_timeout(WITHIN) else {
                let _ = self.child.kill();
                panic!("the command does not end");
            };
            (stdout, stderr)
        });
        let status: ExitStatus = self.child.wait().expect("the process can be waited for");
        Ended { code: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything below a folder: path and content of each file, and each folder.
pub fn content(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.display().to_string();
            if path.is_dir() {
                found.push((name, None));
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file that can be read");
                found.push((name, Some(bytes)));
            }
        }
    }
    found.sort();
    found
}

/// Runs a command to its end with `input` on stdin.
pub fn feed(arguments: &[&str], input: &[u8]) -> Ended {
    use std::io::Write as _;
    let mut command = command(arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let input = input.to_vec();
    thread::scope(|scope| {
        // a command that refuses its input closes the pipe
        scope.spawn(move || drop(stdin.write_all(&input)));
        Running { child }.wait()
    })
}
