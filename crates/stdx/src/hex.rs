//! Lower-case hexadecimal, as digests are written in manifests and headers.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| pair(*byte)).map(char::from).collect()
}

/// Writes as many digits as find room.
pub fn encode_to(bytes: &[u8], digits: &mut [u8]) {
    for (byte, digits) in bytes.iter().zip(digits.chunks_exact_mut(2)) {
        digits.copy_from_slice(&pair(*byte));
    }
}

fn pair(byte: u8) -> [u8; 2] {
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Exactly `N` bytes from `2 * N` digits of either case; anything else is `None`.
#[must_use]
pub fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let bytes = [0x00, 0x0f, 0xa5, 0xff];
        assert_eq!(encode(&bytes), "000fa5ff");
        let mut digits = *b"........";
        encode_to(&bytes, &mut digits);
        assert_eq!(&digits, b"000fa5ff");
        assert_eq!(decode::<4>(b"000FA5ff"), Some(bytes));
        assert_eq!(decode::<4>(b"000fa5f"), None);
        assert_eq!(decode::<4>(b"000fa5fg"), None);
    }
}
