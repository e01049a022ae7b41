//! Why a broker did not start, in terms of what was configured: key, value, where it was written, and what to do.
//!
//! Pure. Above: `serve`, `dev`. What is wrong with an address or a directory is a refusal (exit 2): to try again would
//! not help. What the machine did wrong is a failure (exit 1).

use crate::exit::{Exit, Failure};
use mainstem_broker::{
    StartError,
    config::{Problem, Settings},
    controller::{self, JoinError, LogFileError},
};
use mainstem_storage::OpenError;
use std::{error::Error, io, path::Path};

/// What `serve` says of `error`, having been told `settings`.
pub(super) fn refused(error: &StartError, settings: &Settings) -> Failure {
    let told = Told { settings };
    let problem = match error {
        StartError::Bind(_) | StartError::Unsecured { .. } => told.listeners(error),
        StartError::Admin { address, .. } => told.admin(&address.to_string(), error),
        StartError::DataDirectory { path, source } => told.directory(path, source, error),
        StartError::LogDirectory(open) => told.open(open),
        StartError::Controller(controller::StartError::Files(files)) => told.metadata_log(files),
        StartError::Controller(controller::StartError::OtherVoters { .. }) => {
            told.voters(error).fix("name the voters that the log was begun by, or name an empty folder")
        }
        StartError::Controller(controller::StartError::Join(join)) => told.join(join),
        StartError::NoClusterId { example } => told
            .voters(error)
            .fix(format!("set the variable CLUSTER_ID to the same 22 characters on each, such as {example}")),
        StartError::Controller(controller::StartError::Raft(_))
        | StartError::Registration(_)
        | StartError::Blocking(_) => return Failure::new(Exit::Failed, error.to_string()),
    };
    let exit = if is_of_the_machine(error) { Exit::Failed } else { Exit::Usage };
    Failure::new(exit, problem.to_string())
}

/// Whether the disk or the system failed, rather than what was asked of it.
fn is_of_the_machine(error: &StartError) -> bool {
    if matches!(error, StartError::Bind(_) | StartError::Admin { .. }) {
        return false;
    }
    io_cause(error).is_some_and(|cause| {
        !matches!(
            cause,
            io::ErrorKind::AlreadyExists
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::NotFound
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
        )
    })
}

/// What the system said, if that is where `error` comes from.
fn io_cause(error: &StartError) -> Option<io::ErrorKind> {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if let Some(system) = error.downcast_ref::<io::Error>() {
            return Some(system.kind());
        }
        cause = error.source();
    }
    None
}

/// What to do about an address that cannot be listened on for this reason.
fn fix_of_address(cause: Option<io::ErrorKind>) -> Option<&'static str> {
    match cause? {
        io::ErrorKind::AddrInUse => {
            Some("end what listens there (`ss -ltnp` names it), or choose another port")
        }
        io::ErrorKind::AddrNotAvailable => {
            Some("use an address of this machine (`ip address` lists them), or none to listen on all")
        }
        io::ErrorKind::PermissionDenied => Some("choose a port from 1024 on"),
        _ => None,
    }
}

/// What to do about a folder that cannot be used for this reason.
fn fix_of_folder(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "give this user the folder (chown), or name one that it may write to"
        }
        io::ErrorKind::ReadOnlyFilesystem => "name a folder on a file system that can be written to",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file stands where the folder should be: name a folder"
        }
        _ => "look after the disk, or name a folder on another one",
    }
}

/// What was configured.
struct Told<'a> {
    settings: &'a Settings,
}

