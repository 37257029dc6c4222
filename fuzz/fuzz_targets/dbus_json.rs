//! D-Bus bodies from any service as JSON, and JSON from any page as D-Bus values: what is written is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::dbus_json::{Endian, body_from_json, body_to_json, single_types};

fuzz_target!(|input: (&str, bool, &[u8])| {
    let (signature, big, body) = input;
    let endian = if big { Endian::Big } else { Endian::Little };

    let mut json = String::new();
    if body_to_json(signature, body, endian, &[], &mut json).is_ok() {
        let values: Vec<&serde_json::value::RawValue> =
            serde_json::from_str(&json).expect("what was written is a JSON array");
        let types = single_types(signature).expect("the signature was accepted");
        assert_eq!(values.len(), types.len());
    }
    if let Ok(arguments) = serde_json::from_slice::<Vec<serde_json::Value>>(body) {
        let _refused_or_not = body_from_json(signature, &arguments);
    }
});
