//! Lower-case hexadecimal, as digests are written in manifests and headers.

#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| pair(*byte)).map(char::from).collect()
}

/// Writes as many digits as find room.
pub fn encode_to(bytes: &[u8], digits: &mut [u8]) {
    for (byte, digits) in bytes.iter().zip(digits.as_chunks_mut().0) {
        *digits = pair(*byte);
    }
}

/// Calculated rather than looked up: so the compiler makes many at a time.
fn pair(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|value| value + b'0' + u8::from(value > 9) * (b'a' - b'0' - 10))
}

/// Exactly `N` bytes from `2 * N` digits of either case; anything else is `None`.
#[must_use]
pub fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let (mut bytes, mut all_digits) = ([0; N], true);
    for (byte, pair) in bytes.iter_mut().zip(text.as_chunks().0) {
        let [(high, one), (low, other)] = pair.map(value);
        *byte = high << 4 | low;
        all_digits &= one & other;
    }
    all_digits.then_some(bytes)
}

/// What a digit stands for, and whether it is one.
fn value(digit: u8) -> (u8, bool) {
    let (decimal, letter) = (digit.wrapping_sub(b'0'), (digit | 0x20).wrapping_sub(b'a'));
    let value = if decimal < 10 { decimal } else { letter.wrapping_add(10) };
    (value, (decimal < 10) | (letter < 6))
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
        for digit in u8::MIN..=u8::MAX {
            let expected = char::from(digit).to_digit(16).map(|value| [value as u8]);
            assert_eq!(decode::<1>(&[b'0', digit]), expected, "{digit}");
        }
    }
}
