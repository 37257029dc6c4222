//! Which signals a channel wants: the test in our table, and the rule that the bus is given.
//!
//! Source: D-Bus specification, "Match Rules".

use std::fmt::Write as _;
use std::sync::Arc;

/// Signals that are wanted. A missing part matches anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Who wants them.
    pub audience: Audience,
    /// Name of the sender, as the page knows it.
    pub name: Option<Arc<str>>,
    /// Object that sends.
    pub path: PathMatch,
    /// Interface of the signal.
    pub interface: Option<String>,
    /// Name of the signal.
    pub member: Option<String>,
    /// Its first argument, a string.
    pub arg0: Option<String>,
}

/// Who in a channel wants a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The page itself.
    Page,
    /// The cache of watched properties.
    Cache,
}

/// Objects by their path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatch {
    /// All.
    Any,
    /// One.
    Exactly(String),
    /// One and those below it.
    Below(String),
}

/// What the test needs to know of a signal.
#[derive(Debug)]
pub struct SignalHead<'a> {
    /// Path of the sending object.
    pub path: &'a str,
    /// Interface.
    pub interface: &'a str,
    /// Name.
    pub member: &'a str,
    /// First argument when it is a string.
    pub arg0: Option<&'a str>,
}

impl PathMatch {
    /// Whether an object with `path` is meant.
    pub fn covers(&self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(exactly) => exactly == path,
            Self::Below(root) => {
                root == "/"
                    || path
                        .strip_prefix(root.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

impl Match {
    /// Whether the signal is wanted, its sender aside.
    pub fn covers(&self, head: &SignalHead<'_>) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        same(&self.interface, head.interface)
            && same(&self.member, head.member)
            && self.path.covers(head.path)
            && self
                .arg0
                .as_deref()
                .is_none_or(|wanted| head.arg0 == Some(wanted))
    }

    /// The rule for the bus.
    pub fn rule(&self) -> String {
        let mut rule = String::from("type='signal'");
        let (path, namespace) = match &self.path {
            PathMatch::Any => (None, None),
            PathMatch::Exactly(path) => (Some(path.as_str()), None),
            PathMatch::Below(path) => (None, Some(path.as_str())),
        };
        for (key, value) in [
            ("sender", self.name.as_deref()),
            ("path", path),
            ("path_namespace", namespace),
            ("interface", self.interface.as_deref()),
            ("member", self.member.as_deref()),
            ("arg0", self.arg0.as_deref()),
        ] {
            if let Some(value) = value {
                // Within quotes nothing is special but the quote: it ends them, stands escaped, and they begin again.
                let _ = write!(rule, ",{key}='{}'", value.replace('\'', "'\\''"));
            }
        }
        rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> Match {
        Match {
            audience: Audience::Page,
            name: None,
            path: PathMatch::Any,
            interface: None,
            member: None,
            arg0: None,
        }
    }

    #[test]
    fn a_namespace_covers_its_root_and_what_is_below_it() {
        let below = PathMatch::Below("/a/b".to_owned());
        assert!(below.covers("/a/b") && below.covers("/a/b/c"));
        assert!(!below.covers("/a/bc") && !below.covers("/a"));
        assert!(PathMatch::Below("/".to_owned()).covers("/x"));
    }

    #[test]
    fn all_parts_of_a_match_must_fit() {
        let head = SignalHead { path: "/a", interface: "i.i", member: "M", arg0: Some("x") };
        assert!(any().covers(&head));
        assert!(Match { arg0: Some("x".into()), member: Some("M".into()), ..any() }.covers(&head));
        assert!(!Match { arg0: Some("y".into()), ..any() }.covers(&head));
        assert!(!Match { member: Some("N".into()), ..any() }.covers(&head));
        assert!(!Match { interface: Some("i.j".into()), ..any() }.covers(&head));
    }

    #[test]
    fn quotes_in_a_rule_are_escaped() {
        let quoted = Match { arg0: Some("it's".into()), name: Some("a.b".into()), ..any() };
        assert_eq!(quoted.rule(), r"type='signal',sender='a.b',arg0='it'\''s'");
    }
}
