//! `/user`: who the bridge's user is.

use crate::user;

/// The object.
pub(super) struct User(user::User);

impl User {
    /// The object for this user.
    pub(super) fn new(user: &user::User) -> Self {
        Self(user.clone())
    }
}

#[zbus::interface(name = "cockpit.User")]
impl User {
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.0.name.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn full(&self) -> String {
        self.0.full_name.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> i64 {
        self.0.uid.into()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn gid(&self) -> i64 {
        self.0.gid.into()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn home(&self) -> String {
        self.0.home.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn shell(&self) -> String {
        self.0.shell.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn groups(&self) -> Vec<String> {
        self.0.groups.clone()
    }
}
