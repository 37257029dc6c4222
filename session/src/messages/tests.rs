//! What the messages keep, and what they refuse.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn for_pam() -> impl Strategy<Value = String> {
    "[^\\x00]{0,60}"
}

fn secret() -> impl Strategy<Value = Secret> {
    vec(1..=u8::MAX, 0..300).prop_map(Secret::new)
}

fn request() -> impl Strategy<Value = Request> {
    let reuse = prop_oneof![Just(ReusePassword::Forget), Just(ReusePassword::Keep)];
    let authenticate = (for_pam(), secret(), for_pam(), reuse).prop_map(
        |(user, password, remote_host, reuse_password)| Request::Authenticate {
            user,
            password,
            remote_host,
            reuse_password,
        },
    );
    prop_oneof![
        authenticate,
        vec(secret(), 0..=MAX_ANSWERS).prop_map(Request::Answer),
        Just(()).prop_map(|()| Request::StartBridge),
    ]
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let style = (0..4_u8).prop_map(|code| Style::from_code(code).unwrap());
    vec((style, ".{0,40}").prop_map(|(style, text)| Message { style, text }), 0..=MAX_MESSAGES)
}

fn reply() -> impl Strategy<Value = Reply> {
    let refused = ((0..8_u8).prop_map(|code| Refusal::from_code(code).unwrap()), messages());
    prop_oneof![
        messages().prop_map(Reply::Prompt),
        (".{0,40}", messages())
            .prop_map(|(user, messages)| Reply::Authenticated { user, messages }),
        refused.prop_map(|(reason, messages)| Reply::Refused { reason, messages }),
        any::<u32>().prop_map(|pid| Reply::BridgeStarted { pid }),
        any::<u32>().prop_map(|n| Reply::Ended { bridge: BridgeEnd::Exited(n) }),
        any::<u32>().prop_map(|n| Reply::Ended { bridge: BridgeEnd::Killed(n) }),
    ]
}

