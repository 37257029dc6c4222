//! What of a file is text: all but NUL and bytes that are not UTF-8.
//!
//! Pieces of a file are cut anywhere; a character that is cut is put together again. Caller: `fsread1`.

/// Cleans one file, piece by piece.
#[derive(Debug, Default)]
pub(super) struct TextFilter {
    /// The beginning of a character whose rest has not come yet.
    cut: Vec<u8>,
    clean: String,
}

impl TextFilter {
    /// The text in `piece`, together with what was cut off the last one. A character that is cut at the end of the
    /// file is dropped like any other invalid bytes.
    pub(super) fn clean(&mut self, piece: &[u8]) -> &str {
        self.clean.clear();
        let rest = self.finish_cut_character(piece);
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            push_without_nul(&mut self.clean, chunk.valid());
            if chunks.peek().is_none() && may_be_continued(chunk.invalid()) {
                self.cut.extend_from_slice(chunk.invalid());
            }
        }
        &self.clean
    }

    /// Completes the cut character with the first bytes of `piece`; what is left of the piece.
    fn finish_cut_character<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let mut rest = piece;
        while !self.cut.is_empty() {
            let Some((&byte, after)) = rest.split_first() else {
                break;
            };
            if byte & 0xc0 != 0x80 {
                self.cut.clear();
                break;
            }
            self.cut.push(byte);
            rest = after;
            if let Ok(character) = std::str::from_utf8(&self.cut) {
                self.clean.push_str(character);
                self.cut.clear();
            } else if !may_be_continued(&self.cut) {
                self.cut.clear();
            }
        }
        rest
    }
}

fn push_without_nul(text: &mut String, more: &str) {
    for part in more.split('\0') {
        text.push_str(part);
    }
}

/// Whether `bytes` are the beginning of a character.
fn may_be_continued(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => false,
        Err(invalid) => invalid.valid_up_to() == 0 && invalid.error_len().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nul_and_invalid_bytes_are_dropped() {
        let mut filter = TextFilter::default();
        assert_eq!(filter.clean(b"a\0b\xffc\xe2\x28d"), "abc(d");
    }

    #[test]
    fn a_cut_character_is_put_together_and_one_that_never_ends_is_dropped() {
        let mut filter = TextFilter::default();
        let mut text = String::new();
        for byte in "ä€😀".bytes() {
            text.push_str(filter.clean(&[byte]));
        }
        text.push_str(filter.clean(b"\xe2\x82"));
        text.push_str(filter.clean(b"x"));
        assert_eq!(text, "ä€😀x");
    }

    proptest! {
        #[test]
        fn the_cut_makes_no_difference(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = TextFilter::default().clean(&bytes).to_owned();
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut filter = TextFilter::default();
            let mut parts = filter.clean(first).to_owned();
            parts.push_str(filter.clean(second));
            prop_assert_eq!(parts, whole);
        }
    }
}
