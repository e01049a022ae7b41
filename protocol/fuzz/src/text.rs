//! What people write: record formats, configuration.

use mainstem_broker::config::{ConfigFile, ConfigSources, Surroundings, load};
use mainstem_client::{
    format::{Format, OwnedRecord, Reader, RecordView},
    properties::ClientConfig,
};
use std::io;

/// Most bytes that one record may take.
const RECORD_MAX: usize = 1 << 16;

/// `data` is a format up to the first NUL, and input in that format.
pub fn record_format(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (Some(format), input) = (parts.next(), parts.next().unwrap_or_default()) else { return };
    let Ok(text) = std::str::from_utf8(format) else { return };
    let format = match Format::parse(text) {
        Ok(format) => format,
        Err(error) => {
            let _ = error.to_string();
            return;
        }
    };
    let mut out = Vec::new();
    format.write(
        &RecordView { key: Some(input), headers: vec![(input, None)], ..RecordView::default() },
        &mut out,
    );
    let Ok(mut reader) = Reader::new(format, RECORD_MAX) else { return };
    let mut rest = input;
    loop {
        let before = rest.len();
        match reader.next(&mut rest, true) {
            Ok(Some(_)) if rest.len() < before => {}
            Ok(_) => break,
            Err(error) => {
                let _ = error.to_string();
                break;
            }
        }
    }
    lossless(input);
}

/// The JSON form carries any record there and back.
fn lossless(bytes: &[u8]) {
    let (key, value) = bytes.split_at(bytes.len() / 2);
    let headers = vec![(key, Some(value)), (key, None)];
    let view =
        RecordView { timestamp: 5, key: Some(key), value: Some(value), headers, ..RecordView::default() };
    let mut line = Vec::new();
    Format::json(false).write(&view, &mut line);
    line.push(b'\n');
    let mut reader = Reader::new(Format::json(false), usize::MAX).expect("JSON can be read");
    let read = reader.next(&mut line.as_slice(), true).expect("our own JSON").expect("one record");
    let expected = OwnedRecord {
        key: Some(key.to_vec()),
        value: Some(value.to_vec()),
        headers: vec![(key.to_vec(), Some(value.to_vec())), (key.to_vec(), None)],
        topic: read.topic.clone(),
        partition: read.partition,
        timestamp: Some(5),
    };
    assert_eq!(read, expected);
}

/// `data` is a byte that picks the place, and text for that place.
pub fn configuration(data: &[u8]) {
    let Some((place, bytes)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = |path: &str| ConfigFile { path: path.to_owned(), text: text.to_owned() };
    let sources = match place {
        0 => ConfigSources { files: vec![file("server.properties")], ..ConfigSources::default() },
        1 => ConfigSources { files: vec![file("server.toml")], ..ConfigSources::default() },
        2 => {
            ConfigSources { overrides: text.lines().map(str::to_owned).collect(), ..ConfigSources::default() }
        }
        3 => ConfigSources { variables: pairs(text), ..ConfigSources::default() },
        4 => {
            if let Err(error) = ClientConfig::from_properties(pairs(text)) {
                let _ = error.to_string();
            }
            return;
        }
        _ => return,
    };
    let surroundings =
        Surroundings { host_name: "host".to_owned(), data_directory: "/data".into(), cluster_id: None };
    match load(&sources, surroundings, |_| Err(io::ErrorKind::NotFound.into())) {
        Ok(loaded) => {
            let _ = format!("{:?}", loaded.report);
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().filter_map(pair).collect()
}
