//! The other codec as a process: a line in, a line out.
#![expect(clippy::disallowed_methods, reason = "a variable names the process")]

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Memory that the process may map, in KiB.
const MEMORY_KIB: u32 = 512 * 1024;

pub(crate) struct Oracle {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

pub(crate) enum Answer {
    /// It read all bytes and wrote the same.
    Same,
    /// It does not speak the API or the version.
    Unknown,
    /// What it said instead.
    Different(String),
}

impl Oracle {
    pub(crate) fn start() -> Self {
        let program = std::env::var("MAINSTEM_ORACLE").expect("MAINSTEM_ORACLE names the built tests/oracle");
        let mut process = Command::new("sh")
            .args(["-c", &format!("ulimit -v {MEMORY_KIB}; exec \"$0\""), &program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let (questions, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, questions, answers: BufReader::new(answers) }
    }

    pub(crate) fn transcode(&mut self, side: &str, key: i16, version: i16, bytes: &[u8]) -> Answer {
        let ours = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        writeln!(self.questions, "{side} {key} {version} {ours}").expect("the oracle listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the oracle answers");
        match answer.trim_end() {
            "unknown" => Answer::Unknown,
            same if same.strip_prefix("ok ").and_then(|rest| rest.strip_suffix(" 0")) == Some(&ours) => {
                Answer::Same
            }
            other => Answer::Different(format!("{other} instead of {ours}")),
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
