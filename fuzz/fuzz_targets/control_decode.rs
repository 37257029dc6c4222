//! Control messages: what is read and written again is read as the same message, and the relay, which reads only the
//! command and the channel, accepts all that the whole parser accepts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::control::Control;

fuzz_target!(|message: &[u8]| {
    let passed_on = server::reads_control(message);
    if let Ok(control) = Control::parse(message) {
        // A command may be empty text for the whole parser; the relay has no use for one.
        let nameless = matches!(&control, Control::Other { command, .. } if command.is_empty());
        assert!(passed_on || nameless, "the relay refuses what a bridge takes");
        let written = control.to_bytes();
        match Control::parse(&written) {
            Ok(again) => assert_eq!(again, control),
            Err(error) => panic!("{error}: {written:?} was written for {message:?}"),
        }
    }
});
