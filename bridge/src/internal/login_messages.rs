//! `/LoginMessages`: what PAM said at login, for the page to show once.
//!
//! `session` leaves the lines in a memory file whose descriptor the bridge inherits.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::RawFd;

use serde_json::json;

/// The variable that holds the descriptor's number.
const VARIABLE: &str = "PILOTHOUSE_LOGIN_MESSAGES_FD";

/// Bytes of messages that are read at most: a login says a few lines.
const MAX_MESSAGES: u64 = 64 << 10;

/// The object.
pub(super) struct LoginMessages(Vec<String>);

impl LoginMessages {
    /// The messages that this process inherited; none when it did not.
    pub(super) fn inherited() -> Self {
        let number = std::env::var(VARIABLE).ok();
        number
            .and_then(|number| number.parse().ok())
            .map_or_else(|| Self(Vec::new()), Self::from_descriptor)
    }

    /// A process that took stock of its descriptors at its start gives this one away; one that did not opens it anew.
    fn from_descriptor(number: RawFd) -> Self {
        command_fds::inherited::take_fd_ownership(number)
            .map(File::from)
            .or_else(|_not_taken_stock| File::open(format!("/proc/self/fd/{number}")))
            .map_or_else(|_| Self(Vec::new()), Self::from_file)
    }

    fn from_file(mut file: File) -> Self {
        let mut bytes = Vec::new();
        let read = file
            .rewind()
            .and_then(|()| file.take(MAX_MESSAGES).read_to_end(&mut bytes));
        let lines = read.map(|_| String::from_utf8_lossy(&bytes).into_owned());
        Self(
            lines
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect(),
        )
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
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"Last login: today\nYour \"password\" expires\n")
        .unwrap();
    let mut messages = LoginMessages::from_descriptor(std::os::fd::AsRawFd::as_raw_fd(&file));
    assert_eq!(messages.get(), r#"{"messages":["Last login: today","Your \"password\" expires"]}"#);
    messages.dismiss();
    assert_eq!(messages.get(), "{}");
}
