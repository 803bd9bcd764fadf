//! GPT-2's spelling of the 256 bytes as printable characters, in which byte-level vocabularies are written.

use std::sync::LazyLock;

/// The characters of the bytes, by byte.
pub(crate) static CHARS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut moved = 0;
    std::array::from_fn(|byte| {
        let byte = byte as u8;
        if matches!(byte, 33..=126 | 161..=172 | 174..=255) {
            return char::from(byte);
        }
        // Bytes that do not print have the characters from U+0100 on, in order.
        moved += 1;
        char::from_u32(255 + moved).expect("far below the surrogates")
    })
});

/// The bytes of the characters up to U+0143, the last one used.
static BYTES: LazyLock<[Option<u8>; 0x144]> = LazyLock::new(|| {
    let mut bytes = [None; 0x144];
    (0..=255_u8).for_each(|byte| bytes[CHARS[usize::from(byte)] as usize] = Some(byte));
    bytes
});

/// The byte that this character stands for.
pub(crate) fn byte(character: char) -> Option<u8> {
    *BYTES.get(character as usize)?
}

/// The bytes of a token spelled in the alphabet. What is not of the alphabet stays as it is: files exist whose added
/// tokens are written plainly and marked as normal ones.
pub(crate) fn unspell(token: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(token.len());
    for chunk in token.utf8_chunks() {
        for character in chunk.valid().chars() {
            match byte(character) {
                Some(byte) => out.push(byte),
                None => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        assert!((0..=255_u8).all(|wanted| byte(CHARS[usize::from(wanted)]) == Some(wanted)));
        assert_eq!((CHARS[32], CHARS[10], CHARS[0], CHARS[173]), ('Ġ', 'Ċ', 'Ā', 'Ń'));
    }

    #[test]
    fn what_is_not_of_the_alphabet_stays() {
        assert_eq!(unspell("Ġtwo words漢".as_bytes()), " two words漢".as_bytes());
        assert_eq!(unspell(b"\xff\xfe"), b"\xff\xfe");
    }
}
