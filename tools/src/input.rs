//! Standard input and files, read without holding up the runtime.
//!
//! Above: `produce`. Below: blocking reads on a thread that may block.

use std::{
    collections::VecDeque,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Bytes of one read.
const CHUNK: usize = 256 << 10;

/// The bytes of several sources, one behind the other.
pub(crate) struct Input {
    waiting: VecDeque<PathBuf>,
    open: Option<Box<dyn Read + Send>>,
    chunk: Vec<u8>,
}

impl Input {
    /// The files in their order (`-` = standard input); without any, standard input.
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        let waiting = if files.is_empty() {
            VecDeque::from([PathBuf::from("-")])
        } else {
            files.iter().cloned().collect()
        };
        Self { waiting, open: None, chunk: Vec::new() }
    }

    /// The next bytes; empty = the end of the last source.
    ///
    /// Dropped before it ended, the bytes of that read are lost: to be called again only after it has ended.
    pub(crate) async fn read(&mut self) -> io::Result<&[u8]> {
        loop {
            let mut source = match self.open.take() {
                Some(source) => source,
                None => match self.waiting.pop_front() {
                    Some(path) => open(&path)?,
                    None => return Ok(&[]),
                },
            };
            let mut chunk = std::mem::take(&mut self.chunk);
            let (source, chunk, len) = blocking(move || {
                chunk.resize(CHUNK, 0);
                let len = source.read(&mut chunk);
                (source, chunk, len)
            })
            .await?;
            self.chunk = chunk;
            match len {
                Ok(0) => {}
                Ok(len) => {
                    self.open = Some(source);
                    return Ok(self.chunk.get(..len).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.open = Some(source),
                Err(error) => return Err(error),
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the files of a command's arguments are no log files")]
fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = std::fs::File::open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(Box::new(file))
}

#[expect(clippy::disallowed_methods, reason = "a read of standard input may block for ever")]
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
