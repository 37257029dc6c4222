//! The stages of a login, and what the unprivileged server may ask in each.
//!
//! ```text
//!             Authenticate              success             StartBridge
//!  Greeting ───────────────▶ Working ───────────▶ Authenticated ───────────▶ Opening ───▶ Running ───▶ end
//!                            │    ▲   │                                        │
//!                   PAM asks ▼    │   └──────────▶ Refused, end ◀──────────────┘
//!                         Conversing
//!                            Answer
//! ```
//!
//! While the helper works, opens or runs nothing may be asked. Anything that is not permitted, a hang-up in a stage
//! that waits or works, and silence longer than the grace time end the helper. A hang-up does not while it opens,
//! because a session that is half open would stay so: that has a time limit of its own. Caller: `lib`; it does nothing
//! itself.

use crate::messages::Request;

/// How far the one login of this helper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was said yet.
    Greeting,
    /// PAM works on what it was told.
    Working,
    /// PAM has asked and waits for the answers.
    Conversing,
    /// The account may log in.
    Authenticated,
    /// The PAM session is being opened and the bridge started.
    Opening,
    /// The bridge runs as the user; nothing is read from here on.
    Running,
}

/// What the unprivileged server may ask, and when. Anything else ends the helper process: an
/// honest server never sends it.
pub fn permits(stage: Stage, request: &Request) -> bool {
    matches!(
        (stage, request),
        (Stage::Greeting, Request::Authenticate { .. })
            | (Stage::Conversing, Request::Answer(_))
            | (Stage::Authenticated, Request::StartBridge)
    )
}

#[cfg(test)]
mod tests {
    use protocol::secret::Secret;

    use super::*;
    use crate::messages::ReusePassword;

    #[test]
    fn each_request_is_permitted_in_one_stage_only() {
        let authenticate = Request::Authenticate {
            user: "ada".into(),
            password: Secret::new(Vec::new()),
            remote_host: "::1".into(),
            reuse_password: ReusePassword::Forget,
        };
        let answer = Request::Answer(Vec::new());
        let start = Request::StartBridge;
        // stage, Authenticate, Answer, StartBridge
        let table = [
            (Stage::Greeting, true, false, false),
            (Stage::Working, false, false, false),
            (Stage::Conversing, false, true, false),
            (Stage::Authenticated, false, false, true),
            (Stage::Opening, false, false, false),
            (Stage::Running, false, false, false),
        ];

        for (stage, may_authenticate, may_answer, may_start) in table {
            assert_eq!(permits(stage, &authenticate), may_authenticate, "{stage:?}");
            assert_eq!(permits(stage, &answer), may_answer, "{stage:?}");
            assert_eq!(permits(stage, &start), may_start, "{stage:?}");
        }
    }
}
