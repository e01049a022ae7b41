//! Our codec against `kafka-protocol`, a codec of Kafka 4.1 in wide use: both read and write the same random messages.
//!
//! The other side is a process of its own (`tests/oracle`) with a limit of memory: a frame of 18 bytes can make it abort.
//! It is built by `.ci/run differential`, which then runs this test; the default test command does not wait for it.

#[expect(dead_code, reason = "shared with the tests of the protocol crate, which use all of it")]
#[path = "../../../protocol/tests/wire/json.rs"]
mod json;
mod oracle;
#[expect(dead_code, reason = "shared with the tests of the protocol crate, which use all of it")]
#[path = "../../../protocol/tests/wire/registry.rs"]
mod registry;
#[expect(dead_code, reason = "shared with the tests of the protocol crate, which use all of it")]
#[path = "../../../protocol/tests/wire/values.rs"]
mod values;

use mainstem_protocol::schema::Role;
use oracle::{Answer, Oracle};
use std::collections::BTreeMap;

/// Random values for each message and version. The same in every run.
const ROUNDS: u64 = 10;

/// What one side writes the other reads to the end and writes again, byte for byte.
#[test]
#[ignore = "needs the process that MAINSTEM_ORACLE names: .ci/run differential"]
fn both_codecs_read_and_write_the_same_bytes() {
    let mut oracle = Oracle::start();
    let (mut compared, mut unknown) = (0, BTreeMap::<_, Vec<i16>>::new());
    for (number, codec) in (0_u64..).zip(registry::all()) {
        let name = codec.schema.name;
        let (side, key) = match codec.schema.role {
            Role::Request(key) => ("request", key),
            Role::Response(key) => ("response", key),
            Role::RecordKey { .. } | Role::RecordValue { .. } | Role::Data => continue,
        };
        for version in codec.versions() {
            for round in 0..ROUNDS {
                let seed = number << 32 | u64::try_from(version).unwrap() << 16 | round;
                let value = values::random_body(codec.schema, version, &mut values::Random(seed));
                let bytes = json::encode(codec.schema, version, &values::known_part(&value));
                let ours = codec.transcode(bytes.into(), version).unwrap();
                match oracle.transcode(side, key.code(), version, &ours) {
                    Answer::Same => compared += 1,
                    Answer::Unknown => {
                        unknown.entry(name).or_default().push(version);
                        break;
                    }
                    Answer::Different(how) => panic!("{name} v{version} seed {seed}: {how}: {value}"),
                }
            }
        }
    }
    println!("{compared} messages compared; not known to kafka-protocol: {unknown:?}");
    assert!(compared > 4000, "{compared}");
}
