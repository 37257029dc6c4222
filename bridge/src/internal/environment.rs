//! `/environment`: the environment of the bridge, which is that of the user's login.

use std::collections::HashMap;

/// The object.
pub(super) struct Environment;

#[zbus::interface(name = "cockpit.Environment")]
impl Environment {
    /// Variables that are text.
    #[expect(clippy::unused_self, reason = "a property of an object has one")]
    #[zbus(property(emits_changed_signal = "const"))]
    fn variables(&self) -> HashMap<String, String> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }
}
