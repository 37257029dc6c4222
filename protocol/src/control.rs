//! Control messages: what is said about channels and about the link itself.
//!
//! A control message is one JSON object with the member `command`. Those with a `channel` go end to end, those without
//! travel one hop. Members that this version does not know are kept in `fields`, so that nothing a newer peer said is
//! lost on the way. Callers: `server::relay`, `bridge::router`. Text: docs/protocol.md, "Control messages".

use bytes::Bytes;
use serde_json::Value;

use crate::json::{self, Fields, JsonError};
use crate::names::{ChannelId, ChannelIdError};
use crate::problem::Problem;

/// The one version of the protocol there is.
pub const VERSION: u64 = 1;

/// A control message. Each variant's name is its `command`.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// The first message of each side of a link; may be sent again.
    Init(Init),
    /// Opens a channel.
    Open(Open),
    /// The channel is in use; `fields` are the payload's own (`pid`, `size-hint`, `unique-name`).
    Ready {
        /// The channel.
        channel: ChannelId,
        /// What the payload says beside.
        fields: Fields,
    },
    /// No more data will come from this side.
    Done {
        /// The channel.
        channel: ChannelId,
    },
    /// The channel is over, for both sides.
    Close {
        /// The channel.
        channel: ChannelId,
        /// Why, when it did not end well.
        problem: Option<Problem>,
        /// What the payload says beside (`message`, `exit-status`, `tag`).
        fields: Fields,
    },
    /// Changes options of an open channel (`window` of a terminal).
    Options {
        /// The channel.
        channel: ChannelId,
        /// The options that change.
        fields: Fields,
    },
    /// Asks for a `pong`: with a channel for flow control, without one to see that the link lives.
    Ping {
        /// The channel, or the link itself.
        channel: Option<ChannelId>,
        /// All that comes back unchanged, `sequence` among it.
        fields: Fields,
    },
    /// The answer to a `ping`.
    Pong {
        /// The channel, or the link itself.
        channel: Option<ChannelId>,
        /// All that the `ping` held.
        fields: Fields,
    },
    /// So many bytes of the channel were used (`send-acks`).
    Ack {
        /// The channel.
        channel: ChannelId,
        /// Bytes since the last `ack`.
        bytes: u64,
    },
    /// Closes all channels of a group, of a host, or of both at once.
    Kill {
        /// Only channels of this group.
        group: Option<String>,
        /// Only channels to this host.
        host: Option<String>,
    },
    /// A question about credentials, or its answer.
    Authorize {
        /// What is asked.
        challenge: Option<String>,
        /// What ties an answer to its question.
        cookie: Option<String>,
        /// The answer.
        response: Option<String>,
        /// All other members.
        fields: Fields,
    },
    /// Ends the session.
    Logout {
        /// The channel, when a `session-control` channel says it.
        channel: Option<ChannelId>,
        /// All other members.
        fields: Fields,
    },
    /// The privileged bridge that `init` asked for is there, or will not come.
    SuperuserInitDone,
    /// Any other command: forwarded when it names a channel.
    Other {
        /// The command.
        command: String,
        /// The channel, if it names one.
        channel: Option<ChannelId>,
        /// All other members.
        fields: Fields,
    },
}

/// The `init` message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Init {
    /// Version of the protocol; anything but [`VERSION`] is refused.
    pub version: u64,
    /// What the other end calls itself; the bridge's "not remote".
    pub host: Option<String>,
    /// Why the link cannot be used.
    pub problem: Option<Problem>,
    /// All other members (`capabilities`, `superuser`, `os-release`, `csrf-token`).
    pub fields: Fields,
}

/// The `open` message: what routing needs to know, and the rest for the payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// The channel, chosen by the sender.
    pub channel: ChannelId,
    /// Kind of the channel; absent in malformed messages and in some that only a peer bridge understands.
    pub payload: Option<String>,
    /// The host to reach, `user@host:port`; absent for this one.
    pub host: Option<String>,
    /// The user to be there.
    pub user: Option<String>,
    /// Which connection is used.
    pub session: SessionChoice,
    /// Whether the privileged bridge is asked.
    pub superuser: Superuser,
    /// The group for `kill`.
    pub group: Option<String>,
    /// Whether data are bytes or text.
    pub encoding: Encoding,
    /// Whether the bridge keeps to the window of `protocol::flow`.
    pub flow_control: FlowControl,
    /// Whether the bridge acknowledges bytes that it used.
    pub send_acks: SendAcks,
    /// All other members: the payload's options.
    pub options: Fields,
}

/// The `session` member of `open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionChoice {
    /// One connection for each host and user.
    #[default]
    Shared,
    /// A connection for this channel alone.
    Private,
}

