//! Side by side: the null broker, Mainstem with either promise, and Apache Kafka, under the same bytes, in rounds that alternate.
//!
//! A figure is a ratio inside one run; absolute numbers hold for the machine and the minutes only. Every row is written as soon
//! as its round has ended, and the summary and the pictures are made from rows alone.
//!
//! Reading order: `scenario` (what is run), `field` (who takes part), `round` (how), `watch` and `check` (cost, and whether
//! everything is there), `replay`, `lifetime`, `java`, `clients` (scenarios that are no load alone); `row`, then `goals`, `summary`, `plot`
//! (what becomes of it), `machine`.

mod check;
mod clients;
mod field;
mod goals;
mod java;
mod lifetime;
mod machine;
mod plot;
mod replay;
mod round;
mod row;
mod scenario;
mod summary;
mod watch;

use crate::{
    figure::{in_words, spread},
    idle::allow_descriptors,
    kafka::{Kafka, Peer, left_out},
    load::{self, PacedLoad},
};
use anyhow::{Context as _, bail, ensure};
use field::{Contender, Field};
use row::{REQUESTS, Row, Rows};
use scenario::{Kind, Produce, Scenario};
use std::{
    cell::RefCell,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Descriptors that the largest scenarios need, here and in the brokers.
const DESCRIPTORS: usize = 15_000;
/// A round may fill this share of what the system lets lie before it writes back.
const OF_DIRTY_LIMIT: f64 = 0.75;
/// What a program is told by `strace` before each flush goes on.
const SLOW_DISK: &[&str] = &[
    "strace",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    "trace=fsync,fdatasync",
    "-e",
    "inject=fsync,fdatasync:delay_exit=5000",
];

/// What to run.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Without Java, Maven (or the jars) Apache Kafka is left out, without strace the scenarios with a slow disk; it says \
so. Ended early, it keeps the rounds that ended; --redraw makes the summary of them."
)]
pub struct Options {
    /// The mainstem binary (release build).
    #[arg(long, default_value = "target/release/mainstem")]
    pub binary: PathBuf,
    /// Folder for the logs of all contestants, on the disk that is to be measured; emptied first and removed at the end.
    #[arg(long, default_value = "target/bench-compare")]
    pub dir: PathBuf,
    /// Rounds of each contestant and scenario; one more before them warms up and is thrown away.
    #[arg(long, default_value_t = 9)]
    pub rounds: usize,
    /// MiB of a round; scenarios with small requests move a share of that.
    #[arg(long, default_value_t = 1_024)]
    pub mib: u64,
    /// MiB of the log that is replayed from the disk.
    #[arg(long, default_value_t = 4_096)]
    pub cold_mib: u64,
    /// Seconds for which Apache Kafka is warmed up with 50 MiB/s before the first round.
    #[arg(long, default_value_t = 60)]
    pub warm_s: u64,
    /// Only scenarios of this name, or else those whose name contains it; may be given again.
    #[arg(long)]
    pub only: Vec<String>,
    /// Prints the names of the scenarios and ends.
    #[arg(long)]
    pub list: bool,
    /// Everything once and as small as possible: shows that it works, not how fast.
    #[arg(long)]
    pub tiny: bool,
    /// Folder for rounds.jsonl, summary.md, machine.json, command.txt and pictures; rows that are there stay, and count.
    /// Nowhere without it.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Title of the summary.
    #[arg(long, default_value = "Side by side")]
    pub title: String,
    /// Runs nothing: makes the summary and the pictures of --out anew from its rows.
    #[arg(long, requires = "out")]
    pub redraw: bool,
    #[command(flatten)]
    pub peer: Peer,
}

/// A run that is under way.
struct Run<'a> {
    options: &'a Options,
    kafka: Option<&'a Kafka>,
    field: Field,
    /// The same brokers over a slow disk, while scenarios ask for it.
    slow: Option<Field>,
    /// Requests a second that the null broker reached, where no rows say it.
    peaks: RefCell<Vec<(String, Contender, f64)>>,
}

