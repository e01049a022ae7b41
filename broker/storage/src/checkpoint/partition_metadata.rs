//! `partition.metadata`: the id of the topic that a partition folder belongs to.
//!
//! Above: the log directory. Below: nothing. No I/O. The last line has no line feed:
//!
//! ```text
//! version: 0
//! topic_id: dRp7LTPYRbOnleRIF4h3Bw
//! ```

use crate::format::FormatError;
use mainstem_protocol::model::TopicId;

/// Name of the file.
pub const FILE_NAME: &str = "partition.metadata";

const VERSION: i64 = 0;

/// The content of the file.
pub fn to_text(topic_id: TopicId) -> String {
    format!("version: {VERSION}\ntopic_id: {topic_id}")
}

/// Reads the file. An id of zeros is none, and refused.
pub fn parse(bytes: &[u8]) -> Result<TopicId, FormatError> {
    let text = std::str::from_utf8(bytes).map_err(|_| FormatError::malformed("not UTF-8"))?;
    let mut lines = text.lines();
    let version =
        lines.next().and_then(|line| line.strip_prefix("version:")).ok_or(FormatError::Cut("version"))?;
    let found = version.trim().parse()?;
    if found != VERSION {
        return Err(FormatError::Version { found, known: VERSION });
    }
    let id =
        lines.next().and_then(|line| line.strip_prefix("topic_id:")).ok_or(FormatError::Cut("topic_id"))?;
    let id: TopicId = id.trim().parse().map_err(|_| FormatError::malformed("topic_id"))?;
    if id.is_none() {
        return Err(FormatError::malformed("topic_id is zero"));
    }
    lines.next().map_or(Ok(id), |line| Err(FormatError::Trailing(line.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_that_of_kafka() {
        let text = "version: 0\ntopic_id: dRp7LTPYRbOnleRIF4h3Bw";
        assert_eq!(to_text(parse(text.as_bytes()).unwrap()), text);
        for bad in [
            "",
            "version: 0",
            "version: 1\ntopic_id: dRp7LTPYRbOnleRIF4h3Bw",
            "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_loaded_or_refused(text in "(version: )?[0-9]{0,3}\n?(topic_id: )?[A-Za-z0-9_-]{0,24}") {
            let _ = parse(text.as_bytes());
        }
    }
}
