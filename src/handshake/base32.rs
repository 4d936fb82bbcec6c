//! Crockford's base 32, in capitals: nothing in it that a 7-bit line or a person reading aloud could confuse.

/// The digits, without I, L, O and U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Writes bytes, the first bit first; what is left of the last digit is zeros.
pub(super) fn encode(bytes: &[u8]) -> String {
    let digit = |index: usize| {
        let value = (0..5).fold(0, |value: usize, bit| {
            let place = index * 5 + bit;
            let byte = bytes.get(place / 8).copied().unwrap_or_default();
            value << 1 | usize::from(byte >> (7 - place % 8) & 1)
        });
        DIGITS.get(value).copied().map(char::from)
    };
    (0..(bytes.len() * 8).div_ceil(5)).filter_map(digit).collect()
}

/// Reads as many bytes as are wanted; `None` if the text is not exactly what [`encode`] writes. Letters may be small, and
/// I, L and O stand for the digits that they look like.
pub(super) fn decode<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    let mut digits = 0;
    for (index, character) in text.bytes().enumerate() {
        let canonical = match character.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
        let value = DIGITS.iter().position(|digit| *digit == canonical)?;
        for bit in (0..5).filter(|bit| value >> (4 - bit) & 1 == 1) {
            let place = index * 5 + bit;
            // A bit behind the last byte is none that was written.
            *bytes.get_mut(place / 8)? |= 1 << (7 - place % 8);
        }
        digits += 1;
    }
    (digits == (LENGTH * 8).div_ceil(5)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_written_as_others_write_it() {
        assert_eq!(encode(b""), "");
        assert_eq!(encode(b"f"), "CR");
        assert_eq!(encode(b"foobar"), "CSQPYRK1E8");
        assert_eq!(encode(&[0xff; 16]).len(), 26);
        assert_eq!(encode(&[0xff; 64]).len(), 103);
        assert_eq!(decode(" CR"), None::<[u8; 1]>);
        assert_eq!(decode("cr"), Some(*b"f"));
        assert_eq!(decode("CSQPYRKLE8"), Some(*b"foobar"), "L for 1");
    }

    #[test]
    fn there_is_one_text_for_the_same_bytes() {
        for bad in ["", "C", "CS", "CRR", "CU", "C*"] {
            assert_eq!(decode::<1>(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: [u8; 16], text in "[0-9A-Za-z ]{0,40}") {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
            if let Some(read) = decode::<16>(&text) {
                prop_assert_eq!(encode(&read), text.to_uppercase().replace(['I', 'L'], "1").replace('O', "0"));
            }
        }
    }
}