/// Runs the scenarios, prints the summary, and writes it if it is wanted.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let chosen = chosen(options)?;
    if options.list {
        for scenario in &chosen {
            println!("{}", scenario.name);
        }
        return Ok(());
    }
    let mut rows = Rows::open(options.out.as_deref())?;
    if options.redraw {
        return publish(options, &rows.all);
    }
    let (options, chosen) = if options.tiny {
        (&tiny(options), chosen.into_iter().filter_map(Scenario::tiny).collect())
    } else {
        (options, chosen)
    };
    let kafka = options.peer.find()?;
    if !options.tiny {
        allow_descriptors(DESCRIPTORS)?;
    }
    let _ = fs::remove_dir_all(&options.dir);
    fs::create_dir_all(&options.dir).with_context(|| format!("making {}", options.dir.display()))?;
    room(options)?;
    if let Some(out) = &options.out {
        machine::describe(options, kafka.as_ref(), out)?;
    }
    let ended = all_rounds(options, kafka.as_ref(), &chosen, &mut rows);
    // what there is counts, whatever has come between
    publish(options, &rows.all)?;
    fs::remove_dir_all(&options.dir)?;
    ended?;
    let void = rows.all.iter().filter(|row| row.void.is_some()).count();
    ensure!(void == 0, "{void} rounds are void: the summary says why");
    Ok(())
}

fn chosen(options: &Options) -> anyhow::Result<Vec<Scenario>> {
    let all = scenario::all();
    for only in &options.only {
        if !all.iter().any(|scenario| scenario.name.contains(only)) {
            let names: Vec<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
            bail!("no scenario has {only:?} in its name; there are:\n  {}", names.join("\n  "));
        }
    }
    // a whole name means that scenario, although it begins the names of others
    let whole: Vec<bool> =
        options.only.iter().map(|only| all.iter().any(|scenario| scenario.name == *only)).collect();
    let wanted = |scenario: &Scenario| {
        let named =
            options.only.iter().zip(&whole).any(|(only, whole)| {
                if *whole { scenario.name == *only } else { scenario.name.contains(only) }
            });
        options.only.is_empty() || named
    };
    Ok(all.into_iter().filter(wanted).collect())
}

fn tiny(options: &Options) -> Options {
    Options { rounds: 1, mib: 16, cold_mib: 32, warm_s: 0, ..options.clone() }
}

/// What a run writes must fit: into the memory that may be dirty, and onto the disk.
fn room(options: &Options) -> anyhow::Result<()> {
    let ratio: f64 = fs::read_to_string("/proc/sys/vm/dirty_background_ratio")?.trim().parse()?;
    let limit = watch::meminfo(&["MemAvailable:"])? as f64 * ratio / 100.0;
    // an open loop writes half as much again
    let most = options.mib as f64 * 1.5 * f64::from(1 << 20);
    ensure!(
        ratio == 0.0 || most <= OF_DIRTY_LIMIT * limit,
        "a round of --mib {} would measure the disk: it may write {:.0} MiB here before the system writes back",
        options.mib,
        limit * OF_DIRTY_LIMIT / f64::from(1 << 20)
    );
    let disk = rustix::fs::statvfs(&options.dir)?;
    let free = disk.f_bavail * disk.f_frsize;
    let needed = (options.mib * 4 + options.cold_mib * 2) << 20;
    ensure!(
        needed <= free,
        "{} has {} MiB free, and a run needs {}: choose another --dir or a smaller --mib",
        options.dir.display(),
        free >> 20,
        needed >> 20
    );
    Ok(())
}

