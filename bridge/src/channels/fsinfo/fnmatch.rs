//! Which names a pattern means: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`.
//!
//! As in fnmatch(3) without flags: a leading dot is a character like any other. Matching takes time proportional to
//! name times pattern at worst. Caller: `fsinfo`.

/// Whether `name` is one that `pattern` means.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut pattern, mut name) = (pattern.as_slice(), name.as_slice());
    // Where to go on when the last star must take one more character.
    let mut last_star = None;
    loop {
        if let Some((&'*', after)) = pattern.split_first() {
            pattern = after;
            last_star = Some((after, name));
            continue;
        }
        let Some((&character, rest)) = name.split_first() else {
            return pattern.is_empty();
        };
        if let Some(after) = match_one(pattern, character) {
            (pattern, name) = (after, rest);
            continue;
        }
        let Some((after_star, from)) = last_star else {
            return false;
        };
        let longer = from.get(1..).unwrap_or_default();
        (pattern, name) = (after_star, longer);
        last_star = Some((after_star, longer));
    }
}

/// What is left of `pattern` when its first part means `character`.
fn match_one(pattern: &[char], character: char) -> Option<&[char]> {
    let (&first, rest) = pattern.split_first()?;
    match first {
        '?' => Some(rest),
        '[' => match set(rest) {
            Some((set, after)) => set_holds(set, character).then_some(after),
            None => (character == '[').then_some(rest),
        },
        literal => (literal == character).then_some(rest),
    }
}

/// What stands between the brackets, and what comes after; a `]` that comes first belongs to the set.
fn set(pattern: &[char]) -> Option<(&[char], &[char])> {
    let first = usize::from(pattern.first() == Some(&'!'));
    let end = pattern
        .iter()
        .skip(first + 1)
        .position(|&character| character == ']')?
        + first
        + 1;
    Some((pattern.get(..end)?, pattern.get(end + 1..)?))
}

fn set_holds(set: &[char], character: char) -> bool {
    let (set, wanted) = match set.split_first() {
        Some((&'!', rest)) => (rest, false),
        Some(_) | None => (set, true),
    };
    let mut rest = set;
    let mut found = false;
    while let Some((&low, after)) = rest.split_first() {
        if let [dash, high, further @ ..] = after
            && *dash == '-'
        {
            found |= (low..=*high).contains(&character);
            rest = further;
        } else {
            found |= low == character;
            rest = after;
        }
    }
    found == wanted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_mean_what_a_shell_user_expects() {
        for (pattern, name, meant) in [
            ("*", "", true),
            ("*", ".hidden", true),
            ("", "", true),
            ("", "a", false),
            ("*.rs", "lib.rs", true),
            ("*.rs", "lib.rs.orig", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("?", "ä", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[", "[", true),
            ("[a-]", "-", true),
            ("x*", "y", false),
        ] {
            assert_eq!(matches(pattern, name), meant, "{pattern:?} {name:?}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        assert!(!matches(
            &"a*".repeat(50),
            &"a".repeat(200).replace("aaaaab", "b").replacen('a', "b", 1)
        ));
        assert!(!matches(&format!("{}b", "a*".repeat(100)), &"a".repeat(255)));
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[a\\[\\]!*?-]{0,12}", name in "[a\\]!-]{0,12}") {
            let _either = matches(&pattern, &name);
        }

        #[test]
        fn every_name_means_itself(name in "[a-z.]{0,12}") {
            prop_assert!(matches(&name, &name));
        }
    }
}
