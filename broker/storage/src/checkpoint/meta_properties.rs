//! `meta.properties`: to which cluster and node a log directory belongs.
//!
//! Above: the log directory, which refuses to open one of another cluster or node. Below: nothing. No I/O. The form is that
//! of Java properties; comments and keys that are not ours are dropped when the file is written again.
//!
//! ```text
//! version=1
//! cluster.id=tHoyfv1nC_Xa8_mI_cx2GA
//! node.id=1
//! directory.id=X8P3kLJeQk-CQNhGWrrxXg
//! ```

use crate::format::FormatError;
use mainstem_protocol::model::{BrokerId, TopicId};

/// Name of the file.
pub const FILE_NAME: &str = "meta.properties";

const VERSION: i64 = 1;

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaProperties {
    /// Id of the cluster.
    pub cluster_id: String,
    /// The node that owns the directory.
    pub node_id: BrokerId,
    /// Id of the directory itself; a directory without one is given one.
    pub directory_id: Option<TopicId>,
}

impl MetaProperties {
    /// The content of the file.
    pub fn to_text(&self) -> String {
        let cluster_id = escape(&self.cluster_id);
        let mut text = format!("version={VERSION}\ncluster.id={cluster_id}\nnode.id={}\n", self.node_id);
        if let Some(id) = self.directory_id {
            text.push_str("directory.id=");
            text.push_str(&id.to_string());
            text.push('\n');
        }
        text
    }

    /// Reads the file. Version 0, of the times before `KRaft`, is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FormatError::malformed("not UTF-8"))?;
        let (mut version, mut cluster_id, mut node_id, mut directory_id) = (None, None, None, None);
        for line in text.lines().map(|line| line.trim_start_matches(BLANK)) {
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let (key, value) = line.split_once('=').ok_or(FormatError::malformed("a line without ="))?;
            // As in Java: blanks in front of a value are layout, those behind it belong to it.
            let value = unescape(value.trim_start_matches(BLANK));
            match key.trim_end_matches(BLANK) {
                "version" => version = Some(value.trim().parse::<i64>()?),
                "cluster.id" => cluster_id = Some(value),
                "node.id" => node_id = Some(BrokerId(value.trim().parse()?)),
                "directory.id" => {
                    let id = value.trim().parse().map_err(|_| FormatError::malformed("directory.id"))?;
                    directory_id = Some(id);
                }
                _ => {}
            }
        }
        let found = version.ok_or(FormatError::Cut("version"))?;
        if found != VERSION {
            return Err(FormatError::Version { found, known: VERSION });
        }
        Ok(Self {
            cluster_id: cluster_id.ok_or(FormatError::Cut("cluster.id"))?,
            node_id: node_id.filter(|id| 0 <= id.0).ok_or(FormatError::Cut("node.id"))?,
            directory_id,
        })
    }
}

/// What is layout between the parts of a line.
const BLANK: [char; 3] = [' ', '\t', '\x0c'];

/// Puts a backslash in front of a character that means something in properties; ends of lines get a letter.
fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        let written = match c {
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\x0c' => 'f',
            '\\' | '=' | ':' | '#' | '!' | ' ' => c,
            plain => {
                text.push(plain);
                continue;
            }
        };
        text.extend(['\\', written]);
    }
    text
}

/// Takes the backslashes away again, also those that Java writes before `:` and others.
fn unescape(value: &str) -> String {
    let mut chars = value.chars();
    let mut plain = String::with_capacity(value.len());
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        plain.extend(chars.next().map(|escaped| match escaped {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\x0c',
            other => other,
        }));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_of_kafka_is_read() {
        let text = "#\n#Wed Nov 25 07:52:47 UTC 2026\nnode.id=1\ndirectory.id=X8P3kLJeQk-CQNhGWrrxXg\nversion=1\n\
                    cluster.id=tHoyfv1nC_Xa8_mI_cx2GA\n";
        let meta = MetaProperties::parse(text.as_bytes()).unwrap();
        assert_eq!((meta.cluster_id.as_str(), meta.node_id), ("tHoyfv1nC_Xa8_mI_cx2GA", BrokerId(1)));
        assert_eq!(meta.directory_id.unwrap().to_string(), "X8P3kLJeQk-CQNhGWrrxXg");
    }

    /// Found by fuzzing: an id that ended in a blank came back without it, and the directory was refused as another's.
    #[test]
    fn blanks_and_ends_of_lines_in_a_cluster_id_survive() {
        for id in [
            " ",
            "ends in a blank ",
            "\ttabs\t",
            "a\nb\r\nc\r",
            "\\",
            "\\n",
            "\u{3000}wide\u{3000}",
            "a=b:c#d!e",
        ] {
            let meta = MetaProperties { cluster_id: id.into(), node_id: BrokerId(1), directory_id: None };
            assert_eq!(MetaProperties::parse(meta.to_text().as_bytes()), Ok(meta));
        }
    }

    #[test]
    fn incomplete_old_and_garbled_files_are_refused() {
        for bad in [
            "",
            "version=1\nnode.id=1\n",
            "version=0\ncluster.id=a\nbroker.id=1\n",
            "version=1\ncluster.id=a\nnode.id=x\n",
            "version 1",
        ] {
            assert!(MetaProperties::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn values_survive_text(cluster_id in ".{1,30}", node in 0..i32::MAX, id in prop::option::of(any::<[u8; 16]>())) {
            let meta = MetaProperties { cluster_id, node_id: BrokerId(node), directory_id: id.map(TopicId) };
            prop_assert_eq!(MetaProperties::parse(meta.to_text().as_bytes()), Ok(meta));
        }

        #[test]
        fn any_bytes_are_loaded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[a-z.=\n\\\\#1-]{0,60}") {
            let _ = MetaProperties::parse(&bytes);
            let _ = MetaProperties::parse(text.as_bytes());
        }
    }
}