impl Told<'_> {
    /// A problem of this key, where it was written.
    fn of(&self, key: &str, value: impl Into<String>, what: impl Into<String>) -> Problem {
        let problem = Problem::new(what).of(key).with(value);
        match self.settings.get(key) {
            Some(setting) => problem.at(&setting.origin),
            None => problem.at("default"),
        }
    }

    fn listeners(&self, error: &StartError) -> Problem {
        let value = self.settings.value("listeners").unwrap_or_default();
        let fix = fix_of_address(io_cause(error))
            .unwrap_or("write NAME://host:port with an address of this machine");
        self.of("listeners", value, error.to_string()).fix(fix)
    }

    fn admin(&self, address: &str, error: &StartError) -> Problem {
        let fix =
            fix_of_address(io_cause(error)).unwrap_or("write host:port with an address of this machine");
        let fix = format!("{fix}; empty = no health and no metrics over HTTP");
        self.of("mainstem.admin.listen", address, error.to_string()).fix(fix)
    }

    /// The key that names the folder of partition data.
    fn directory_key(&self, path: &Path) -> &'static str {
        let named = |key: &str| {
            self.settings
                .get(key)
                .is_some_and(|setting| setting.value.split(',').any(|one| Path::new(one) == path))
        };
        ["log.dirs", "log.dir", "metadata.log.dir"].into_iter().find(|key| named(key)).unwrap_or("log.dirs")
    }

    fn of_directory(&self, path: &Path, what: impl Into<String>) -> Problem {
        self.of(self.directory_key(path), path.display().to_string(), what)
    }

    fn directory(&self, path: &Path, source: &io::Error, error: &dyn Error) -> Problem {
        self.of_directory(path, error.to_string()).fix(fix_of_folder(source.kind()))
    }

    fn open(&self, error: &OpenError) -> Problem {
        match error {
            OpenError::Locked(path) => self
                .of_directory(path, error.to_string())
                .fix("end the other broker, or give this one a folder of its own"),
            OpenError::Foreign { path, .. } => self.of_directory(path, error.to_string()).fix(format!(
                "set node.id{} and the variable CLUSTER_ID to what the folder says, or name another folder",
                self.settings
                    .get("node.id")
                    .map_or(String::new(), |setting| format!(" ({})", setting.origin)),
            )),
            OpenError::Malformed { path, .. } => self
                .of_directory(path.parent().unwrap_or(path), error.to_string())
                .fix("restore the file from a copy: it says whose folder this is"),
            OpenError::Io(failure) => {
                let folder = failure.path.parent().unwrap_or(&failure.path);
                let named = if self.settings.get("log.dirs").is_some() { "log.dirs" } else { "log.dir" };
                let folder =
                    self.settings.get(named).map_or(folder, |setting| Path::new(setting.value.as_str()));
                self.directory(folder, &failure.source, error)
            }
        }
    }

    fn voters(&self, error: &StartError) -> Problem {
        let key = "controller.quorum.voters";
        self.of(key, self.settings.value(key).unwrap_or_default(), error.to_string())
    }

    fn join(&self, error: &JoinError) -> Problem {
        match error {
            JoinError::OtherDirectory { .. } | JoinError::LogLost { .. } => {
                let key = self.metadata_log_key();
                self.of(key, self.settings.value(key).unwrap_or_default(), error.to_string())
                    .fix("bring back what was in the folder of the metadata log: an empty one does not replace a voter")
            }
            JoinError::OtherCluster(_) => {
                let key = "controller.quorum.voters";
                self.of(key, self.settings.value(key).unwrap_or_default(), error.to_string())
                    .fix("set the variable CLUSTER_ID to the id of the cluster, or name the right voters")
            }
        }
    }

    /// The key that names the folder of the metadata log.
    fn metadata_log_key(&self) -> &'static str {
        let is_set = |key: &&str| self.settings.get(key).is_some();
        ["metadata.log.dir", "log.dirs", "log.dir"].into_iter().find(is_set).unwrap_or("log.dirs")
    }

    fn metadata_log(&self, error: &LogFileError) -> Problem {
        let (LogFileError::Io { path, .. }
        | LogFileError::Damaged { path, .. }
        | LogFileError::Foreign { path, .. }
        | LogFileError::NotOurs { path, .. }) = error;
        let key = self.metadata_log_key();
        let value = self.settings.value(key).map_or_else(|| path.display().to_string(), str::to_owned);
        let problem = self.of(key, value, error.to_string());
        match error {
            LogFileError::Io { source, .. } => problem.fix(fix_of_folder(source.kind())),
            LogFileError::Damaged { .. } => problem.fix("look after the disk, and restore the folder from a copy"),
            LogFileError::Foreign { .. } => problem.fix(
                "name an empty folder, and copy topics over with a client; Kafka's own folder was not changed",
            ),
            LogFileError::NotOurs { .. } => {
                problem.fix("start with the node.id and CLUSTER_ID that the folder belongs to, or name another folder")
            }
        }
    }
}
