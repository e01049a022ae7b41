//! Log lines: which are written, in which form, and where to. Those of a broker above all; tools have a few on stderr.
//!
//! Above: `main`, `serve`, `dev`. Below: stderr, or the file of `mainstem.logging.file`, which can be opened anew after a
//! rotation. What is written: `MAINSTEM_LOG` > `RUST_LOG` > `mainstem.logging.filter`.

use crate::{exit::Failure, log_levels};
use mainstem_broker::{
    admin::SetLogLevel,
    config::{LogFormat, LoggingConfig},
};
use parking_lot::RwLock;
use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{Format, Full, Writer},
    },
    registry::LookupSpan,
};

/// Variables that say which lines are written, the strongest first.
const VARIABLES: [&str; 2] = ["MAINSTEM_LOG", "RUST_LOG"];

/// The lines of this process.
pub(crate) struct Lines {
    /// Where they go, if not to standard error.
    file: Option<LogFile>,
    set_level: SetLogLevel,
}

/// Starts writing lines; nothing may have been logged before.
pub(crate) fn start(logging: &LoggingConfig) -> Result<Lines, Failure> {
    let (source, directives) = first_directives(logging);
    let filter = EnvFilter::try_new(&directives).map_err(|error| {
        Failure::usage(format!("{source}: {error}"))
            .hint("write a level (debug), or target=level, separated by commas")
    })?;
    let file = match &logging.file {
        None => None,
        Some(path) => Some(LogFile::open(path).map_err(|error| {
            Failure::usage(format!("mainstem.logging.file = {}: {error}", path.display()))
                .hint("name a file in a folder that exists and that this user may write to")
        })?),
    };
    let written = file.clone();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(
        move || -> Box<dyn io::Write> {
            match &written {
                Some(file) => Box::new(file.make_writer()),
                None => Box::new(io::stderr()),
            }
        },
    );
    // Each form is a type of its own, and so is the handle of its filter.
    macro_rules! install {
        ($builder:expr) => {{
            let builder = $builder.with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            log_levels::changeable(directives, move |filter| {
                handle.reload(filter).map_err(|error| error.to_string())
            })
        }};
    }
    let set_level = match logging.format {
        LogFormat::Text => install!(builder),
        LogFormat::Json => install!(builder.json()),
        LogFormat::Journald => install!(builder.event_format(Journal::new())),
    };
    Ok(Lines { file, set_level })
}

/// Which lines are written at first, in the words of tracing's filter, and who said so.
fn first_directives(logging: &LoggingConfig) -> (String, String) {
    for name in VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            return (format!("environment variable {name}"), value.to_string_lossy().into_owned());
        }
    }
    // What matters of the consensus library is told by the controller; its own lines repeat an absent voter without end.
    let source = format!("mainstem.logging.filter = {}", logging.filter);
    (source, format!("openraft=off,{}", logging.filter))
}

/// Lines of a tool on stderr, for the person who waits: warnings of the client, with `-v` and `-vv` more.
pub(crate) fn of_tool(verbose: u8, quiet: bool) {
    let most = match (quiet, verbose) {
        (true, _) => Level::ERROR,
        (false, 0) => Level::WARN,
        (false, 1) => Level::INFO,
        (false, _) => Level::DEBUG,
    };
    let builder = tracing_subscriber::fmt().with_max_level(most).with_ansi(false).with_writer(io::stderr);
    builder.without_time().with_target(false).init();
}

impl Lines {
    /// The way to change the level of a target while lines are written.
    pub(crate) fn set_level(&self) -> SetLogLevel {
        Arc::clone(&self.set_level)
    }

    /// Opens the file anew, after somebody moved the old one away.
    pub(crate) fn reopen(&self) {
        if let Some(file) = &self.file {
            match file.reopen() {
                Ok(()) => tracing::info!(target: "mainstem::broker", "log file opened anew"),
                Err(error) => {
                    tracing::error!(target: "mainstem::broker", path = %file.path.display(), %error,
                        "log file cannot be opened anew; lines go on to the old one");
                }
            }
        }
    }
}

/// A file that lines are appended to, each by one write.
#[derive(Clone)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: Arc<RwLock<Arc<File>>>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: Arc::new(RwLock::new(Arc::new(append_to(path)?))) })
    }

    fn reopen(&self) -> io::Result<()> {
        let file = Arc::new(append_to(&self.path)?);
        *self.file.write() = file;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

impl MakeWriter<'_> for LogFile {
    type Writer = Arc<File>;

    fn make_writer(&self) -> Self::Writer {
        Arc::clone(&self.file.read())
    }
}

/// Lines for systemd's journal, which adds the time itself and takes the level from a number before the line.
struct Journal(Format<Full, ()>);

impl Journal {
    fn new() -> Self {
        Self(tracing_subscriber::fmt::format().without_time().with_level(false).with_ansi(false))
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // syslog's numbers: 3 error, 4 warning, 6 information, 7 debugging
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn after_a_rotation_lines_go_to_the_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("broker.log"), folder.path().join("broker.log.1"));
        let file = LogFile::open(&path).unwrap();
        file.make_writer().write_all(b"old\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.make_writer().write_all(b"still old\n").unwrap();
        file.reopen().unwrap();
        file.make_writer().write_all(b"new\n").unwrap();
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "old\nstill old\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "new\n");
    }

    #[test]
    fn lines_for_the_journal_begin_with_their_priority_and_have_no_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = LogFile::open(&folder.path().join("journal")).unwrap();
        let writer = file.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.make_writer())
            .event_format(Journal::new())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "mainstem::log", path = "/data", "directory has failed");
            tracing::info!(target: "mainstem::broker", "ready");
        });
        let text = std::fs::read_to_string(&file.path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            ["<3>mainstem::log: directory has failed path=\"/data\"", "<6>mainstem::broker: ready"]
        );
    }
}
