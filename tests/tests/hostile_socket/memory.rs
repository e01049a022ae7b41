//! Claims cost the broker what has really arrived, however many make them.

use crate::subject::Subject;
use mainstem_protocol::api::ApiKey;

/// Connections that claim at the same time.
const CLAIMANTS: usize = 200;
/// A read buffer of one step, the connection itself, what the socket's driver keeps.
const PER_CONNECTION: u64 = (64 << 10) + (8 << 10);
/// The bystander, metadata, background.
const BASE: u64 = 4 << 20;

/// A hundred megabytes are promised two hundred times; a kilobyte each is sent.
#[test]
fn promised_bytes_take_no_memory() {
    let subject = Subject::start();
    let mut claimants = Vec::new();
    for _ in 0..CLAIMANTS {
        let mut client = subject.connect();
        let mut bytes = (100_i32 << 20).to_be_bytes().to_vec();
        bytes.extend(ApiKey::PRODUCE.code().to_be_bytes());
        bytes.extend([0, 9, 0, 0, 0, 7, 0xff, 0xff]);
        bytes.resize(1024, 0);
        client.send_bytes(&bytes).unwrap();
        claimants.push(client);
    }
    subject.assert_undisturbed();
    drop(claimants);
    let peak = subject.stop();
    assert!(peak < BASE + CLAIMANTS as u64 * PER_CONNECTION, "{peak} bytes of memory");
}

/// Arrays of the shortest elements, really there: what a megabyte of them becomes is bounded by its length.
#[test]
fn dense_arrays_take_memory_in_proportion() {
    let subject = Subject::start();
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = subject.connect();
        // Metadata v9: 99,000 topics without a name.
        let mut body = vec![0, 0xb9, 0x85, 0x06];
        body.extend([1, 0].repeat(99_000));
        body.extend([1, 0, 0, 0]);
        client.send_frame(ApiKey::METADATA, 9, 1, &body).unwrap();
        clients.push(client);
    }
    for mut client in clients {
        // Refused by the budget, or answered: either way in bounds.
        let _ = client.receive_frame().unwrap();
    }
    let peak = subject.stop();
    assert!(peak < 64 << 20, "{peak} bytes of memory");
}
