//! What outlives the process: a stop in order, and a kill at any moment.

use bytes::Bytes;
use mainstem_protocol::model::TopicId;
use mainstem_tests::{
    exchange::{batch, create_topic, describe, eventually, fetch, produce, record_bytes, records},
    in_process::InProcess,
    process::BrokerProcess,
    wire::WireClient,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_broker_process");

/// Everything of a partition that a client can see and that a restart must not change.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    id: TopicId,
    log_start: i64,
    high_watermark: i64,
    bytes: Bytes,
}

fn see(client: &mut WireClient, partition: i32) -> Seen {
    let id = describe(client, &["t"]).unwrap()[0].topic_id;
    let data = fetch(client, "t", partition, 0).unwrap();
    assert_eq!(data.error_code, 0);
    Seen {
        id,
        log_start: data.log_start_offset,
        high_watermark: data.high_watermark,
        bytes: record_bytes(&data).unwrap(),
    }
}

fn see_all(client: &mut WireClient) -> Vec<Seen> {
    (0..3).map(|partition| see(client, partition)).collect()
}

/// A hundred batches over three partitions, each acknowledged.
fn fill(client: &mut WireClient, from: usize) {
    for n in from..from + 100 {
        let (first, second) = (format!("{n}-a"), format!("{n}-b"));
        let partition = i32::try_from(n % 3).unwrap();
        assert_eq!(produce(client, "t", partition, batch(&[&first, &second])).unwrap().error_code, 0);
    }
}

#[test]
fn a_stop_in_order_changes_no_offset_and_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 3, &[]).unwrap();
    fill(&mut client, 0);
    let before = see_all(&mut client);
    drop(client);
    broker.stop();

    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    assert_eq!(see_all(&mut client), before);
    fill(&mut client, 100);
    let after = see_all(&mut client);
    for (before, after) in before.iter().zip(&after) {
        assert!(after.bytes.starts_with(&before.bytes) && before.high_watermark < after.high_watermark);
    }
    broker.stop();
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let process = BrokerProcess::start(PROGRAM, folder.path()).unwrap();
    let mut client = process.connect().unwrap();
    create_topic(&mut client, "t", 3, &[]).unwrap();
    fill(&mut client, 0);
    let before = see_all(&mut client);
    process.kill().unwrap();

    let process = BrokerProcess::start(PROGRAM, folder.path()).unwrap();
    let mut client = process.connect().unwrap();
    assert_eq!(see_all(&mut client), before);
    // And once more, with the log going on after the first crash.
    fill(&mut client, 100);
    let before = see_all(&mut client);
    process.kill().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    assert_eq!(see_all(&mut client), before);
    broker.stop();
}

#[test]
fn a_kill_in_the_middle_of_writing_leaves_whole_batches_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let process = BrokerProcess::start(PROGRAM, folder.path()).unwrap();
    let mut client = process.connect().unwrap();
    create_topic(&mut client, "t", 3, &[]).unwrap();
    let mut writer = process.connect().unwrap();
    // The writer is never told to stop: the kill finds it between any two bytes.
    let acknowledged = std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            let mut acknowledged = Vec::new();
            for n in 0_usize.. {
                let value = format!("{n}-{}", "x".repeat(n % 3_000));
                match produce(&mut writer, "t", 0, batch(&[&value])) {
                    Ok(answer) if answer.error_code == 0 => acknowledged.push(value),
                    Ok(_) | Err(_) => break,
                }
            }
            acknowledged
        });
        let grown = eventually(|| 200 <= see(&mut client, 0).high_watermark);
        process.kill().unwrap();
        assert!(grown);
        writing.join().unwrap()
    });
    assert!(200 <= acknowledged.len());

    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let found = records(&fetch(&mut client, "t", 0, 0).unwrap()).unwrap();
    assert!(acknowledged.len() <= found.len(), "{} of {} are left", found.len(), acknowledged.len());
    for (n, (offset, value)) in found.iter().enumerate() {
        assert_eq!(*offset, i64::try_from(n).unwrap());
        if let Some(written) = acknowledged.get(n) {
            assert_eq!(value, written);
        }
    }
    broker.stop();
}
