//! `.kafka_cleanshutdown`: Kafka's mark of a clean shutdown, with the broker epoch of that run.
//!
//! Above: the log directory; the broker sends the epoch as `PreviousBrokerEpoch` when it registers. Below: nothing. No I/O.
//! The mark alone proves nothing about a restored disk image, see [`clean`](super::clean).
//!
//! ```text
//! {"version":0,"brokerEpoch":14}
//! ```

use crate::format::FormatError;
use serde::Deserialize;

/// Name of the file.
pub const FILE_NAME: &str = ".kafka_cleanshutdown";

const VERSION: i64 = 0;

#[derive(Deserialize)]
struct Mark {
    version: i64,
    #[serde(rename = "brokerEpoch")]
    broker_epoch: i64,
}

/// The content of the file.
pub fn to_text(broker_epoch: i64) -> String {
    format!("{{\"version\":{VERSION},\"brokerEpoch\":{broker_epoch}}}")
}

/// Reads the broker epoch.
pub fn parse(bytes: &[u8]) -> Result<i64, FormatError> {
    let mark: Mark = serde_json::from_slice(bytes).map_err(|_| FormatError::malformed("not the mark"))?;
    if mark.version != VERSION {
        return Err(FormatError::Version { found: mark.version, known: VERSION });
    }
    Ok(mark.broker_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_that_of_kafka() {
        assert_eq!(to_text(14), "{\"version\":0,\"brokerEpoch\":14}");
        assert_eq!(parse(b"{\"version\":0,\"brokerEpoch\":14}"), Ok(14));
        assert!(parse(b"").is_err(), "an empty mark is none");
        assert!(parse(b"{\"version\":1,\"brokerEpoch\":14}").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_loaded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&bytes);
        }
    }
}
