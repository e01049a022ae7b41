//! Names of the files of a segment: its base offset in 20 digits, and what the file holds.

use mainstem_protocol::model::Offset;

/// What a file of a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    /// Record batches.
    Log,
    /// Offset to position.
    OffsetIndex,
    /// Timestamp to offset.
    TimeIndex,
    /// Aborted transactions.
    TransactionIndex,
    /// Producers up to the base offset.
    ProducerSnapshot,
    /// The producers' older batches.
    Producers,
    /// Checksums of a sealed segment.
    Seal,
    /// Bytes that recovery cut off.
    Torn,
}

impl FileKind {
    /// Every kind. The log comes last: whoever removes files in this order never leaves an index without its log.
    pub(crate) const ALL: [Self; 8] = [
        Self::OffsetIndex,
        Self::TimeIndex,
        Self::TransactionIndex,
        Self::ProducerSnapshot,
        Self::Producers,
        Self::Seal,
        Self::Torn,
        Self::Log,
    ];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::OffsetIndex => "index",
            Self::TimeIndex => "timeindex",
            Self::TransactionIndex => "txnindex",
            Self::ProducerSnapshot => "snapshot",
            Self::Producers => "producers",
            Self::Seal => "seal",
            Self::Torn => "torn",
        }
    }

    /// The name of this file of the segment at `base_offset`.
    pub(crate) fn name(self, base_offset: Offset) -> String {
        format!("{:020}.{}", base_offset.get(), self.suffix())
    }

    /// Reads a name; `None` for every other file.
    pub(crate) fn parse(name: &str) -> Option<(Offset, Self)> {
        let (digits, suffix) = name.split_once('.')?;
        if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let base_offset = Offset(digits.parse().ok()?);
        let kind = Self::ALL.into_iter().find(|kind| kind.suffix() == suffix)?;
        Some((base_offset, kind))
    }
}

/// Appended to the name of a file that left the log and goes after a delay.
pub(crate) const DELETED: &str = ".deleted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for kind in FileKind::ALL {
            let name = kind.name(Offset(4_711));
            assert_eq!(FileKind::parse(&name), Some((Offset(4_711), kind)), "{name}");
        }
        assert_eq!(FileKind::Log.name(Offset(0)), "00000000000000000000.log");
    }

    #[test]
    fn other_files_are_not_mistaken_for_a_segment() {
        for name in [
            "leader-epoch-checkpoint",
            "0.log",
            "00000000000000000000.log.deleted",
            "99999999999999999999.log",
        ] {
            assert_eq!(FileKind::parse(name), None, "{name}");
        }
    }
}
