//! Which translation a browser wants.
//!
//! Source: RFC 9110, 12.5.4. Translations are files `po.de.js`, `po.pt_BR.js`. Caller: `packages::answer`.

/// Most languages that are looked at; browsers send five.
const MAX_LANGUAGES: usize = 16;

/// The names of translations to try, best first, as they stand in file names. `de-at` is followed by `de`. English needs
/// none: the list ends there.
pub(super) fn translations(accept_language: &str) -> Vec<String> {
    let mut ranges: Vec<(&str, f32)> = accept_language
        .split(',')
        .take(MAX_LANGUAGES)
        .filter_map(range)
        .collect();
    ranges.sort_by(|one, other| other.1.total_cmp(&one.1));
    let mut names = Vec::new();
    for (range, _) in ranges {
        let (language, rest) = range.split_once(['-', '_']).unwrap_or((range, ""));
        let language = language.to_ascii_lowercase();
        if language == "en" {
            break;
        }
        if !rest.is_empty() {
            let region = rest.rsplit(['-', '_']).next().unwrap_or_default();
            push_new(&mut names, format!("{language}_{}", region.to_ascii_uppercase()));
        }
        push_new(&mut names, language);
    }
    names
}

/// Language and weight of one part; `None` when it is none, or unwanted.
fn range(part: &str) -> Option<(&str, f32)> {
    let (range, parameters) = part.split_once(';').unwrap_or((part, ""));
    let range = range.trim();
    let weight = match parameters.trim().strip_prefix("q=") {
        Some(weight) => weight.trim().parse().ok()?,
        None => 1.0,
    };
    let is_name = !range.is_empty()
        && range
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    (is_name && weight > 0.0).then_some((range, weight))
}

fn push_new(names: &mut Vec<String>, name: String) {
    if !names.contains(&name) {
        names.push(name);
    }
}

#[test]
fn languages_are_sorted_by_weight_and_end_at_english() {
    for (header, wanted) in [
        ("", &[][..]),
        ("de", &["de"]),
        ("de-at", &["de_AT", "de"]),
        ("de-AT,de;q=0.9,fr;q=0.5", &["de_AT", "de", "fr"]),
        ("fr;q=0.2, pt-br;q=0.8", &["pt_BR", "pt", "fr"]),
        ("zh-hans-cn", &["zh_CN", "zh"]),
        ("de, en-US;q=0.8, fr;q=0.5", &["de"]),
        ("*, ../../x, de;q=x, it;q=0, cs", &["cs"]),
    ] {
        assert_eq!(translations(header), wanted, "{header}");
    }
}
