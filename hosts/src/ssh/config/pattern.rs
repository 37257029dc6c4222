//! Patterns of hosts: `ssh_config(5)`, "PATTERNS".

/// Whether a `Host` line with these patterns is about `host`: one of them matches, and none of those with `!`.
pub(super) fn host_matches(patterns: &[String], host: &str) -> bool {
    let mut matched = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if name_matches(negated, host) => return false,
            Some(_) => {}
            None => matched |= name_matches(pattern, host),
        }
    }
    matched
}

/// Whether `name` is what `pattern` says: `*` stands for any characters, `?` for one. Case does not count.
pub(super) fn name_matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    // Where the last star was, and how much of the name it has taken: going back to it is enough.
    let (mut at, mut taken, mut star) = (0, 0, None);
    while taken < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, taken));
                at += 1;
            }
            Some(&one) if one == '?' || name.get(taken) == Some(&one) => {
                at += 1;
                taken += 1;
            }
            Some(_) | None => {
                let Some((behind, begun)) = star else { return false };
                star = Some((behind, begun + 1));
                at = behind + 1;
                taken = begun + 1;
            }
        }
    }
    pattern
        .get(at..)
        .unwrap_or_default()
        .iter()
        .all(|&rest| rest == '*')
}

#[test]
fn stars_and_question_marks_match_as_in_ssh() {
    for (pattern, name, matches) in [
        ("*", "web1", true),
        ("web?", "web1", true),
        ("web?", "web", false),
        ("*.example.org", "web1.example.org", true),
        ("*.example.org", "example.org", false),
        ("WEB1", "web1", true),
        ("w*b*1", "web-of-bees-1", true),
        ("w*b*2", "web-of-bees-1", false),
        ("", "a", false),
        ("a**", "a", true),
    ] {
        assert_eq!(name_matches(pattern, name), matches, "{pattern} {name}");
    }
}

#[test]
fn a_negated_pattern_wins_and_matches_nothing_by_itself() {
    let patterns = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
    assert!(host_matches(&patterns(&["*.org", "!bad.org"]), "good.org"));
    assert!(!host_matches(&patterns(&["*.org", "!bad.org"]), "bad.org"));
    assert!(!host_matches(&patterns(&["!bad.org"]), "good.org"));
}
