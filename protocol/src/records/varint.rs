//! Zigzag variable-length integers, as the fields of a record are written.
//!
//! Seven bits a byte, lowest first, the top bit says "more follows"; small numbers of either sign are short. At most
//! 5 bytes for a varint (32 bits), 10 for a varlong (64). Above: walking and building records. Below: nothing.

/// Bytes of the longest varint.
pub(crate) const MAX_VARINT_LEN: usize = 5;
/// Bytes of the longest varlong.
pub(crate) const MAX_VARLONG_LEN: usize = 10;

/// Why no number could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VarintError {
    /// The bytes end inside the number.
    CutOff,
    /// The number needs more bits than its type has.
    TooLong,
}

/// Reads a varint at the front of `bytes`: the value and the bytes it took.
#[inline]
pub(crate) fn read_varint(bytes: &[u8]) -> Result<(i32, usize), VarintError> {
    match bytes.first() {
        Some(&first) if first < 0x80 => return Ok((unzigzag32(u32::from(first)), 1)),
        _ => {}
    }
    let (raw, len) = read_unsigned(bytes, MAX_VARINT_LEN)?;
    let raw = u32::try_from(raw).map_err(|_| VarintError::TooLong)?;
    Ok((unzigzag32(raw), len))
}

/// Reads a varlong at the front of `bytes`: the value and the bytes it took.
#[inline]
pub(crate) fn read_varlong(bytes: &[u8]) -> Result<(i64, usize), VarintError> {
    match bytes.first() {
        Some(&first) if first < 0x80 => return Ok((unzigzag64(u64::from(first)), 1)),
        _ => {}
    }
    let (raw, len) = read_unsigned(bytes, MAX_VARLONG_LEN)?;
    Ok((unzigzag64(raw), len))
}

fn read_unsigned(bytes: &[u8], max_len: usize) -> Result<(u64, usize), VarintError> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(max_len).enumerate() {
        let part = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit only.
        if index == MAX_VARLONG_LEN - 1 && part > 1 {
            return Err(VarintError::TooLong);
        }
        value |= part << (7 * index);
        if byte < 0x80 {
            return Ok((value, index + 1));
        }
    }
    Err(if bytes.len() < max_len { VarintError::CutOff } else { VarintError::TooLong })
}

/// Appends `value` as a varint.
pub(crate) fn write_varint(out: &mut Vec<u8>, value: i32) {
    write_unsigned(out, u64::from(zigzag32(value)));
}

/// Appends `value` as a varlong.
pub(crate) fn write_varlong(out: &mut Vec<u8>, value: i64) {
    write_unsigned(out, zigzag64(value));
}

/// Bytes that `value` takes as a varint.
pub(crate) const fn varint_len(value: i32) -> usize {
    unsigned_len(zigzag32(value) as u64)
}

/// Bytes that `value` takes as a varlong.
pub(crate) const fn varlong_len(value: i64) -> usize {
    unsigned_len(zigzag64(value))
}

fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        let [.., low] = value.to_be_bytes();
        out.push(low | 0x80);
        value >>= 7;
    }
    let [.., last] = value.to_be_bytes();
    out.push(last);
}

const fn unsigned_len(value: u64) -> usize {
    // 1 byte up to 7 bits, one more for each further 7: ceil(bits / 7), at least 1.
    let bits = (64 - value.leading_zeros()) as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

const fn zigzag32(value: i32) -> u32 {
    u32::from_be_bytes(((value << 1) ^ (value >> 31)).to_be_bytes())
}

const fn zigzag64(value: i64) -> u64 {
    u64::from_be_bytes(((value << 1) ^ (value >> 63)).to_be_bytes())
}

const fn unzigzag32(raw: u32) -> i32 {
    i32::from_be_bytes(((raw >> 1) ^ (raw & 1).wrapping_neg()).to_be_bytes())
}

const fn unzigzag64(raw: u64) -> i64 {
    i64::from_be_bytes(((raw >> 1) ^ (raw & 1).wrapping_neg()).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_survive_and_lengths_are_exact(int in any::<i32>(), long in any::<i64>()) {
            let mut out = Vec::new();
            write_varint(&mut out, int);
            prop_assert_eq!(out.len(), varint_len(int));
            prop_assert_eq!(read_varint(&out), Ok((int, out.len())));
            out.clear();
            write_varlong(&mut out, long);
            prop_assert_eq!(out.len(), varlong_len(long));
            prop_assert_eq!(read_varlong(&out), Ok((long, out.len())));
            for cut in 0..out.len() {
                prop_assert_eq!(read_varlong(&out[..cut]), Err(VarintError::CutOff));
            }
        }
    }

    #[test]
    fn known_encodings() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn overlong_numbers_are_refused() {
        assert_eq!(read_varint(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(VarintError::TooLong));
        assert_eq!(read_varint(&[0x80; 6]), Err(VarintError::TooLong));
        assert_eq!(read_varlong(&[0xff; 11]), Err(VarintError::TooLong));
        assert_eq!(
            read_varlong(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
            Err(VarintError::TooLong)
        );
    }
}
