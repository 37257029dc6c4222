//! One line of `~/.ssh/config`: a keyword and its words.

/// The words behind a keyword, without their quotes.
pub(super) type Words = Vec<String>;

/// A line that says something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The keyword in lower case: keywords have no case.
    pub(super) keyword: String,
    pub(super) words: Words,
}

impl Line {
    /// Takes a line apart; `None` when it says nothing. Keyword and words are parted by blanks or one `=`.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, &'static str> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let end = line
            .find(|character: char| character.is_whitespace() || character == '=')
            .unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('=').unwrap_or(rest);
        let words = words(rest)?;
        if words.is_empty() {
            return Err("a keyword without a value");
        }
        Ok(Some(Self { keyword: keyword.to_ascii_lowercase(), words }))
    }
}

fn words(text: &str) -> Result<Words, &'static str> {
    let mut words = Words::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"').ok_or("a quote that does not end")?
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            rest.split_at(end)
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

#[test]
fn keyword_and_words_are_parted_as_ssh_does() {
    let parsed = |line| Line::parse(line).map(|line| line.map(|line| (line.keyword, line.words)));
    let words = |keyword: &str, words: &[&str]| {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        Ok(Some((keyword.to_owned(), words)))
    };
    assert_eq!(parsed("  HostName\tweb1 "), words("hostname", &["web1"]));
    assert_eq!(parsed("Port=2222"), words("port", &["2222"]));
    assert_eq!(parsed("Port = 2222 # why"), words("port", &["2222"]));
    assert_eq!(
        parsed(r#"IdentityFile "~/.ssh/my key""#),
        words("identityfile", &["~/.ssh/my key"])
    );
    assert_eq!(parsed("Host a *.b !c"), words("host", &["a", "*.b", "!c"]));
    assert_eq!(parsed("# Host a"), Ok(None));
    assert!(parsed("Host").is_err());
    assert!(parsed("User \"ada").is_err());
}
