//! Reading what the process was given: configuration files, the environment, the machine's name.
//!
//! The one part of `config` that does I/O, all of it before the start. Above: `serve`, `dev`, `config check`.

use std::io;
use std::path::{Path, PathBuf};

use super::broker::DEFAULT_DATA_DIRECTORY;
use super::load::{ConfigFile, ConfigSources, Loaded, load};
use super::problem::{ConfigError, Problem};
use super::typed::Surroundings;

/// Bytes of the longest file that is read: a configuration, or a secret.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl ConfigSources {
    /// The given files, this process's environment and the given overrides.
    pub fn of_process(files: &[PathBuf], overrides: Vec<String>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut sources = Self { files: Vec::new(), variables: variables(), overrides };
        for path in files {
            match read_text(path) {
                Ok(text) => sources.files.push(ConfigFile { path: path.display().to_string(), text }),
                Err(error) => problems.push(
                    Problem::new(format!("cannot read the file: {error}"))
                        .at(path.display())
                        .fix("name a file that exists and that this user may read"),
                ),
            }
        }
        if problems.is_empty() { Ok(sources) } else { Err(ConfigError { problems }) }
    }

    /// Loads these sources with what this machine says about itself.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        load(self, Surroundings::of_process(), read_text)
    }
}

impl Surroundings {
    /// This machine's name, and a data directory that this user may write.
    pub fn of_process() -> Self {
        let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { host_name, data_directory: data_directory(), cluster_id: None }
    }
}

/// Below `/var/lib` for root and for a user to whom that folder belongs, else below the user's own state folder.
fn data_directory() -> PathBuf {
    let system = PathBuf::from(DEFAULT_DATA_DIRECTORY);
    let writable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    if rustix::process::geteuid().is_root() || system.parent().is_some_and(writable) {
        return system;
    }
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state.or_else(home).map_or(system, |folder| folder.join("mainstem/data"))
}

/// Variables whose name and value are text; others are nobody's setting.
fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads a file as UTF-8, or as Latin-1 where it is not UTF-8, which is how Java reads properties.
fn read_text(path: &Path) -> io::Result<String> {
    if FILE_BYTES_MAX < std::fs::metadata(path)?.len() {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is longer than 1 MiB"));
    }
    let bytes = std::fs::read(path)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_utf_8_or_else_as_latin_1() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.properties");
        std::fs::write(&path, "broker.rack=ä").unwrap();
        assert_eq!(read_text(&path).unwrap(), "broker.rack=ä");
        std::fs::write(&path, b"broker.rack=\xe4").unwrap();
        assert_eq!(read_text(&path).unwrap(), "broker.rack=ä");
    }

    #[test]
    fn a_file_that_is_missing_is_a_problem_with_its_name() {
        let error = ConfigSources::of_process(&[PathBuf::from("/nowhere/server.properties")], Vec::new())
            .unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/server.properties: cannot read the file"), "{error}");
    }
}
