//! Frames that lie: cut, with flipped bits, with lengths replaced by extremes, with counts that stand before megabytes
//! of padding. Each is a message or an error, never a panic, and never takes memory out of proportion.

use crate::{data, json, registry, values};
use bytes::Bytes;
use mainstem_protocol::schema::FieldSchema;
use std::collections::BTreeSet;

/// What is allowed beside the arrays: the message itself, the handle that slices of a frame share.
const SMALL_CHANGE: u64 = 4096;

/// Counts and lengths that no honest peer sends, in both encodings.
const EXTREMES: &[&[u8]] = &[
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0x00, 0x00, 0x00],
    &[0xff, 0xff, 0xff, 0xfe],
    &[0x00, 0x01, 0x86, 0xa0],
    &[0x00, 0x00, 0x20, 0x00],
    &[0x81, 0x80, 0x04],
    &[0x80, 0x40],
];

/// Elements of a dense array: beyond what is reserved at once, and beyond the budget where an element is short on the
/// wire and long in memory.
const DENSE: usize = 1500;

/// Padding behind a count: zeros, the shortest elements, short strings, endless varints.
const FILLS: &[u8] = &[0x00, 0x01, 0x02, 0x80, 0xff];

#[test]
fn cut_frames_are_errors() {
    for_every_version(1, |codec, version, random| {
        let frame = json::encode(codec.schema, version, &values::random_body(codec.schema, version, random));
        let body = codec.min_wire_len(version);
        for len in [0, 1, body.saturating_sub(1), frame.len() / 2, frame.len().saturating_sub(1)] {
            if len < frame.len() {
                let read = decode(codec, version, &frame[..len]);
                assert!(
                    read.is_err(),
                    "{} v{version} cut to {len} of {}",
                    codec.schema.name,
                    data::to_hex(&frame)
                );
            }
        }
    });
}

#[test]
fn broken_frames_are_messages_or_errors() {
    for_every_version(6, |codec, version, random| {
        let mut frame =
            json::encode(codec.schema, version, &values::random_body(codec.schema, version, random));
        if frame.is_empty() {
            return;
        }
        for _ in 0..=random.below(3) {
            let at = random.below(frame.len());
            if random.below(2) == 0 {
                frame[at] ^= 1 << random.below(8);
            } else {
                let extreme = EXTREMES[random.below(EXTREMES.len())];
                let end = frame.len().min(at + extreme.len());
                frame[at..end].copy_from_slice(&extreme[..end - at]);
            }
        }
        let _ = decode(codec, version, &frame);
    });
}

/// The worst case for memory: the elements that a count promises are really there, and as short as can be. For every
/// array of every message.
#[test]
fn arrays_of_the_shortest_elements_stay_in_proportion() {
    let mut refused = 0;
    for codec in registry::all() {
        let (first, last) = codec.versions().into_inner();
        for version in BTreeSet::from([first, codec.schema.first_flexible.clamp(first, last), last]) {
            for way in values::ways(codec.schema.body) {
                let in_version = way.fields.iter().all(|field| field.is_in(version));
                let field = way.fields[way.fields.len() - 1];
                let Some(array) = values::dense(field, version, DENSE).filter(|_| in_version) else {
                    continue;
                };
                let leaf = |_: &FieldSchema| array.clone();
                let value = values::with_one_field(codec.schema.body, version, version, &way.indexes, &leaf);
                let read = decode(&codec, version, &json::encode(codec.schema, version, &value));
                refused += usize::from(read.is_err());
            }
        }
    }
    assert!(refused > 100, "{refused} were out of proportion: the budget was hardly tried");
}

#[test]
fn counts_before_much_padding_stay_in_proportion() {
    for_every_version(2, |codec, version, random| {
        let mut frame =
            json::encode(codec.schema, version, &values::random_body(codec.schema, version, random));
        frame.truncate(random.below(frame.len() + 1));
        frame.extend(EXTREMES[random.below(EXTREMES.len())]);
        frame.extend(std::iter::repeat_n(FILLS[random.below(FILLS.len())], 40_000));
        let _ = decode(codec, version, &frame);
    });
}

fn for_every_version(rounds: u64, mut check: impl FnMut(&registry::Codec, i16, &mut values::Random)) {
    for (number, codec) in (0_u64..).zip(registry::all()) {
        for version in codec.versions() {
            for round in 0..rounds {
                let seed = number << 32 | u64::try_from(version).unwrap() << 16 | round;
                check(&codec, version, &mut values::Random(seed));
            }
        }
    }
}

/// Decodes and holds the peak of memory against the length of the frame.
fn decode(codec: &registry::Codec, version: i16, frame: &[u8]) -> Result<(), ()> {
    let bytes = Bytes::copy_from_slice(frame);
    let mut read = Err(());
    let allocations = allocation_counter::measure(|| {
        read = codec.decode(bytes, version).map(drop).map_err(drop);
    });
    let allowed = (8 * u64::try_from(frame.len()).unwrap()).max(64 * 1024) + SMALL_CHANGE;
    assert!(
        allocations.bytes_max <= allowed,
        "{} v{version} took {} bytes for {}",
        codec.schema.name,
        allocations.bytes_max,
        data::to_hex(frame),
    );
    read
}
