//! Every message in every version, with values made from its schema: what the schema-driven codec writes, the derived
//! one reads and writes again, byte for byte.

use crate::{data, json, registry, values};
use mainstem_protocol::{schema::FieldSchema, wire::EncodeErrorKind};

/// Random values for each message and version. The same in every run.
const ROUNDS: u64 = 40;

/// Unknown tagged fields are skipped and gone; everything else survives.
#[test]
fn random_values_survive_the_wire() {
    for codec in registry::all() {
        for version in codec.versions() {
            for round in 0..ROUNDS {
                let seed = round << 32
                    | u64::try_from(version).unwrap() << 16
                    | u64::try_from(codec.schema.name.len()).unwrap();
                let mut random = values::Random(seed);
                let value = values::random_body(codec.schema, version, &mut random);
                let sent = json::encode(codec.schema, version, &value);
                let kept = json::encode(codec.schema, version, &values::known_part(&value));
                let what = || {
                    format!(
                        "{} v{version} seed {seed}: {value} as {}",
                        codec.schema.name,
                        data::to_hex(&sent)
                    )
                };
                let again = codec
                    .transcode(sent.clone().into(), version)
                    .unwrap_or_else(|e| panic!("{e}: {}", what()));
                assert_eq!(again, kept, "{}", what());
                assert!(codec.min_wire_len(version) <= again.len(), "{}", what());
            }
        }
    }
}

/// The bound that an array's count is held against is reached, so it refuses no legal array.
#[test]
fn min_wire_len_is_the_length_of_the_least_value() {
    for codec in registry::all() {
        for version in codec.versions() {
            let least = json::encode(codec.schema, version, &values::least(codec.schema.body, version));
            assert_eq!(codec.min_wire_len(version), least.len(), "{} v{version}", codec.schema.name);
            assert_eq!(
                codec.transcode(least.clone().into(), version),
                Ok(least),
                "{} v{version}",
                codec.schema.name
            );
        }
    }
}

/// A value that one version can say and another cannot: dropped where the schema allows it, else refused by name.
#[test]
fn a_value_without_a_place_is_refused_unless_it_may_be_dropped() {
    let mut refused = 0;
    for codec in registry::all() {
        let is_there = |field: &FieldSchema, version: i16| {
            field.is_in(version) && (field.tag.is_none() || version >= codec.schema.first_flexible)
        };
        for way in values::ways(codec.schema.body) {
            let can_say = |version: &i16| way.fields.iter().all(|field| is_there(field, *version));
            let Some(version) = codec.versions().find(can_say) else { continue };
            for other in codec.versions() {
                // The outermost field that is missing decides: what is below it goes with it.
                let Some(missing) = way.fields.iter().find(|field| !is_there(field, other)) else { continue };
                let leaf = |field: &FieldSchema| values::telling(field, version);
                let value = values::with_one_field(codec.schema.body, version, other, &way.indexes, &leaf);
                let bytes = json::encode(codec.schema, version, &value);
                let what = format!("{}.{} from v{version} to v{other}", codec.schema.name, missing.name);
                match codec.convert(bytes.into(), version, other) {
                    Ok(_) => assert!(missing.ignorable, "{what}: {value}"),
                    // Null where the other version wants a value: an error of its own, found first.
                    Err(error) if error.kind() == EncodeErrorKind::UnexpectedNull => {}
                    Err(error) => {
                        assert!(!missing.ignorable, "{what}: {error}");
                        assert_eq!(error.kind(), EncodeErrorKind::NotInVersion, "{what}: {error}");
                        assert!(error.path().ends_with(missing.rust_name), "{what}: {error}");
                        assert_eq!(error.version(), other);
                        refused += 1;
                    }
                }
            }
        }
    }
    // With nothing refused, nothing was tried.
    assert!(refused > 100, "{refused}");
}
