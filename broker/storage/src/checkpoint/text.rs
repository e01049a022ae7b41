//! The frame of Kafka's text checkpoints: a version, a count, and that many lines.
//!
//! Above: [`offsets`](super::offsets) and the epoch cache. Below: nothing. No I/O.
//!
//! ```text
//! 0            version
//! 1            number of lines that follow
//! line
//! ```

use crate::format::FormatError;

const VERSION: i64 = 0;

/// The lines of a checkpoint, behind its head.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    lines: std::str::Lines<'a>,
    left: u64,
}

impl<'a> Lines<'a> {
    /// Reads the head. A file without any content is a checkpoint without lines: Kafka creates them so.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FormatError::malformed("not UTF-8"))?;
        let mut lines = text.lines();
        let Some(version) = lines.next() else { return Ok(Self { lines, left: 0 }) };
        let found = version.trim().parse()?;
        if found != VERSION {
            return Err(FormatError::Version { found, known: VERSION });
        }
        let left = lines.next().ok_or(FormatError::Cut("number of lines"))?.trim().parse()?;
        Ok(Self { lines, left })
    }

    /// The next line; `None` when as many were read as the head announced and nothing follows.
    pub(crate) fn next_line(&mut self) -> Result<Option<&'a str>, FormatError> {
        match (self.lines.next(), self.left.checked_sub(1)) {
            (Some(line), Some(left)) => {
                self.left = left;
                Ok(Some(line.trim_end()))
            }
            (None, Some(_)) => Err(FormatError::Cut("fewer lines than announced")),
            (Some(line), None) => Err(FormatError::Trailing(line.len())),
            (None, None) => Ok(None),
        }
    }
}
