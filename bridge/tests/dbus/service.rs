//! The service that tests talk to: an object manager, a tree without one, properties, signals, and odd methods.

#![expect(clippy::unused_self, reason = "methods of an object have one")]
#![expect(clippy::needless_pass_by_value, reason = "zbus gives headers by value")]

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::OwnedFd;

use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedVariant, interface};

/// The service's name.
pub(crate) const NAME: &str = "org.example.Test";

/// Starts the service on the bus at `address`.
pub(crate) async fn start(address: &str) -> Connection {
    start_as(address, NAME).await
}

/// Starts it under another name.
pub(crate) async fn start_as(address: &str, name: &str) -> Connection {
    let connection = zbus::connection::Builder::address(address)
        .name(name.to_owned())
        .serve_at("/test", Test)
        .serve_at("/managed", zbus::fdo::ObjectManager)
        .serve_at("/managed/one", Item::new("one"))
        .serve_at("/managed/two", Item::new("two"))
        .serve_at("/tree/a", Item::new("a"))
        .serve_at("/tree/a/b", Item::new("b"))
        .build();
    connection.await.unwrap()
}

/// Methods.
pub(crate) struct Test;

#[interface(name = "org.example.Test")]
impl Test {
    fn add(&self, one: u32, other: u32) -> u32 {
        one + other
    }

    fn echo(&self, value: OwnedVariant) -> OwnedVariant {
        value
    }

    fn bytes(&self, bytes: Vec<u8>, more: HashMap<u32, String>) -> (Vec<u8>, HashMap<u32, String>) {
        (bytes, more)
    }

    fn huge(&self, bytes: u32) -> Vec<u8> {
        vec![0; bytes as usize]
    }

    fn limits(&self) -> (u64, i64, f64, f64) {
        (u64::MAX, i64::MIN, f64::NAN, 0.5)
    }

    fn fail(&self, why: &str) -> zbus::fdo::Result<()> {
        Err(zbus::fdo::Error::FileNotFound(why.to_owned()))
    }

    fn file(&self) -> zbus::OwnedFd {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"inside").unwrap();
        OwnedFd::from(file).into()
    }

    /// Whether the caller may be asked for a password meanwhile.
    fn may_ask(&self, #[zbus(header)] header: zbus::message::Header<'_>) -> bool {
        let flags = header.primary().flags();
        flags.contains(zbus::message::Flags::ALLOW_INTERACTIVE_AUTH)
    }

    async fn never(&self) {
        std::future::pending::<()>().await;
    }

    async fn announce(&self, what: &str, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        Self::announced(&emitter, what, 7).await.unwrap();
    }

    #[zbus(signal)]
    pub(crate) async fn announced(
        emitter: &SignalEmitter<'_>,
        what: &str,
        number: u32,
    ) -> zbus::Result<()>;

    async fn create(&self, name: &str, #[zbus(object_server)] server: &zbus::ObjectServer) {
        server
            .at(format!("/managed/{name}"), Item::new(name))
            .await
            .unwrap();
    }

    async fn destroy(&self, name: &str, #[zbus(object_server)] server: &zbus::ObjectServer) {
        server
            .remove::<Item, _>(format!("/managed/{name}"))
            .await
            .unwrap();
    }
}

/// Properties.
pub(crate) struct Item {
    name: String,
    count: u32,
}

impl Item {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), count: 0 }
    }
}

#[interface(name = "org.example.Item")]
impl Item {
    #[zbus(property)]
    fn name(&self) -> &str {
        &self.name
    }

    #[zbus(property)]
    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    #[zbus(property)]
    fn count(&self) -> u32 {
        self.count
    }

    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn doubled(&self) -> u32 {
        self.count * 2
    }

    /// Counts, tells of it, and only then replies.
    async fn increase(&mut self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) -> u32 {
        self.count += 1;
        self.count_changed(&emitter).await.unwrap();
        self.doubled_invalidate(&emitter).await.unwrap();
        self.count
    }
}
