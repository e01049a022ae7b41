//! What is remembered with a committed offset: the records above it that are finished already, and the keys whose records
//! go to a retry topic. Pure: text in, text out.
//!
//! ```text
//!  ms1:<base>:<gap><length><gap><length>...:<key><partition><offset>...;
//!       |      '-- finished records, in offsets: so many after the last end      '-- keys on a detour
//!       '-- the committed offset that it belongs to
//!
//!  committed 100, finished 102..105 and 110..111, in numbers:   100 | 2 3 5 1 |
//! ```
//!
//! Numbers are written in digits of six bits, the low ones first: five of the number, and one that says whether another
//! digit follows. Small numbers, of which most notes consist, take one character.
//!
//! Whatever else stands in the metadata of an offset (a foreign client's words, a note of another offset that somebody
//! moved, a text that was cut) is no note, and means that nothing is remembered: records are handled again, none is left
//! out. A note that is empty is the empty text.

use std::collections::BTreeMap;
use std::ops::Range;

/// Most characters of any note: what brokers take with an offset (`offset.metadata.max.bytes`) unless they are told
/// otherwise.
pub(super) const NOTE_CHARS_MAX: usize = 4096;
/// Most keys of a partition that are on a detour at a time.
pub(super) const DETOURS_MAX: usize = 32;
/// Characters that are set aside for them.
pub(super) const DETOURS_CHARS_MAX: usize = DETOURS_MAX * DETOUR_CHARS_MAX;
/// Most characters of the fixed parts: mark, base, separators, end.
pub(super) const FRAME_CHARS: usize = MARK.len() + NUMBER_CHARS_MAX + 3;
/// Most characters of one key on a detour: its hash, a partition, an offset.
const DETOUR_CHARS_MAX: usize = 3 * NUMBER_CHARS_MAX;
/// Digits of the largest number.
const NUMBER_CHARS_MAX: usize = 13;

const _: () = assert!(DETOURS_CHARS_MAX + FRAME_CHARS < NOTE_CHARS_MAX / 2, "ranges need most of the room");

/// Begins a note, and names its version.
const MARK: &str = "ms1:";
const SEPARATOR: char = ':';
const END: char = ';';

/// Where the last record of a key on a detour was written. Which topic that is follows from the partition that the note
/// belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Detour {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// Keys on a detour, by their [`key_hash`].
pub(super) type Detours = BTreeMap<u64, Detour>;

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Note {
    /// Finished offsets above the committed one: rising, apart from each other.
    pub(super) finished: Vec<Range<i64>>,
    pub(super) detours: Detours,
}

