//! Our codec against another one that was generated from Kafka's schemas: both read and write the same random messages.
//!
//! The values and the way to handle a message of any type are those of the protocol crate's own tests.
//!
//! Known differences of `kacrab-protocol` 0.4, which the values avoid: it reads lengths below -1 as null, and keeps
//! tagged fields that it does not know.

mod kacrab;

#[expect(dead_code, reason = "shared with the tests of the protocol crate, which use all of it")]
#[path = "../../../protocol/tests/wire/json.rs"]
mod json;
#[expect(dead_code, reason = "shared with the tests of the protocol crate, which use all of it")]
#[path = "../../../protocol/tests/wire/registry.rs"]
mod registry;
#[expect(dead_code, reason = "shared with the tests of the protocol crate, which use all of it")]
#[path = "../../../protocol/tests/wire/values.rs"]
mod values;

use mainstem_protocol::{api::ApiKey, schema::Role};

/// Random values for each message and version. The same in every run.
const ROUNDS: u64 = 20;

/// What one side writes the other reads to the end and writes again, byte for byte.
#[test]
fn both_codecs_read_and_write_the_same_bytes() {
    let (mut compared, mut unknown) = (0, Vec::new());
    for (number, codec) in (0_u64..).zip(registry::all()) {
        let name = codec.schema.name;
        if matches!(codec.schema.role, Role::Request(key) | Role::Response(key) if ApiKey::OWN_FIRST <= key) {
            continue; // nobody else speaks our own
        }
        let Some(theirs) = kacrab::find(name) else {
            unknown.push(name);
            continue;
        };
        for version in codec.versions() {
            for round in 0..ROUNDS {
                let seed = number << 32 | u64::try_from(version).unwrap() << 16 | round;
                let value = values::random_body(codec.schema, version, &mut values::Random(seed));
                let bytes = json::encode(codec.schema, version, &values::known_part(&value));
                let ours = codec.transcode(bytes.clone().into(), version).unwrap();
                let (other, left) = theirs(&ours, version)
                    .unwrap_or_else(|e| panic!("{name} v{version} seed {seed}: {e}: {value}"));
                assert_eq!((&other, left), (&ours, 0), "{name} v{version} seed {seed}: {value}");
                compared += 1;
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
    // Only the records of the internal topics, which the other codec leaves out.
    assert!(unknown.iter().all(|name| name.ends_with("Key") || name.ends_with("Value")), "{unknown:?}");
}
