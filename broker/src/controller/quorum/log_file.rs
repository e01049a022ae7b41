//! The file `raft.mainstem`: votes and log of one voter, appended to and never edited.
//!
//! One file for both, so that a vote is durable before any entry of its term. A write that failed leaves the durable
//! content unknown: the file is latched and every later write fails too (style: no retry of a failed fsync). When most of
//! the file is behind the purge point it is written anew beside and renamed, so it does not grow for ever.
//!
//! Synchronous; above: `log_store`. Below: `frame`, storage's `Fs`.

use super::{
    frame::{Frame, MAGIC, ScanError, scan},
    layout::{IdentityLayout, LayoutError},
    types::{Entry, LogId, Vote, VoterId},
};
use bytes::Bytes;
use mainstem_storage::fs::{File, Fs, OpenMode, replace_small};
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Name of the file inside the folder of the metadata log.
pub(crate) const FILE_NAME: &str = "raft.mainstem";

/// A file that claims to be longer is not read: the log is compacted long before.
const FILE_LEN_MAX: u64 = 1 << 30;

/// Whose log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster_id: Arc<str>,
    pub(crate) voter: VoterId,
}

/// Why the log of this voter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogFileError {
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// Bytes that had been durable are gone or changed, or came from a newer version. Nothing was changed.
    #[error("{path}: {reason}. The metadata log is not repaired by guessing: restore the file, or empty the directory \
             and let the node join as a new voter", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The folder holds a metadata log that Apache Kafka wrote.
    #[error("{path} holds a metadata log of Apache Kafka ({witness}), which is not imported", path = path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The file that gives it away.
        witness: String,
    },
    /// The log belongs to another cluster, node or directory.
    #[error("{path} belongs to {found}, not to {expected}: the directory was copied or the configuration changed", path = path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// Who it belongs to.
        found: String,
        /// Who we are.
        expected: String,
    },
}

/// What the log says, as openraft wants to know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogState {
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    /// Without holes, the first one right behind `purged`.
    pub(crate) entries: VecDeque<Entry>,
}

impl LogState {
    /// The last entry, or what was purged last.
    pub(crate) fn last_log_id(&self) -> Option<LogId> {
        self.entries.back().map(|entry| entry.log_id).or(self.purged)
    }

    /// One step in the life of the log. Fails if it contradicts the steps before.
    pub(crate) fn step(&mut self, frame: Frame) -> Result<(), String> {
        match frame {
            Frame::Identity(_) => return Err("a second identity".to_owned()),
            Frame::Vote(vote) => {
                if self.vote.is_some_and(|old| vote < old) {
                    return Err(format!("the vote goes back to {vote}"));
                }
                self.vote = Some(vote);
            }
            Frame::Entries(entries) => {
                for entry in entries {
                    if self.purged.is_some_and(|purged| entry.log_id.index <= purged.index) {
                        // It is in the snapshot already.
                        continue;
                    }
                    let expected = self.last_log_id().map(|last| last.index + 1);
                    if expected.is_some_and(|expected| entry.log_id.index != expected) {
                        return Err(format!("entry {} does not follow the last one", entry.log_id));
                    }
                    self.entries.push_back(entry);
                }
            }
            Frame::Truncate(log_id) => {
                if self.purged.is_some_and(|purged| log_id.index <= purged.index) {
                    return Err(format!("truncation at {log_id}, which was purged"));
                }
                let keep = self.entries.partition_point(|entry| entry.log_id.index < log_id.index);
                self.entries.truncate(keep);
            }
            Frame::Purge(log_id) => {
                let gone = self.entries.partition_point(|entry| entry.log_id.index <= log_id.index);
                self.entries.drain(..gone);
                self.purged = self.purged.max(Some(log_id));
            }
            Frame::Committed(log_id) => self.committed = log_id,
            Frame::Closed => {}
        }
        Ok(())
    }

    /// The fewest frames that lead to this state.
    fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        frames.extend(self.purged.map(Frame::Purge));
        frames.extend(self.vote.map(Frame::Vote));
        if !self.entries.is_empty() {
            frames.push(Frame::Entries(self.entries.iter().cloned().collect()));
        }
        frames.extend(self.committed.map(|log_id| Frame::Committed(Some(log_id))));
        frames
    }
}

/// Whether a frame must be on the disk before the call returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durability {
    /// It must.
    Synced,
    /// It may follow later, or be lost: nobody relies on it.
    Lazy,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct LogFile {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: Arc<dyn File>,
    identity: Identity,
    /// Where the next frame goes.
    end: u64,
    /// Everything below is durable.
    synced_to: u64,
    /// A write failed: nothing is written any more.
    failed: bool,
}

