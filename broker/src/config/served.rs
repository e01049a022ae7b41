//! What topics may ask for and is not served: the one place to change when it is.
//!
//! Pure. Above: validation of topic configurations and of the broker keys that hold their defaults; pages for people.

use super::keys::{Check, Key};

/// Whether batches are compressed anew by the broker (`compression.type` other than `producer`).
const RECOMPRESSION: bool = false;

/// Why this value, well formed as it is, cannot be honoured; `None` if it can. Takes topic and broker keys.
pub(super) fn refusal(key: &str, value: &str) -> Option<&'static str> {
    match key {
        "compression.type" if !RECOMPRESSION && value != "producer" => {
            Some("recompression is not served; batches are kept as the producer compressed them")
        }
        _ => None,
    }
}

/// The values of a key that Kafka has and that are refused here, with the reason; `None` if there are none.
pub fn unserved(key: &Key) -> Option<(Vec<&'static str>, &'static str)> {
    let (Check::OneOf(words) | Check::EachOf(words)) = key.check else { return None };
    let refused: Vec<_> = words.iter().filter_map(|word| Some((*word, refusal(key.name, word)?))).collect();
    let (_, reason) = refused.first()?;
    Some((refused.iter().map(|(word, _)| *word).collect(), reason))
}