/// Everything a request holds, secrets included, in a form that can be compared.
fn content(request: &Request) -> (u8, Vec<Vec<u8>>) {
    match request {
        Request::Authenticate { user, password, remote_host, reuse_password } => (
            u8::from(*reuse_password == ReusePassword::Keep),
            vec![user.clone().into(), password.expose().to_vec(), remote_host.clone().into()],
        ),
        Request::Answer(answers) => (2, answers.iter().map(|a| a.expose().to_vec()).collect()),
        Request::StartBridge => (3, Vec::new()),
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [length.to_le_bytes().as_slice(), message].concat()
}

proptest! {
    #[test]
    fn a_request_survives_the_way_to_the_helper(request in request(), more in vec(any::<u8>(), 0..9)) {
        let mut bytes = request.encode().unwrap().to_vec();
        let length = bytes.len();
        bytes.extend(more);

        let (arrived, taken) = Request::decode(&bytes).unwrap().unwrap();

        prop_assert_eq!(taken, length);
        prop_assert_eq!(content(&arrived), content(&request));
    }

    #[test]
    fn a_reply_survives_the_way_to_the_server(reply in reply(), more in vec(any::<u8>(), 0..9)) {
        let mut bytes = reply.encode().unwrap();
        let length = bytes.len();
        bytes.extend(more);

        prop_assert_eq!(Reply::decode(&bytes).unwrap(), Some((reply, length)));
    }

    #[test]
    fn any_bytes_are_a_message_an_error_or_too_few(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Request::decode(&bytes);
        let _ = Reply::decode(&bytes);
    }

    #[test]
    fn any_message_of_a_known_kind_decodes_or_is_refused(
        kind in prop_oneof![1..=3_u8, 129..=133_u8],
        fields in vec(prop_oneof![3 => Just(0_u8), 1 => 0..6_u8, 1 => any::<u8>()], 0..80),
    ) {
        let bytes = framed(&[&[kind], fields.as_slice()].concat());

        let as_request = Request::decode(&bytes);
        let as_reply = Reply::decode(&bytes);

        prop_assert!(as_request.is_err() || as_reply.is_err());
        if let Ok(request) = as_request {
            let (request, taken) = request.unwrap();
            prop_assert_eq!(taken, bytes.len());
            prop_assert_eq!(request.encode().unwrap().to_vec(), bytes);
        } else if let Ok(reply) = as_reply {
            let (reply, taken) = reply.unwrap();
            prop_assert_eq!(taken, bytes.len());
            prop_assert_eq!(reply.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn a_message_that_is_not_whole_asks_for_more(request in request(), cut in any::<prop::sample::Index>()) {
        let bytes = request.encode().unwrap();

        let part = &bytes[..cut.index(bytes.len())];

        prop_assert!(Request::decode(part).unwrap().is_none());
    }
}

#[test]
fn a_long_message_is_refused_before_it_is_there() {
    let announced = u32::try_from(MAX_MESSAGE + 1).unwrap().to_le_bytes();

    assert_eq!(Request::decode(&announced).unwrap_err(), MessageError::TooLong);
    assert_eq!(Reply::decode(&announced).unwrap_err(), MessageError::TooLong);
}

#[test]
fn a_message_of_the_largest_size_passes_and_one_byte_more_does_not() {
    let answer = |bytes| Request::Answer(vec![Secret::new(vec![b'x'; bytes])]);
    let fixed = 1 + 4 + 4; // kind, count, length of the one answer

    let largest = answer(MAX_MESSAGE - fixed).encode().unwrap();
    let too_long = answer(MAX_MESSAGE - fixed + 1).encode();

    assert_eq!(largest.len(), LENGTH_BYTES + MAX_MESSAGE);
    assert!(Request::decode(&largest).unwrap().is_some());
    assert_eq!(too_long.unwrap_err(), MessageError::TooLong);
}

#[test]
fn a_buffer_with_a_secret_in_it_never_grows() {
    let request = Request::Answer(
        (0..MAX_ANSWERS)
            .map(|_| Secret::new(vec![7; 900]))
            .collect(),
    );

    let bytes = request.encode().unwrap();

    assert!(bytes.len() <= request.encoded_bound());
}

#[test]
fn a_zero_byte_cannot_cut_a_password_short() {
    let request = Request::Answer(vec![Secret::from("right\0rest".to_owned())]);
    let bytes = framed(&[&[ANSWER, 1, 0, 0, 0, 3, 0, 0, 0], b"a\0b".as_slice()].concat());

    assert_eq!(request.encode().unwrap_err(), MessageError::ZeroByte);
    assert_eq!(Request::decode(&bytes).unwrap_err(), MessageError::ZeroByte);
}

#[test]
fn names_and_lists_have_their_own_limits() {
    let long_name = Request::Authenticate {
        user: "a".repeat(MAX_USER + 1),
        password: Secret::new(Vec::new()),
        remote_host: String::new(),
        reuse_password: ReusePassword::Forget,
    };
    let many = Request::Answer((0..=MAX_ANSWERS).map(|_| Secret::new(Vec::new())).collect());
    let a_billion = framed(&[ANSWER, 0, 0, 0, 64]);

    assert_eq!(long_name.encode().unwrap_err(), MessageError::TooLong);
    assert_eq!(many.encode().unwrap_err(), MessageError::TooLong);
    assert_eq!(Request::decode(&a_billion).unwrap_err(), MessageError::TooLong);
}

#[test]
fn what_does_not_fit_exactly_is_refused() {
    assert_eq!(Request::decode(&framed(&[])).unwrap_err(), MessageError::Truncated);
    assert_eq!(Request::decode(&framed(&[99])).unwrap_err(), MessageError::UnknownKind(99));
    assert_eq!(Request::decode(&framed(&[START_BRIDGE, 0])).unwrap_err(), MessageError::Trailing);
    assert_eq!(
        Request::decode(&framed(&[ANSWER, 1, 0, 0, 0, 9, 0, 0, 0])).unwrap_err(),
        MessageError::Truncated
    );
    assert_eq!(
        Reply::decode(&framed(&[REFUSED, 8, 0, 0, 0, 0])).unwrap_err(),
        MessageError::UnknownChoice(8)
    );
    assert_eq!(
        Reply::decode(&framed(&[AUTHENTICATED, 1, 0, 0, 0, 0xff, 0, 0, 0, 0])).unwrap_err(),
        MessageError::NotUtf8
    );
}

#[test]
fn a_request_prints_no_password() {
    let request = Request::Authenticate {
        user: "ada".into(),
        password: Secret::from("hunter2".to_owned()),
        remote_host: "::1".into(),
        reuse_password: ReusePassword::Keep,
    };

    assert!(!format!("{request:?}").contains("hunter2"));
}
