//! The least that a new password must be where nobody else judges it (T19).
//!
//! Policy for passwords is PAM's. Where no module of the service's stack has one, a new password has at least
//! [`LEAST`] characters beside the user's name; nowhere is it that name. Callers: `pam` before an expired password is
//! changed, `dialogue` when a new one was typed. It reads PAM's service files (`pam.d(5)`), which are root's, and never
//! decides what an account may do.

use std::fs;
use std::path::Path;

use protocol::secret::Secret;
use zeroize::Zeroizing;

/// Fewest characters of a new password.
const LEAST: usize = 12;

/// Where PAM looks for service files.
pub(crate) const SERVICE_FOLDERS: [&str; 4] =
    ["/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d", "/usr/etc/pam.d"];

/// Modules that judge new passwords.
const JUDGES: [&str; 4] = ["pam_pwquality", "pam_passwdqc", "pam_cracklib", "pam_pwcheck"];

/// How deep service files may include each other.
const DEEPEST: u8 = 8;

/// What is asked of one user's new password.
pub(crate) struct Floor {
    user: String,
    least: usize,
}

impl Floor {
    pub(crate) fn of(service: &str, user: &str) -> Self {
        let least = if is_judged(service, DEEPEST) { 1 } else { LEAST };
        Self { user: user.to_lowercase(), least }
    }

    /// Why `password` may not be the new one, for the user.
    pub(crate) fn refusal(&self, password: &Secret) -> Option<String> {
        let text = std::str::from_utf8(password.expose()).unwrap_or_default();
        let text = Zeroizing::new(text.to_lowercase());
        let beside_name = match self.user.as_str() {
            "" => text.chars().count(),
            user if self.least == 1 => usize::from(*text != user),
            user => text.split(user).map(|part| part.chars().count()).sum(),
        };
        let least = self.least;
        let text = if least == 1 {
            "The new password must be another word than your user name.".to_owned()
        } else {
            format!("The new password must have at least {least} characters beside your user name.")
        };
        (beside_name < least).then_some(text)
    }
}

/// Whether a module in `service`, or in what it includes, judges new passwords.
fn is_judged(service: &str, depth: u8) -> bool {
    let read = |folder: &&str| fs::read_to_string(Path::new(folder).join(service)).ok();
    let text = SERVICE_FOLDERS.iter().find_map(read).unwrap_or_default();
    text.replace("\\\n", " ").lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            _ if depth == 0 => false,
            ["@include", file, ..]
            | ["password" | "-password", "include" | "substack", file, ..] => {
                is_judged(file, depth - 1)
            }
            ["password" | "-password", module @ ..] => module
                .iter()
                .any(|word| JUDGES.iter().any(|judge| word.contains(judge))),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(least: usize, password: &str) -> bool {
        let floor = Floor { user: "ada".to_owned(), least };
        floor.refusal(&Secret::from(password.to_owned())).is_some()
    }

    #[test]
    fn a_new_password_has_twelve_characters_beside_the_name() {
        for short in ["", "eleven char", "adaadaadaada", "ADA-eleven.c", "äääääääääää"] {
            assert!(refuses(LEAST, short), "{short}");
        }
        for long in ["twelve chars", "Ada-and-twelve.", "ääääääääääää"] {
            assert!(!refuses(LEAST, long), "{long}");
        }
    }

    #[test]
    fn where_a_module_judges_only_the_name_is_refused() {
        assert!(refuses(1, "Ada") && refuses(1, "ada"));
        assert!(!refuses(1, "adaada") && !refuses(1, "x"));
    }
}