fn all_rounds(
    options: &Options,
    kafka: Option<&Kafka>,
    scenarios: &[Scenario],
    rows: &mut Rows,
) -> anyhow::Result<()> {
    let field = Field::start(options, kafka, "field", &[])?;
    let mut run = Run { options, kafka, field, slow: None, peaks: RefCell::default() };
    run.warm()?;
    let began = Instant::now();
    for (number, scenario) in scenarios.iter().enumerate() {
        if let Some(why) = run.lacks(scenario) {
            left_out(&scenario.name, why)?;
            continue;
        }
        if Run::is_forbidden(scenario) {
            eprintln!("{} is left out: this machine lets nobody trace a process", scenario.name);
            continue;
        }
        if !scenario.slow_disk {
            run.slow = None;
        } else if run.slow.is_none() {
            let slow = Field::start(options, kafka, "slow", SLOW_DISK);
            run.slow = Some(slow.context("brokers over a slow disk")?);
        }
        let rounds = options.rounds.min(scenario.rounds_at_most);
        // a scenario of few rounds is long enough to warm up by itself
        let first = usize::from(options.tiny || rounds < options.rounds);
        for round in first..=rounds {
            for contender in scenario.contenders.iter().filter(|contender| run.field.has(**contender)) {
                let minutes = began.elapsed().as_secs() / 60;
                eprint!(
                    "[{:2}/{}, {minutes} min] {}, round {round} of {rounds}: {} ",
                    number + 1,
                    scenarios.len(),
                    scenario.name,
                    contender.name()
                );
                match round::one(&run, scenario, *contender, round) {
                    Ok(row) => {
                        eprintln!("{}", glance(&row));
                        if 0 < round {
                            rows.push(row)?;
                        }
                    }
                    Err(error) => {
                        eprintln!("VOID: {error:#}");
                        rows.push(Row {
                            scenario: scenario.name.clone(),
                            contestant: contender.name().into(),
                            round,
                            void: Some(format!("{error:#}")),
                            ..Row::default()
                        })?;
                        run.all_alive().with_context(|| format!("{error:#}"))?;
                    }
                }
                run.remember(&rows.all);
            }
        }
    }
    Ok(())
}

/// One figure of a row, for the line of progress.
fn glance(row: &Row) -> String {
    let best = [row::THROUGHPUT, lifetime::START_MS, lifetime::OPEN, lifetime::PER_CONNECTION];
    let named = best.iter().find_map(|name| Some((*name, row.get(name)?)));
    let first = row.figures.iter().next().map(|(name, value)| (name.as_str(), *value));
    named.or(first).map_or_else(String::new, |(name, value)| format!("{} {name}", in_words(value)))
}

impl Run<'_> {
    /// Where a scenario runs, and what stands before brokers that are started for it.
    fn field(&self, scenario: &Scenario) -> anyhow::Result<(&Field, &'static [&'static str])> {
        if scenario.slow_disk {
            return Ok((self.slow.as_ref().context("brokers over a slow disk")?, SLOW_DISK));
        }
        Ok((&self.field, &[]))
    }

    /// What a scenario cannot do without, if it is not there.
    fn lacks(&self, scenario: &Scenario) -> Option<&'static str> {
        if matches!(scenario.kind, Kind::JavaTools) && self.kafka.is_none() {
            return Some("Apache Kafka's tools are not here");
        }
        if matches!(scenario.kind, Kind::Clients(_)) && !cfg!(feature = "peers") {
            return Some("this program was built without librdkafka (--features peers)");
        }
        let strace = || Command::new("strace").arg("-V").stdout(Stdio::null()).status();
        if scenario.slow_disk && !strace().is_ok_and(|status| status.success()) {
            return Some("strace is missing");
        }
        None
    }

    /// Whether the machine forbids what a scenario needs, which no tool would change.
    fn is_forbidden(scenario: &Scenario) -> bool {
        let mut strace = Command::new("strace");
        strace.args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null());
        scenario.slow_disk && !strace.status().is_ok_and(|status| status.success())
    }

    /// Gives a JVM the time to compile what it will need.
    fn warm(&self) -> anyhow::Result<()> {
        let seconds = Duration::from_secs(self.options.warm_s);
        if !self.field.has(Contender::KafkaPageCache) || seconds.is_zero() {
            return Ok(());
        }
        eprintln!("warming Apache Kafka up for {} s", seconds.as_secs());
        let load = Produce::MIDDLE;
        let target = self.field.target(Contender::KafkaPageCache, &[], load.partitions)?;
        let batch = field::batch(&load);
        load::paced(&PacedLoad {
            address: target.address(),
            topic: target.topic.clone(),
            connections: load.connections,
            partitions: load.partitions,
            rate: 50.0 * 1024.0 * 1024.0 / batch.len() as f64,
            lasts: seconds,
            batch,
        })?;
        target.end()
    }

    /// Requests a second that a null broker reaches in a scenario: of its rows, else of one round now.
    fn peak(&self, scenario: &str, null: Contender) -> anyhow::Result<f64> {
        let known = |peaks: &[(String, Contender, f64)]| {
            peaks.iter().find(|(name, of, _)| name == scenario && *of == null).map(|(.., peak)| *peak)
        };
        if let Some(peak) = known(&self.peaks.borrow()) {
            return Ok(peak);
        }
        let all = scenario::all();
        let asked = all.iter().find(|it| it.name == scenario).context("a scenario of that name")?;
        let row = round::one(self, asked, null, 0)?;
        let peak = row.get(REQUESTS).context("a rate")?;
        self.peaks.borrow_mut().push((scenario.to_owned(), null, peak));
        Ok(peak)
    }

    /// Takes the peaks of the null broker from the rows.
    fn remember(&self, rows: &[Row]) {
        let mut peaks = self.peaks.borrow_mut();
        for null in [Contender::NullPageCache, Contender::NullDisk] {
            let own = rows.iter().filter(|row| {
                row.scenario == scenario::PRODUCE_16K && row.contestant == null.name() && row.void.is_none()
            });
            if let Some((middle, ..)) = spread(own.filter_map(|row| row.get(REQUESTS))) {
                peaks.retain(|(_, of, _)| *of != null);
                peaks.push((scenario::PRODUCE_16K.to_owned(), null, middle));
            }
        }
    }

    /// A broker that is gone ends the run: every round after that would be void.
    fn all_alive(&self) -> anyhow::Result<()> {
        let fields = [Some(&self.field), self.slow.as_ref()];
        for broker in fields.into_iter().flatten().flat_map(Field::running) {
            let log = fs::read_to_string(broker.dir().join("broker.log")).unwrap_or_default();
            let end: Vec<&str> = log.lines().rev().take(5).collect();
            ensure!(broker.is_alive(), "{} is gone; the end of its log: {}", broker.name, end.join(" | "));
        }
        Ok(())
    }
}