/// The `superuser` member of `open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Superuser {
    /// The user's own bridge.
    #[default]
    No,
    /// The privileged bridge if it runs, else the user's own.
    Try,
    /// The privileged bridge, else `access-denied`.
    Require,
}

/// The `binary` member of `open`: which kind of WebSocket message carries the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Text messages; data are UTF-8 and no character is cut in two.
    #[default]
    Text,
    /// Binary messages.
    Binary,
}

/// The `flow-control` member of `open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlowControl {
    /// The sender does not wait.
    #[default]
    Off,
    /// The sender keeps to its window.
    On,
}

/// The `send-acks` member of `open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SendAcks {
    /// None.
    #[default]
    No,
    /// An `ack` with the number of bytes used.
    Bytes,
}

/// Why a control message is refused. Always the sender's fault; the link ends with `protocol-error`.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Not a JSON object within limits.
    #[error("control message: {0}")]
    Json(#[from] JsonError),
    /// A member has a value of the wrong kind.
    #[error("control message: member {0:?} has a value of the wrong kind")]
    BadMember(&'static str),
    /// A member that this command needs is not there.
    #[error("control message: member {0:?} is missing")]
    Missing(&'static str),
    /// The channel id is not one.
    #[error("control message: {0}")]
    Channel(#[from] ChannelIdError),
}

impl Control {
    /// Reads the payload of a control frame.
    ///
    /// # Errors
    ///
    /// [`ControlError`] says which member is wrong.
    pub fn parse(message: &[u8]) -> Result<Self, ControlError> {
        let mut members = Members(json::parse_object(message)?);
        let command = members
            .text("command")?
            .ok_or(ControlError::Missing("command"))?;
        let channel = members.channel()?;
        let named = |channel: Option<ChannelId>| channel.ok_or(ControlError::Missing("channel"));
        Ok(match command.as_str() {
            "init" => Self::Init(members.init()?),
            "open" => Self::Open(members.open(named(channel)?)?),
            "ready" => Self::Ready { channel: named(channel)?, fields: members.0 },
            "done" => Self::Done { channel: named(channel)? },
            "close" => Self::Close {
                channel: named(channel)?,
                problem: members.problem()?,
                fields: members.0,
            },
            "options" => Self::Options { channel: named(channel)?, fields: members.0 },
            "ping" => Self::Ping { channel, fields: members.0 },
            "pong" => Self::Pong { channel, fields: members.0 },
            "ack" => Self::Ack {
                channel: named(channel)?,
                bytes: members
                    .number("bytes")?
                    .ok_or(ControlError::Missing("bytes"))?,
            },
            "kill" => Self::Kill { group: members.text("group")?, host: members.text("host")? },
            "authorize" => Self::Authorize {
                challenge: members.text("challenge")?,
                cookie: members.text("cookie")?,
                response: members.text("response")?,
                fields: members.0,
            },
            "logout" => Self::Logout { channel, fields: members.0 },
            "superuser-init-done" => Self::SuperuserInitDone,
            _ => Self::Other { command, channel, fields: members.0 },
        })
    }

    /// The message as the payload of a control frame.
    pub fn to_bytes(&self) -> Bytes {
        let object = Value::Object(self.to_fields());
        Bytes::from(object.to_string())
    }

    /// The channel that the message is about; `None` for those of the link.
    pub fn channel(&self) -> Option<&ChannelId> {
        match self {
            Self::Open(open) => Some(&open.channel),
            Self::Ready { channel, .. }
            | Self::Done { channel }
            | Self::Close { channel, .. }
            | Self::Options { channel, .. }
            | Self::Ack { channel, .. } => Some(channel),
            Self::Ping { channel, .. }
            | Self::Pong { channel, .. }
            | Self::Logout { channel, .. }
            | Self::Other { channel, .. } => channel.as_ref(),
            Self::Init(_)
            | Self::Kill { .. }
            | Self::Authorize { .. }
            | Self::SuperuserInitDone => None,
        }
    }

    fn to_fields(&self) -> Fields {
        let mut members = match self {
            Self::Init(init) => init.to_fields(),
            Self::Open(open) => open.to_fields(),
            Self::Ready { fields, .. }
            | Self::Close { fields, .. }
            | Self::Options { fields, .. }
            | Self::Ping { fields, .. }
            | Self::Pong { fields, .. }
            | Self::Authorize { fields, .. }
            | Self::Logout { fields, .. }
            | Self::Other { fields, .. } => fields.clone(),
            Self::Done { .. } | Self::Ack { .. } | Self::Kill { .. } | Self::SuperuserInitDone => {
                Fields::new()
            }
        };
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        set("command", Some(self.command().into()));
        set("channel", self.channel().map(|id| id.as_str().into()));
        match self {
            Self::Close { problem, .. } => {
                set("problem", problem.as_ref().map(|p| p.code().into()));
            }
            Self::Ack { bytes, .. } => set("bytes", Some((*bytes).into())),
            Self::Kill { group, host } => {
                set("group", group.clone().map(Value::from));
                set("host", host.clone().map(Value::from));
            }
            Self::Authorize { challenge, cookie, response, .. } => {
                set("challenge", challenge.clone().map(Value::from));
                set("cookie", cookie.clone().map(Value::from));
                set("response", response.clone().map(Value::from));
            }
            Self::Init(_)
            | Self::Open(_)
            | Self::Ready { .. }
            | Self::Done { .. }
            | Self::Options { .. }
            | Self::Ping { .. }
            | Self::Pong { .. }
            | Self::Logout { .. }
            | Self::SuperuserInitDone
            | Self::Other { .. } => {}
        }
        members
    }

    fn command(&self) -> &str {
        match self {
            Self::Init(_) => "init",
            Self::Open(_) => "open",
            Self::Ready { .. } => "ready",
            Self::Done { .. } => "done",
            Self::Close { .. } => "close",
            Self::Options { .. } => "options",
            Self::Ping { .. } => "ping",
            Self::Pong { .. } => "pong",
            Self::Ack { .. } => "ack",
            Self::Kill { .. } => "kill",
            Self::Authorize { .. } => "authorize",
            Self::Logout { .. } => "logout",
            Self::SuperuserInitDone => "superuser-init-done",
            Self::Other { command, .. } => command,
        }
    }
}

impl Init {
    fn to_fields(&self) -> Fields {
        let mut members = self.fields.clone();
        members.insert("version".to_owned(), self.version.into());
        if let Some(host) = &self.host {
            members.insert("host".to_owned(), host.clone().into());
        }
        if let Some(problem) = &self.problem {
            members.insert("problem".to_owned(), problem.code().into());
        }
        members
    }
}

impl Open {
    /// An `open` of a kind of channel with all else at its default.
    pub fn new(channel: ChannelId, payload: &str) -> Self {
        Self {
            channel,
            payload: Some(payload.to_owned()),
            host: None,
            user: None,
            session: SessionChoice::default(),
            superuser: Superuser::default(),
            group: None,
            encoding: Encoding::default(),
            flow_control: FlowControl::default(),
            send_acks: SendAcks::default(),
            options: Fields::new(),
        }
    }

    fn to_fields(&self) -> Fields {
        let mut members = self.options.clone();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        set("payload", self.payload.clone().map(Value::from));
        set("host", self.host.clone().map(Value::from));
        set("user", self.user.clone().map(Value::from));
        set("group", self.group.clone().map(Value::from));
        set("session", (self.session == SessionChoice::Private).then(|| "private".into()));
        set(
            "superuser",
            match self.superuser {
                Superuser::No => None,
                Superuser::Try => Some("try".into()),
                Superuser::Require => Some("require".into()),
            },
        );
        set("binary", (self.encoding == Encoding::Binary).then(|| "raw".into()));
        set("flow-control", (self.flow_control == FlowControl::On).then(|| true.into()));
        set("send-acks", (self.send_acks == SendAcks::Bytes).then(|| "bytes".into()));
        members
    }
}

/// Members not yet taken out of a message.
struct Members(Fields);

impl Members {
    fn text(&mut self, name: &'static str) -> Result<Option<String>, ControlError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(ControlError::BadMember(name))
            }
        }
    }

    fn number(&mut self, name: &'static str) -> Result<Option<u64>, ControlError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or(ControlError::BadMember(name)),
        }
    }

    fn flag(&mut self, name: &'static str) -> Result<bool, ControlError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or(ControlError::BadMember(name)),
        }
    }

    fn channel(&mut self) -> Result<Option<ChannelId>, ControlError> {
        match self.text("channel")? {
            Some(id) => Ok(Some(ChannelId::parse(id.into())?)),
            None => Ok(None),
        }
    }

    fn problem(&mut self) -> Result<Option<Problem>, ControlError> {
        let code = self.text("problem")?.filter(|code| !code.is_empty());
        Ok(code.map(|code| Problem::from_code(&code)))
    }

    fn init(mut self) -> Result<Init, ControlError> {
        Ok(Init {
            version: self
                .number("version")?
                .ok_or(ControlError::Missing("version"))?,
            host: self.text("host")?,
            problem: self.problem()?,
            fields: self.0,
        })
    }

    fn open(mut self, channel: ChannelId) -> Result<Open, ControlError> {
        Ok(Open {
            channel,
            payload: self.text("payload")?,
            host: self.text("host")?,
            user: self.text("user")?,
            session: match self.text("session")?.as_deref() {
                Some("private") => SessionChoice::Private,
                Some(_) | None => SessionChoice::Shared,
            },
            superuser: self.superuser()?,
            group: self.text("group")?,
            encoding: match self.0.remove("binary") {
                None | Some(Value::Null | Value::Bool(false)) => Encoding::Text,
                Some(Value::Bool(true)) => Encoding::Binary,
                Some(Value::String(kind)) if kind == "raw" => Encoding::Binary,
                Some(_) => return Err(ControlError::BadMember("binary")),
            },
            flow_control: if self.flag("flow-control")? {
                FlowControl::On
            } else {
                FlowControl::Off
            },
            send_acks: match self.text("send-acks")?.as_deref() {
                None => SendAcks::No,
                Some("bytes") => SendAcks::Bytes,
                Some(_) => return Err(ControlError::BadMember("send-acks")),
            },
            options: self.0,
        })
    }

    fn superuser(&mut self) -> Result<Superuser, ControlError> {
        match self.0.remove("superuser") {
            None | Some(Value::Null | Value::Bool(false)) => Ok(Superuser::No),
            Some(Value::Bool(true)) => Ok(Superuser::Require),
            Some(Value::String(choice)) if choice == "require" => Ok(Superuser::Require),
            Some(Value::String(choice)) if choice == "try" => Ok(Superuser::Try),
            Some(_) => Err(ControlError::BadMember("superuser")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Control, ControlError> {
        Control::parse(text.as_bytes())
    }

    #[test]
    fn open_keeps_what_it_does_not_know_for_the_payload() {
        let message = parse(
            r#"{"command":"open","channel":"4","payload":"stream","superuser":true,"binary":"raw",
                "flow-control":true,"send-acks":"bytes","spawn":["true"]}"#,
        );
        let Ok(Control::Open(open)) = message else { panic!("{message:?}") };
        assert_eq!(open.superuser, Superuser::Require);
        assert_eq!(open.encoding, Encoding::Binary);
        assert_eq!(open.flow_control, FlowControl::On);
        assert_eq!(open.send_acks, SendAcks::Bytes);
        assert_eq!(open.options.keys().collect::<Vec<_>>(), ["spawn"]);
    }

    #[test]
    fn members_of_the_wrong_kind_are_named() {
        for (text, member) in [
            (r#"{"command":"open","channel":"4","payload":7}"#, "payload"),
            (r#"{"command":"open","channel":"4","superuser":"maybe"}"#, "superuser"),
            (r#"{"command":"open","channel":"4","binary":"hex"}"#, "binary"),
            (r#"{"command":"init","version":"1"}"#, "version"),
            (r#"{"command":[]}"#, "command"),
        ] {
            let refused = parse(text);
            let Err(ControlError::BadMember(name)) = refused else { panic!("{text}: {refused:?}") };
            assert_eq!(name, member);
        }
    }

    #[test]
    fn commands_about_channels_need_one() {
        for command in ["open", "ready", "done", "close", "options", "ack"] {
            let refused = parse(&format!(r#"{{"command":"{command}"}}"#));
            assert!(matches!(refused, Err(ControlError::Missing("channel"))), "{command}");
        }
        assert!(matches!(
            parse(r#"{"command":"done","channel":""}"#),
            Err(ControlError::Channel(ChannelIdError::Empty))
        ));
    }

    #[test]
    fn a_close_without_a_problem_says_none() {
        let Ok(Control::Close { problem, fields, .. }) =
            parse(r#"{"command":"close","channel":"1","problem":"","exit-status":0}"#)
        else {
            panic!()
        };
        assert_eq!(problem, None);
        assert_eq!(fields.get("exit-status"), Some(&0.into()));
    }

    #[test]
    fn messages_survive_a_round_trip() {
        for text in [
            r#"{"command":"init","host":"localhost","superuser":false,"version":1}"#,
            r#"{"binary":"raw","channel":"4","command":"open","flow-control":true,"group":"g","host":"h","payload":"stream","send-acks":"bytes","session":"private","spawn":["a"],"superuser":"try","user":"u"}"#,
            r#"{"channel":"4","command":"ready","pid":7}"#,
            r#"{"channel":"4","command":"done"}"#,
            r#"{"channel":"4","command":"close","exit-status":1,"problem":"not-found"}"#,
            r#"{"channel":"4","command":"options","window":{"cols":80,"rows":24}}"#,
            r#"{"channel":"4","command":"ping","sequence":16384}"#,
            r#"{"command":"pong"}"#,
            r#"{"bytes":5,"channel":"4","command":"ack"}"#,
            r#"{"command":"kill","group":"g","host":"h"}"#,
            r#"{"challenge":"plain1:","command":"authorize","cookie":"c"}"#,
            r#"{"command":"logout","disconnect":true}"#,
            r#"{"command":"superuser-init-done"}"#,
            r#"{"channel":"4","command":"response","status":200}"#,
        ] {
            let control = parse(text).unwrap();
            assert_eq!(control.to_bytes(), text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn received_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _refused_or_not = Control::parse(&bytes);
        }
    }
}
