//! `/packages`: the manifests of the packages that are installed here.

use std::sync::{Arc, Weak};

use zbus::Connection;

use crate::Bridge;

/// Where the object is.
pub(super) const PATH: &str = "/packages";

/// The object.
pub(super) struct Packages(Weak<Bridge>);

impl Packages {
    /// The object of `bridge`.
    pub(super) fn new(bridge: &Arc<Bridge>) -> Self {
        Self(Arc::downgrade(bridge))
    }
}

#[zbus::interface(name = "cockpit.Packages")]
impl Packages {
    /// All manifests as JSON text, by package.
    #[zbus(property)]
    fn manifests(&self) -> String {
        let manifests = self
            .0
            .upgrade()
            .map(|bridge| bridge.packages().manifests_json());
        manifests.as_deref().unwrap_or("{}").to_owned()
    }

    /// Reads the packages anew.
    fn reload(&self) {
        if let Some(bridge) = self.0.upgrade() {
            bridge.packages().reload();
        }
    }

    /// Reads the packages anew when they may have changed.
    fn reload_hint(&self) {
        if let Some(bridge) = self.0.upgrade() {
            bridge.packages().reload_hint();
        }
    }
}

/// Tells of changes for as long as the objects are there.
pub(super) fn follow(objects: &Connection, bridge: &Bridge) {
    let server = objects.object_server().clone();
    let mut changes = bridge.packages().changes();
    tokio::spawn(async move {
        let Ok(packages) = server.interface::<_, Packages>(PATH).await else { return };
        while changes.changed().await.is_ok() {
            let object = packages.get().await;
            let _nobody_listens = object.manifests_changed(packages.signal_emitter()).await;
        }
    });
}