fn publish(options: &Options, rows: &[Row]) -> anyhow::Result<()> {
    let words = summary::words(rows, &options.title);
    println!("{words}");
    if let Some(out) = &options.out {
        fs::write(out.join("summary.md"), words)?;
        plot::draw(rows, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, FromArgMatches as _};

    fn options(arguments: &[&str]) -> Options {
        let command = Options::augment_args(clap::Command::new("compare").no_binary_name(true));
        Options::from_arg_matches(&command.get_matches_from(arguments)).unwrap()
    }

    #[test]
    fn a_scenario_that_is_none_is_an_error_that_lists_them() {
        let error = run(&options(&["--only", "produce 100 KiB", "--only", "produce 7 KiB"])).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("no scenario has \"produce 7 KiB\" in its name"), "{text}");
        assert!(text.lines().any(|line| line.trim() == scenario::FETCH_HOT), "{text}");
    }

    #[test]
    fn a_whole_name_means_one_scenario_and_a_part_of_it_all_that_have_it() {
        let names = |only: &str| chosen(&options(&["--only", only])).unwrap().len();
        assert_eq!(names(scenario::PRODUCE_100K), 1);
        assert!(1 < names("produce 100 Ki"));
    }

    #[test]
    fn a_round_that_would_measure_the_disk_is_refused_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let options = options(&["--dir", dir, "--mib", "1000000"]);
        let text = room(&options).unwrap_err().to_string();
        assert!(text.contains("would measure the disk") || text.contains("MiB free"), "{text}");
    }

    #[test]
    fn without_a_binary_the_error_names_it_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, out) = (folder.path().join("data"), folder.path().join("out"));
        let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let (dir_text, out_text) = (text(&dir), text(&out));
        let arguments = ["--tiny", "--without-kafka", "--binary", "/no/such/mainstem"];
        let arguments = [&arguments[..], &["--dir", &dir_text, "--out", &out_text]].concat();
        let error = format!("{:#}", run(&options(&arguments)).unwrap_err());
        assert!(error.contains("/no/such/mainstem"), "{error}");
        assert!(!dir.exists(), "the data is gone");
        assert!(out.join("summary.md").exists(), "what there is is told");
    }
}
