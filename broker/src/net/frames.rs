//! Where one frame ends and the next begins. Pure: bytes in, a verdict out.
//!
//! ```text
//! length i32 | api key i16 | api version i16 | ...
//! ```
//! A length is judged twice: against the longest frame of any API as soon as it is here, and against the limit of its
//! own API once the key is. Nothing is allocated for a frame before its length has passed.

use crate::request::CloseReason;
use mainstem_protocol::api::ApiKey;

/// Bytes of the length prefix.
pub(super) const PREFIX_LEN: usize = 4;
/// Bytes of the shortest request header: key, version, correlation id, null client id.
const SHORTEST: usize = 8;

/// What stands at the front of the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// Not enough yet to say; the frame, prefix included, will take so many bytes as far as is known.
    Incomplete {
        /// Bytes expected, prefix included.
        expected: usize,
    },
    /// A whole frame: so many bytes after the prefix.
    Frame {
        /// Bytes after the prefix.
        len: usize,
    },
    /// Nothing that could become a frame.
    Refused(CloseReason),
}

/// Looks at the front of `buffer`. `longest` bounds every frame, `limit_of` that of one API.
pub(super) fn front(buffer: &[u8], longest: usize, limit_of: impl FnOnce(ApiKey) -> usize) -> Front {
    let Some(prefix) = buffer.first_chunk::<PREFIX_LEN>() else {
        return Front::Incomplete { expected: PREFIX_LEN };
    };
    let Ok(len) = usize::try_from(i32::from_be_bytes(*prefix)) else {
        return Front::Refused(CloseReason::FrameTooLong);
    };
    if longest < len {
        return Front::Refused(foreign(buffer).unwrap_or(CloseReason::FrameTooLong));
    }
    if len < SHORTEST {
        return Front::Refused(CloseReason::Malformed);
    }
    let Some(key) = buffer.get(PREFIX_LEN..).and_then(|rest| rest.first_chunk::<2>()) else {
        return Front::Incomplete { expected: PREFIX_LEN + len };
    };
    if limit_of(ApiKey::new(i16::from_be_bytes(*key))) < len {
        return Front::Refused(CloseReason::FrameTooLong);
    }
    if buffer.len() - PREFIX_LEN < len {
        Front::Incomplete { expected: PREFIX_LEN + len }
    } else {
        Front::Frame { len }
    }
}

/// Another protocol that a client may speak by mistake. Read as a length, each of these is above 100 MiB.
fn foreign(buffer: &[u8]) -> Option<CloseReason> {
    match buffer.first_chunk::<4>()? {
        // A TLS record of type handshake, version 3.x.
        [0x16, 0x03, _, _] => Some(CloseReason::TlsOnPlaintext),
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" | b"CONN" => Some(CloseReason::Http),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 100 << 20;

    #[expect(clippy::needless_pass_by_value, reason = "an expected value is written in place")]
    fn check(bytes: &[u8], expected: Front) {
        assert_eq!(front(bytes, LONGEST, |key| if key == ApiKey::PRODUCE { LONGEST } else { 100 }), expected);
    }

    #[test]
    fn a_frame_is_seen_when_its_last_byte_is_here() {
        let mut bytes = vec![0, 0, 0, 10, 0, 3, 0, 0, 0, 0, 0, 1, 0xff];
        check(&bytes[..3], Front::Incomplete { expected: 4 });
        check(&bytes[..5], Front::Incomplete { expected: 14 });
        check(&bytes, Front::Incomplete { expected: 14 });
        bytes.push(0xff);
        check(&bytes, Front::Frame { len: 10 });
        bytes.push(0);
        check(&bytes, Front::Frame { len: 10 });
    }

    #[test]
    fn lengths_outside_the_limits_are_refused_before_the_body_comes() {
        check(&(-1_i32).to_be_bytes(), Front::Refused(CloseReason::FrameTooLong));
        check(&((100 << 20) + 1_i32).to_be_bytes(), Front::Refused(CloseReason::FrameTooLong));
        check(&7_i32.to_be_bytes(), Front::Refused(CloseReason::Malformed));
        // 101 bytes: too long for Metadata, fine for Produce.
        check(&[0, 0, 0, 101, 0, 3], Front::Refused(CloseReason::FrameTooLong));
        check(&[0, 0, 0, 101, 0, 0], Front::Incomplete { expected: 105 });
    }

    #[test]
    fn other_protocols_are_recognised() {
        check(&[0x16, 3, 1, 0], Front::Refused(CloseReason::TlsOnPlaintext));
        check(b"GET / HTTP/1.1", Front::Refused(CloseReason::Http));
        check(b"POST", Front::Refused(CloseReason::Http));
    }
}
