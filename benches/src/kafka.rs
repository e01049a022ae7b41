//! Apache Kafka as a contestant: its jars, one combined node with shipped settings, the flags of its start scripts.
//!
//! Above: runs that compare. Below: [`contestant`](crate::contestant). Without Java, or without jars and Maven to fetch them,
//! it is left out, and the run says so.

use crate::contestant::{Contestant, free_port, wrapped};
use anyhow::{Context as _, ensure};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where Apache Kafka comes from.
#[derive(Debug, Clone, clap::Args)]
pub struct Peer {
    /// Leaves Apache Kafka out.
    #[arg(long)]
    pub without_kafka: bool,
    /// Folder with the jars of Apache Kafka; if there are none yet, Maven fetches them.
    #[arg(long, default_value = "tests/interop/.cache/kafka")]
    pub kafka_jars: PathBuf,
    /// The list of jars, and beside it how they log.
    #[arg(long, default_value = "tests/interop/peers/kafka/pom.xml")]
    pub kafka_pom: PathBuf,
}

/// A Kafka that can be started.
#[derive(Debug, Clone)]
pub struct Kafka {
    jars: PathBuf,
    logging: PathBuf,
}

impl Peer {
    /// The peer, if it is wanted and can be had; else says why not, and where `CI` is set that is an error.
    pub fn find(&self) -> anyhow::Result<Option<Kafka>> {
        if self.without_kafka {
            return Ok(None);
        }
        if !runs("java") {
            left_out("Apache Kafka", "java is missing")?;
            return Ok(None);
        }
        if !has_jars(&self.kafka_jars) {
            if !runs("mvn") {
                left_out("Apache Kafka", "its jars are not there, and mvn is missing")?;
                return Ok(None);
            }
            let status = Command::new("mvn")
                .args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "--file"])
                .arg(&self.kafka_pom)
                .arg(format!("-DoutputDirectory={}", std::path::absolute(&self.kafka_jars)?.display()))
                .status()?;
            ensure!(status.success() && has_jars(&self.kafka_jars), "mvn ended with {status}");
        }
        let logging = self.kafka_pom.with_file_name("log4j2.properties");
        Ok(Some(Kafka { jars: self.kafka_jars.clone(), logging: std::path::absolute(logging)? }))
    }
}

/// Says what a run does without. Where `CI` is set, nothing may be missing.
pub(crate) fn left_out(what: &str, why: &str) -> anyhow::Result<()> {
    ensure!(std::env::var_os("CI").is_none(), "{what}: {why}");
    eprintln!("{what} is left out: {why}");
    Ok(())
}

fn runs(program: &str) -> bool {
    let version = Command::new(program).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn has_jars(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().starts_with("kafka_2.13-"))
}

impl Kafka {
    /// A node with shipped defaults but for ports, folder, replication factors and the given settings. `wrapper` is what stands
    /// before it on the command line: a tracer and its arguments, or nothing.
    pub fn start(
        &self,
        name: &str,
        wrapper: &[&str],
        dir: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Contestant> {
        let (port, controller) = (free_port()?, free_port()?);
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir)?;
        let dir = std::path::absolute(dir)?;
        let mut properties = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller}\nlog.dirs={}\n\
             offsets.topic.replication.factor=1\n",
            dir.join("data").display()
        );
        for (key, value) in settings {
            writeln!(properties, "{key}={value}")?;
        }
        let file = dir.join("server.properties");
        fs::write(&file, properties)?;
        let log = fs::File::create(dir.join("broker.log"))?;
        let format = self
            .java(&[], &["-Xmx256m"])
            .args([
                "kafka.tools.StorageTool",
                "format",
                "--standalone",
                "--cluster-id",
                "TWFpbnN0ZWFtQmVuY2hlcw",
            ])
            .arg("--config")
            .arg(&file)
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .status()
            .context("starting java")?;
        ensure!(
            format.success(),
            "formatting ended with {format}: {}",
            fs::read_to_string(dir.join("broker.log"))?
        );
        // As kafka-server-start.sh has it.
        let mut command = self.java(
            wrapper,
            &[
                "-Xms1G",
                "-Xmx1G",
                "-server",
                "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35",
                "-XX:+ExplicitGCInvokesConcurrent",
                "-Djava.awt.headless=true",
            ],
        );
        command.arg("kafka.Kafka").arg(&file).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Contestant::of_command(name, command, ([127, 0, 0, 1], port).into(), &dir)
    }

    /// Its version, by the name of its jar.
    pub fn version(&self) -> String {
        let names = fs::read_dir(&self.jars).into_iter().flatten().filter_map(Result::ok);
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let jar =
            names.filter_map(|name| Some(name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?.to_owned()));
        jar.min().unwrap_or_else(|| "unknown".to_owned())
    }

    /// One of Kafka's tools, by the name of its class.
    pub fn tool(&self, class: &str) -> Command {
        let mut command = self.java(&[], &["-Xmx512m"]);
        command.arg(class).stdin(Stdio::null());
        command
    }

    fn java(&self, wrapper: &[&str], flags: &[&str]) -> Command {
        let mut command = wrapped(wrapper, "java");
        command
            .args(flags)
            .arg(format!("-Dlog4j2.configurationFile={}", self.logging.display()))
            .arg("-cp")
            .arg(format!("{}/*", self.jars.display()));
        command
    }
}
