//! Messages between the server and the root helper, in both directions: what is read and written again is the same
//! bytes, and no bytes are both a request and a reply.
#![no_main]

use libfuzzer_sys::fuzz_target;
use session::messages::{Reply, Request};

fuzz_target!(|received: &[u8]| {
    let request = Request::decode(received);
    let reply = Reply::decode(received);
    assert!(
        !matches!((&request, &reply), (Ok(Some(_)), Ok(Some(_)))),
        "a request that is a reply too"
    );
    if let Ok(Some((request, taken))) = request {
        let written = request.encode().expect("what was read can be written");
        assert_eq!(written.as_slice(), &received[..taken]);
    }
    if let Ok(Some((reply, taken))) = reply {
        let written = reply.encode().expect("what was read can be written");
        assert_eq!(written.as_slice(), &received[..taken]);
    }
});