impl LogFile {
    /// Opens the log in `dir`, creating both if need be; cuts a torn tail.
    pub(crate) fn open(
        fs: Arc<dyn Fs>,
        dir: &Path,
        identity: Identity,
    ) -> Result<(Self, LogState), LogFileError> {
        let path = dir.join(FILE_NAME);
        let io_error = |source| LogFileError::Io { path: path.clone(), source };
        let file = match fs.open(&path, OpenMode::ReadWrite) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(fs.as_ref(), dir, &path, &identity)?;
                fs.open(&path, OpenMode::ReadWrite).map_err(io_error)?
            }
            Err(error) => return Err(io_error(error)),
        };
        let bytes = read_all(&file).map_err(io_error)?;
        let damaged = |reason: String| LogFileError::Damaged { path: path.clone(), reason };
        let scanned = scan(&bytes).map_err(|error: ScanError| damaged(error.to_string()))?;
        let mut frames = scanned.frames.into_iter();
        let Some(Frame::Identity(found)) = frames.next() else {
            return Err(damaged("it does not say whose log it is".to_owned()));
        };
        check_identity(&path, &found, &identity)?;
        let mut state = LogState::default();
        for frame in frames {
            state.step(frame).map_err(damaged)?;
        }
        if scanned.end < file.len().map_err(io_error)? {
            tracing::info!(target: "mainstem::controller", path = %path.display(), end = scanned.end,
                "cutting the torn tail of the metadata log");
            file.set_len(scanned.end).map_err(io_error)?;
        }
        // A frame that was read may still be only in the page cache of a process that was killed.
        file.sync_data().map_err(io_error)?;
        let log = Self { fs, path, file, identity, end: scanned.end, synced_to: scanned.end, failed: false };
        Ok((log, state))
    }

    /// Appends one frame. An error is final.
    pub(crate) fn append(&mut self, frame: &Frame, durability: Durability) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("the metadata log has failed before"));
        }
        let bytes = frame.encode(self.end, self.synced_to).map_err(invalid)?;
        let written = self.write(&bytes, durability);
        self.failed = written.is_err();
        written
    }

    fn write(&mut self, bytes: &[u8], durability: Durability) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        self.end = self.end.saturating_add(len_u64(bytes));
        if durability == Durability::Synced {
            self.file.sync_data()?;
            // The one place where something becomes durable: after a sync that succeeded.
            self.synced_to = self.end;
        }
        Ok(())
    }

    /// Bytes in the file.
    pub(crate) fn len(&self) -> u64 {
        self.end
    }

    /// Writes the state anew and takes the place of the file. An error is final.
    pub(crate) fn compact(&mut self, state: &LogState) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("the metadata log has failed before"));
        }
        let replaced = self.replace(state);
        self.failed = replaced.is_err();
        replaced
    }

    fn replace(&mut self, state: &LogState) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        for frame in std::iter::once(identity_frame(&self.identity)).chain(state.frames()) {
            let position = len_u64(&bytes);
            // Nothing of a file under a temporary name counts before it was synced as a whole.
            bytes.extend_from_slice(&frame.encode(position, 0).map_err(invalid)?);
        }
        replace_small(self.fs.as_ref(), &self.path, &bytes)?;
        self.file = self.fs.open(&self.path, OpenMode::ReadWrite)?;
        self.end = len_u64(&bytes);
        self.synced_to = self.end;
        Ok(())
    }

    /// Says that everything is durable, so that later damage to any frame can be told from a torn tail.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced_to = self.end;
        self.append(&Frame::Closed, Durability::Synced)
    }
}

fn identity_frame(identity: &Identity) -> Frame {
    Frame::Identity(IdentityLayout {
        cluster_id: identity.cluster_id.as_ref().into(),
        node_id: identity.voter.node.get(),
        directory_id: identity.voter.directory,
    })
}

/// Whether a log is in `dir`, or could be begun there; refuses a folder that holds Kafka's metadata log. Changes nothing.
pub(crate) fn inspect(fs: &dyn Fs, dir: &Path) -> Result<Found, LogFileError> {
    match fs.list(dir) {
        Ok(names) if names.iter().any(|entry| entry.name == FILE_NAME) => Ok(Found::Log),
        Ok(names) => match names.into_iter().find(|entry| is_kafkas(&entry.name)) {
            Some(foreign) => Err(LogFileError::Foreign { path: dir.to_owned(), witness: foreign.name }),
            None => Ok(Found::Folder),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(source) => Err(LogFileError::Io { path: dir.to_owned(), source }),
    }
}

/// What [`inspect`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A log of ours.
    Log,
    /// A folder without one.
    Folder,
    /// Not even the folder.
    Nothing,
}

/// Creates folder and file, durably, unless Kafka's metadata log is in the way.
fn create(fs: &dyn Fs, dir: &Path, path: &Path, identity: &Identity) -> Result<(), LogFileError> {
    let io_error = |path: &Path, source| LogFileError::Io { path: path.to_owned(), source };
    if inspect(fs, dir)? == Found::Nothing {
        fs.create_dir(dir).map_err(|error| io_error(dir, error))?;
        if let Some(parent) = dir.parent() {
            fs.sync_dir(parent).map_err(|error| io_error(parent, error))?;
        }
    }
    let mut bytes = MAGIC.to_vec();
    let frame = identity_frame(identity).encode(len_u64(MAGIC), 0);
    let frame = frame.map_err(|error| io_error(path, invalid(error)))?;
    bytes.extend_from_slice(&frame);
    replace_small(fs, path, &bytes).map_err(|error| io_error(path, error))
}

/// Whether a file of that name is part of Kafka's metadata log.
fn is_kafkas(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    name == "quorum-state" || matches!(extension, Some("log" | "checkpoint"))
}

fn check_identity(path: &Path, found: &IdentityLayout, identity: &Identity) -> Result<(), LogFileError> {
    let same = *found.cluster_id == *identity.cluster_id
        && found.node_id == identity.voter.node.get()
        && found.directory_id == identity.voter.directory;
    if same {
        return Ok(());
    }
    let describe = |cluster: &str, node: i32, directory: &dyn std::fmt::Display| {
        format!("node {node} of cluster {cluster}, directory {directory}")
    };
    Err(LogFileError::NotOurs {
        path: path.to_owned(),
        found: describe(&found.cluster_id, found.node_id, &found.directory_id),
        expected: describe(&identity.cluster_id, identity.voter.node.get(), &identity.voter.directory),
    })
}

fn read_all(file: &Arc<dyn File>) -> io::Result<Bytes> {
    let len = file.len()?;
    if FILE_LEN_MAX < len {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{len} bytes")));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes.into())
}

fn invalid(error: LayoutError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn len_u64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
