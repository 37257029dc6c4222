//! Introspection data of any service: what is read can be shown to the page as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::dbus_json::Introspection;

fuzz_target!(|xml: &str| {
    if let Ok(object) = Introspection::parse(xml) {
        for interface in object.interfaces.values() {
            let mut json = String::new();
            interface.push_meta(&mut json);
            let read: Result<&serde_json::value::RawValue, _> = serde_json::from_str(&json);
            assert!(read.is_ok(), "{json}");
        }
    }
});
