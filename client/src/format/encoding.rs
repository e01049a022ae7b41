//! Hex and base64 (RFC 4648), both ways; and text that is not UTF-8 as escapes.
//!
//! Pure: bytes in, text out.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn nibble(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// Two lower-case digits a byte.
pub(super) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(nibble(byte >> 4));
        out.push(nibble(byte & 15));
    }
}

/// The bytes of an even number of hex digits.
pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let pairs = text.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Base64, with or without padding.
pub(super) fn base64(bytes: &[u8], padded: bool, out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let mut block = [0_u8; 3];
        for (target, source) in block.iter_mut().zip(chunk) {
            *target = *source;
        }
        let [a, b, c] = block;
        let sextets = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        for (index, sextet) in sextets.iter().enumerate() {
            if index <= chunk.len() {
                out.push(ALPHABET.get(usize::from(*sextet)).copied().unwrap_or(b'='));
            } else if padded {
                out.push(b'=');
            }
        }
    }
}

/// The bytes of a base64 text; padding is optional, anything outside the alphabet is refused.
pub(super) fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|c| *c != b'=').map_or(0, |last| last + 1);
    let mut out = Vec::with_capacity(end / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for c in text.get(..end)? {
        let sextet = ALPHABET.iter().position(|a| a == c).and_then(|p| u32::try_from(p).ok())?;
        bits = (bits << 6 | sextet) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    // a lone sextet, or stray bits behind the last byte, is no encoding of anything
    (count < 6 && bits & ((1 << count) - 1) == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn base64_gives_the_vectors_of_the_rfc() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            let mut out = Vec::new();
            base64(plain.as_bytes(), true, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn both_encodings_come_back(bytes: Vec<u8>, padded: bool) {
            let mut out = Vec::new();
            base64(&bytes, padded, &mut out);
            prop_assert_eq!(unbase64(&out), Some(bytes.clone()));
            out.clear();
            hex(&bytes, &mut out);
            prop_assert_eq!(unhex(&out), Some(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text: Vec<u8>) {
            let _ = unbase64(&text);
            let _ = unhex(&text);
        }
    }
}