/// A hash that every process computes alike: FNV-1a of 64 bits. Two keys with the same one share a detour.
pub(super) fn key_hash(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Most characters of `ranges` ranges that lie within `span` offsets: two numbers each, which sum up to `span` at most, so
/// that few of them can be large.
pub(super) fn ranges_chars_max(ranges: usize, span: u64) -> usize {
    let numbers = ranges.saturating_mul(2);
    let longer = (1..NUMBER_CHARS_MAX).map(|digits| {
        let many = span >> (5 * digits);
        usize::try_from(many).unwrap_or(usize::MAX).min(numbers)
    });
    longer.fold(numbers, usize::saturating_add)
}

/// Digits that `number` takes.
const fn digits(number: u64) -> usize {
    let bits = 64 - number.leading_zeros();
    (if bits == 0 { 1 } else { bits.div_ceil(5) }) as usize
}

/// The note of the committed offset `base`, in at most `chars_max` characters. `finished` rises, and lies apart from `base`
/// and from each other. What does not fit is left out, the highest ranges first: whoever sees to it that there is room
/// loses nothing.
pub(super) fn encode(
    base: i64,
    finished: impl IntoIterator<Item = Range<i64>>,
    detours: &Detours,
    chars_max: usize,
) -> String {
    let mut keys = String::new();
    for (hash, detour) in detours.iter().take(DETOURS_MAX) {
        put(&mut keys, *hash);
        put(&mut keys, u64::try_from(detour.partition).unwrap_or(0));
        put(&mut keys, u64::try_from(detour.offset).unwrap_or(0));
    }
    let mut ranges = String::new();
    let mut at = base;
    for range in finished {
        let (Ok(gap), Ok(length)) =
            (u64::try_from(range.start.saturating_sub(at)), u64::try_from(range.end - range.start))
        else {
            break;
        };
        if chars_max < FRAME_CHARS + keys.len() + ranges.len() + digits(gap) + digits(length) {
            break;
        }
        put(&mut ranges, gap);
        put(&mut ranges, length);
        at = range.end;
    }
    if ranges.is_empty() && keys.is_empty() {
        return String::new();
    }
    let mut text = String::from(MARK);
    put(&mut text, u64::try_from(base).unwrap_or(0));
    text.push(SEPARATOR);
    text.push_str(&ranges);
    text.push(SEPARATOR);
    text.push_str(&keys);
    text.push(END);
    text
}

impl Note {
    /// The note of the committed offset `base`, if `text` is one.
    pub(super) fn parse(base: i64, text: &str) -> Option<Self> {
        if NOTE_CHARS_MAX < text.len() {
            return None;
        }
        let body = text.strip_prefix(MARK)?.strip_suffix(END)?;
        let mut parts = body.split(SEPARATOR).map(Digits::new);
        let (mut head, mut ranges, mut keys) = (parts.next()?, parts.next()?, parts.next()?);
        let written = i64::try_from(head.take()?).ok()?;
        if parts.next().is_some() || !head.is_empty() || written != base {
            return None;
        }
        let mut note = Self::default();
        let mut at = base;
        while !ranges.is_empty() {
            let start = at.checked_add(ranges.take_offset()?)?;
            let end = start.checked_add(ranges.take_offset()?)?;
            if start <= at || end <= start {
                return None;
            }
            note.finished.push(start..end);
            at = end;
        }
        while !keys.is_empty() {
            let hash = keys.take()?;
            let partition = i32::try_from(keys.take()?).ok()?;
            note.detours.insert(hash, Detour { partition, offset: keys.take_offset()? });
            if DETOURS_MAX < note.detours.len() {
                return None;
            }
        }
        Some(note)
    }
}

fn put(text: &mut String, mut number: u64) {
    loop {
        let [.., low] = number.to_be_bytes();
        number >>= 5;
        let more = if number == 0 { 0 } else { 32 };
        text.push(character(low & 31 | more));
        if number == 0 {
            return;
        }
    }
}

/// The character of a digit of six bits: those of base64 for addresses, which pass everywhere.
const fn character(digit: u8) -> char {
    (match digit {
        0..=25 => b'A' + digit,
        26..=51 => b'a' + (digit - 26),
        52..=61 => b'0' + (digit - 52),
        62 => b'-',
        _ => b'_',
    }) as char
}

const fn digit(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

/// Numbers to be read from a text.
struct Digits<'a>(std::str::Bytes<'a>);

impl<'a> Digits<'a> {
    fn new(text: &'a str) -> Self {
        Self(text.bytes())
    }

    fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    fn take(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(5) {
            let digit = digit(self.0.next()?)?;
            let low = u64::from(digit & 31);
            if (low << shift) >> shift != low {
                return None;
            }
            number |= low << shift;
            if digit & 32 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take_offset(&mut self) -> Option<i64> {
        i64::try_from(self.take()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finished(list: &[(i64, i64)]) -> Vec<Range<i64>> {
        list.iter().map(|(start, end)| *start..*end).collect()
    }

    #[test]
    fn a_note_in_characters() {
        let detours = Detours::from([(33, Detour { partition: 2, offset: 31 })]);
        let text = encode(100, finished(&[(102, 105), (110, 111)]), &detours, NOTE_CHARS_MAX);
        assert_eq!(text, "ms1:kD:CDFB:hBCf;");
        let note = Note { finished: finished(&[(102, 105), (110, 111)]), detours };
        assert_eq!(Note::parse(100, &text), Some(note));
    }

    #[test]
    fn nothing_to_remember_is_no_text() {
        assert_eq!(encode(7, [], &Detours::new(), NOTE_CHARS_MAX), "");
    }

    #[test]
    fn what_is_no_note_of_this_offset_is_ignored() {
        let good = encode(100, finished(&[(102, 105)]), &Detours::new(), NOTE_CHARS_MAX);
        assert!(Note::parse(100, &good).is_some());
        assert_eq!(Note::parse(99, &good), None, "the group was moved, the text was left");
        for bad in [
            "",
            "some client's words",
            "ms1:",
            "ms1:kD:CD:",
            "ms1:kD:CD;",
            "ms1:kD:CD::;",
            "ms2:kD:CD:;",
            "ms1:kD:C:;",              // a range without a length
            "ms1:kD:AD:;",             // finished at the committed offset itself
            "ms1:kD:CA:;",             // an empty range
            "ms1:kD:CDAB:;",           // ranges that touch
            "ms1:kD:C.:;",             // no digit
            "ms1:kD:Ch:;",             // a number that goes on
            "ms1:kD:C____________P:;", // no offset
            "ms1:kD:C____________f:;",
            "ms1:kDA:CD:;x",
            "ms1:kD:CD:hB;", // a key without a place
            "ms1:kD:\u{e4}:;",
        ] {
            assert_eq!(Note::parse(100, bad), None, "{bad}");
        }
        let long = format!("ms1:kD:{}:;", "CD".repeat(NOTE_CHARS_MAX));
        assert_eq!(Note::parse(100, &long), None);
        let crowd: String = (0..=DETOURS_MAX)
            .map(|key| {
                if key == 32 {
                    "gBAA".to_owned()
                } else {
                    format!("{}AA", character(u8::try_from(key).unwrap()))
                }
            })
            .collect();
        assert_eq!(Note::parse(100, &format!("ms1:kD::{crowd};")), None, "more keys than are ever written");
    }

    #[test]
    fn a_note_that_was_cut_is_no_note() {
        let detours = Detours::from([(9, Detour { partition: 0, offset: 500 })]);
        let text = encode(100, finished(&[(102, 105), (190, 300)]), &detours, NOTE_CHARS_MAX);
        for len in 0..text.len() {
            assert_eq!(Note::parse(100, &text[..len]), None, "{len}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            base in 0..i64::MAX / 2,
            steps in proptest::collection::vec((1..1_000_000_i64, 1..100_000_i64), 0..100),
            keys in proptest::collection::btree_map(any::<u64>(), (0..i32::MAX, 0..i64::MAX), 0..DETOURS_MAX),
        ) {
            let mut at = base;
            let ranges: Vec<_> = steps.iter().map(|(gap, length)| {
                let start = at + gap;
                at = start + length;
                start..at
            }).collect();
            let detours: Detours =
                keys.into_iter().map(|(hash, (partition, offset))| (hash, Detour { partition, offset })).collect();
            let text = encode(base, ranges.clone(), &detours, NOTE_CHARS_MAX);
            prop_assert!(text.len() <= NOTE_CHARS_MAX && text.is_ascii());
            if ranges.is_empty() && detours.is_empty() {
                prop_assert_eq!(text, "");
            } else {
                prop_assert_eq!(Note::parse(base, &text), Some(Note { finished: ranges, detours }));
            }
        }

        /// However much there is to say, a note keeps to its limit and reads as a part of the truth.
        #[test]
        fn a_note_never_passes_its_limit(count in 0..4000_usize, length in 1..1_000_000_000_i64) {
            let ranges = (0..count).scan(10_i64, |at, _| {
                let start = *at + length;
                *at = start + length;
                Some(start..*at)
            });
            let ranges: Vec<_> = ranges.collect();
            let text = encode(10, ranges.clone(), &Detours::new(), NOTE_CHARS_MAX);
            let span = u64::try_from(ranges.last().map_or(0, |last| last.end - 10)).unwrap();
            prop_assert!(text.len() <= FRAME_CHARS + ranges_chars_max(count, span));
            prop_assert!(text.len() <= NOTE_CHARS_MAX);
            let read = Note::parse(10, &text).unwrap_or_default().finished;
            prop_assert_eq!(&ranges[..read.len()], &read[..]);
        }

        #[test]
        fn no_text_makes_it_panic(base in any::<i64>(), text in "(ms1:)?[A-Za-z0-9_:;-]{0,40};?") {
            let _ = Note::parse(base, &text);
        }
    }
}
