//! `/LoginMessages`: what PAM said at login, for the page to show once.
//!
//! The bridge has them from the login that started it: `inherited`.

use serde_json::json;

/// The object.
pub(super) struct LoginMessages(Vec<String>);

impl LoginMessages {
    /// The messages of a login, one a line.
    pub(super) fn new(lines: &str) -> Self {
        Self(lines.lines().map(str::to_owned).collect())
    }
}

#[zbus::interface(name = "cockpit.LoginMessages")]
impl LoginMessages {
    /// The messages as JSON text.
    fn get(&self) -> String {
        if self.0.is_empty() { "{}".to_owned() } else { json!({ "messages": self.0 }).to_string() }
    }

    fn dismiss(&mut self) {
        self.0.clear();
    }
}

#[test]
fn messages_are_lines_until_they_are_dismissed() {
    let mut messages = LoginMessages::new("Last login: today\nYour \"password\" expires\n");
    assert_eq!(messages.get(), r#"{"messages":["Last login: today","Your \"password\" expires"]}"#);
    messages.dismiss();
    assert_eq!(messages.get(), "{}");
}
