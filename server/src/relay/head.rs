//! The two members of a control message that the relay needs: `command` and `channel`.
//!
//! Everything else in it is for the other end and is not looked at, so that a flood of `pong` costs no tree. Messages
//! that change what the relay knows (`open`, `init`) are read whole with [`protocol::control`]. Caller: [`super`].

use std::borrow::Cow;

use protocol::names::ChannelId;
use serde::Deserialize;

/// What a control message is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    /// The command, never empty.
    pub(crate) command: Cow<'a, str>,
    /// The channel; `None` for messages about the link.
    pub(crate) channel: Option<Cow<'a, str>>,
}

/// Why a control message is refused: always its sender's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadError {
    /// Not UTF-8.
    #[error("control message is not UTF-8")]
    NotUtf8,
    /// Not one JSON object with text members.
    #[error("control message: {0}")]
    Json(#[from] serde_json::Error),
    /// No `command`.
    #[error("control message without a command")]
    NoCommand,
    /// The channel id is not one.
    #[error("control message: {0}")]
    Channel(#[from] protocol::names::ChannelIdError),
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    command: Cow<'a, str>,
    #[serde(borrow, default)]
    channel: Text<'a>,
}

/// A text, or nothing when it is `null` or absent.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Text<'a> {
    #[default]
    Nothing,
    #[serde(borrow)]
    Borrowed(&'a str),
    Owned(String),
}

impl<'a> Head<'a> {
    /// Reads the payload of a control frame.
    ///
    /// # Errors
    ///
    /// [`HeadError`]; the link that it came from ends.
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, HeadError> {
        let text = std::str::from_utf8(message).map_err(|_| HeadError::NotUtf8)?;
        let members: Members<'a> = serde_json::from_str(text)?;
        if members.command.is_empty() {
            return Err(HeadError::NoCommand);
        }
        let channel = match members.channel {
            Text::Nothing => None,
            Text::Borrowed(id) => Some(Cow::Borrowed(id)),
            Text::Owned(id) => Some(Cow::Owned(id)),
        };
        if let Some(id) = &channel {
            ChannelId::try_from(id.as_ref())?;
        }
        Ok(Self { command: members.command, channel })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::control::Control;

    use super::*;

    #[test]
    fn command_and_channel_are_found_among_other_members() {
        let head =
            Head::parse(br#"{"sequence":7,"channel":"1:2","x":{"channel":[]},"command":"pong"}"#)
                .unwrap();
        assert_eq!(head, Head { command: "pong".into(), channel: Some("1:2".into()) });

        let head = Head::parse(br#"{"command":"pi\u006eg","channel":null}"#).unwrap();
        assert_eq!(head, Head { command: "ping".into(), channel: None });
    }

    #[test]
    fn what_is_no_control_message_is_refused() {
        for text in [
            &b"[]"[..],
            b"{}",
            b"{\"command\":1}",
            b"{\"command\":\"ping\",\"command\":\"kill\"}",
            b"{\"command\":\"ping\",\"channel\":\"\"}",
            b"{\"command\":\"ping\",\"channel\":7}",
            b"{\"command\":\"ping\"} x",
            b"{\"command\":\"\xff\"}",
            b"",
        ] {
            assert!(Head::parse(text).is_err(), "{:?}", text.escape_ascii().to_string());
        }
        assert!(Head::parse(&[&b"{\"a\":"[..], &vec![b'['; 100_000]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn whatever_the_whole_parser_accepts_has_the_same_head(
            command in "[a-z]{1,8}",
            channel in prop::option::of("[!-~]{1,12}"),
            other in "\\PC{0,12}",
        ) {
            let mut object = serde_json::json!({ "command": command, "other": other });
            if let Some(channel) = &channel {
                object["channel"] = channel.as_str().into();
            }
            let text = object.to_string();
            let head = Head::parse(text.as_bytes());
            if let Ok(control) = Control::parse(text.as_bytes()) {
                let head = head.unwrap();
                prop_assert_eq!(head.command, command);
                if !matches!(control, Control::Init(_) | Control::Kill { .. }
                    | Control::Authorize { .. } | Control::SuperuserInitDone) {
                    prop_assert_eq!(
                        head.channel.as_deref(),
                        control.channel().map(ChannelId::as_str),
                    );
                }
            }
        }

        #[test]
        fn received_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _refused_or_not = Head::parse(&bytes);
        }
    }
}
