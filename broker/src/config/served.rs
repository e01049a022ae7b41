//! What topics may ask for and is not served: the one place to change when it is.
//!
//! Pure. Above: validation of topic configurations and of the broker keys that hold their defaults.

/// Whether logs are compacted (`cleanup.policy=compact`).
const COMPACTION: bool = false;

/// Whether batches are compressed anew by the broker (`compression.type` other than `producer`).
const RECOMPRESSION: bool = false;

/// Why this value, well formed as it is, cannot be honoured; `None` if it can. Takes topic and broker keys.
pub(super) fn refusal(key: &str, value: &str) -> Option<&'static str> {
    match key {
        "cleanup.policy" | "log.cleanup.policy"
            if !COMPACTION && value.split(',').any(|word| word == "compact") =>
        {
            Some("compaction is not served; records would be kept or deleted by age and size only")
        }
        "compression.type" if !RECOMPRESSION && value != "producer" => {
            Some("recompression is not served; batches are kept as the producer compressed them (`producer`)")
        }
        _ => None,
    }
}
