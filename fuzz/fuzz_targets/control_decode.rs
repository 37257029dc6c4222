//! Control messages: what is read and written again is read as the same message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::control::Control;

fuzz_target!(|message: &[u8]| {
    if let Ok(control) = Control::parse(message) {
        let written = control.to_bytes();
        match Control::parse(&written) {
            Ok(again) => assert_eq!(again, control),
            Err(error) => panic!("{error}: {written:?} was written for {message:?}"),
        }
    }
});
