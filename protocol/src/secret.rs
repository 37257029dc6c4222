//! `Secret`: bytes that must not be seen again.
//!
//! Passwords, password hashes and tokens travel in this type from the moment they are read until they are used.
//! It is wiped on drop, cannot be cloned, printed or serialised, and compares in constant time only by its
//! user's own choice. Callers: `session` (PAM answers), `server` (the login request), `bridge` (prompts).

use zeroize::Zeroizing;

/// Bytes that are wiped when dropped and never printed.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `bytes`; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one call that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

#[test]
fn a_secret_prints_nothing_of_itself() {
    let secret = Secret::from("hunter2".to_owned());

    assert_eq!(format!("{secret:?}"), "Secret(..)");
}
