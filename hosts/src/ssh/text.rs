//! Words of another machine, made harmless before they are shown (security rule T43).
//!
//! Banners, prompts and messages are text of whoever runs that machine. They are cut and lose everything that a terminal or
//! a text direction would obey. Called wherever such words leave this folder.

/// Longest text of a machine that is passed on, in characters (T31).
pub(super) const LONGEST: usize = 1_024;

/// What stands in the place of a character that is not passed on.
const REPLACED: char = '\u{fffd}';

/// `text` with nothing in it but what can be read, at most [`LONGEST`] characters.
pub(super) fn cleaned(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(LONGEST));
    // A line end of a terminal is one of a text.
    let mut characters = text.chars().filter(|&one| one != '\r');
    for character in characters.by_ref().take(LONGEST) {
        clean.push(if is_obeyed(character) { REPLACED } else { character });
    }
    if characters.next().is_some() {
        clean.push('…');
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// The end of `bytes` as such text: what a program said last is what matters.
pub(super) fn cleaned_end(bytes: &[u8]) -> String {
    let start = bytes.len().saturating_sub(LONGEST);
    let end = bytes.get(start..).unwrap_or_default();
    cleaned(
        String::from_utf8_lossy(end)
            .trim_start_matches(REPLACED)
            .trim(),
    )
}

/// Controls but tab and line feed, and what changes the direction of text or cannot be seen.
fn is_obeyed(character: char) -> bool {
    let allowed_control = character == '\n' || character == '\t';
    (character.is_control() && !allowed_control)
        || matches!(
            character,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[test]
fn nothing_that_a_terminal_obeys_is_left() {
    assert_eq!(cleaned("a\u{1b}[31mb\r\nc\td\u{9b}e"), "a\u{fffd}[31mb\nc\td\u{fffd}e");
    assert_eq!(cleaned("pay\u{202e}lagel\u{200b}\0"), "pay\u{fffd}lagel\u{fffd}\u{fffd}");
}

#[test]
fn long_words_are_cut() {
    let long = "x".repeat(LONGEST + 1);
    assert_eq!(cleaned(&long).chars().count(), LONGEST + 1);
    assert!(cleaned(&long).ends_with("x…"));
    assert_eq!(cleaned_end("é".repeat(2_000).as_bytes()).chars().next(), Some('é'));
}
