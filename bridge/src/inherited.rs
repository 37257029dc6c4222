//! What the bridge inherits from the login that started it: a password, and PAM's messages.
//!
//! `session` leaves descriptors open and names their numbers in the environment. They are read and closed before
//! anything else is done, so that no program of the user ever gets them. Caller: `program`.

use std::fs::File;
use std::io::Read as _;

use protocol::secret::Secret;

/// Environment variable with the number of the descriptor from which the password is read to its end.
pub const PASSWORD_FD: &str = "PILOTHOUSE_PASSWORD_FD";

/// Environment variable with the number of the descriptor of a file with PAM's messages.
pub const LOGIN_MESSAGES_FD: &str = "PILOTHOUSE_LOGIN_MESSAGES_FD";

/// Longest password in bytes, and most of the messages: both end where the login's own message would.
const MOST: u64 = 64 << 10;

/// The lowest number of a descriptor that is not one of the three that every process has.
const FIRST_NUMBER: i32 = 3;

/// What was inherited.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The password of the login, if its user wants it used for superuser access and other hosts.
    pub password: Option<Secret>,
    /// What PAM had to say at the login; may be empty.
    pub login_messages: String,
}

impl Inherited {
    /// Reads and closes what was inherited. To be called before any descriptor is opened.
    pub fn take() -> Self {
        let password = read(PASSWORD_FD).filter(|password| !password.is_empty());
        let messages = read(LOGIN_MESSAGES_FD).unwrap_or_default();
        Self {
            password: password.map(Secret::new),
            login_messages: String::from_utf8_lossy(&messages).into_owned(),
        }
    }
}

/// The content of the descriptor whose number stands in `variable`. It is opened anew through `/proc`, which makes a
/// descriptor of our own, and the inherited number is closed.
fn read(variable: &str) -> Option<Vec<u8>> {
    let number: i32 = std::env::var(variable).ok()?.parse().ok()?;
    if number < FIRST_NUMBER {
        return None;
    }
    let file = File::open(format!("/proc/self/fd/{number}")).ok()?;
    let _it_was_open = nix::unistd::close(number);
    let mut content = Vec::with_capacity(4 << 10);
    file.take(MOST).read_to_end(&mut content).ok()?;
    Some(content)
}
