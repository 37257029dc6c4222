//! PAM as safe Rust: one login from `pam_start` to `pam_end`, in the order the stack was written for.
//!
//! Each step returns what the next one needs: [`Attempt`] → [`Verified`] → [`OpenSession`]. Caller: `lib`. It never
//! says which of name and password was wrong, and never keeps either. A plain user's helper authenticates only:
//! it has no right to set credentials or to open a session. Source: `pam(3)`, `pam_setcred(3)`.

mod sys;

use std::ffi::{CString, c_int};
use std::path::Path;
use std::{fs, mem};

pub(crate) use self::sys::Conversation;
use self::sys::{Call, Handle, NoHandle};
use crate::become_user::{Account, Privilege};
use crate::dialogue::{Dialogue, Phase};
use crate::messages::Refusal;
use crate::password_floor::{Floor, SERVICE_FOLDERS};
use crate::{Refused, SessionError};

/// Whether this machine has a PAM service file of this name; without one PAM takes `other`, which denies.
pub fn service_available(name: &str) -> bool {
    SERVICE_FOLDERS
        .iter()
        .any(|folder| fs::metadata(Path::new(folder).join(name)).is_ok_and(|file| file.is_file()))
}

/// A login that has begun.
pub(crate) struct Attempt(Handle<Dialogue>);

/// Proof that PAM accepts the account: right answers, not expired, may log in now.
#[must_use]
pub(crate) struct Verified {
    handle: Handle<Dialogue>,
    /// The account that PAM named, as the name service knows it.
    pub(crate) account: Account,
}

/// A PAM session that stands open until [`OpenSession::close`].
#[must_use]
pub(crate) struct OpenSession {
    handle: Handle<Dialogue>,
    privilege: Privilege,
}

impl Attempt {
    pub(crate) fn start(
        service: &str,
        user: &str,
        remote_host: &str,
        dialogue: Dialogue,
    ) -> Result<Self, SessionError> {
        let failed = |code| Refused::new(Refusal::Internal, format!("pam_start: code {code}"));
        let c_string = |text: &str| CString::new(text).map_err(|_| failed(sys::BUF_ERR));
        let mut handle =
            Handle::start(&c_string(service)?, &c_string(user)?, dialogue).map_err(|error| {
                match error {
                    NoHandle::NoLibrary => {
                        Refused::new(Refusal::PamUnavailable, "no libpam.so.0".to_owned())
                    }
                    NoHandle::Failed(code) => failed(code),
                }
            })?;
        // There is no terminal, but pam_access and the log lines of many modules want a name for one. Without the
        // remote host pam_access would take the login for a local one.
        for (item, value) in [(sys::ITEM_TTY, "web"), (sys::ITEM_REMOTE_HOST, remote_host)] {
            match handle.set_item(item, &c_string(value)?) {
                sys::SUCCESS => {}
                code => return Err(failed(code).into()),
            }
        }
        Ok(Self(handle))
    }

    /// Authenticates, checks the account and lets an expired password be changed.
    pub(crate) fn verify(
        self,
        privilege: Privilege,
        service: &str,
    ) -> Result<Verified, SessionError> {
        let Self(mut handle) = self;
        let account = authenticate(&mut handle, privilege).inspect_err(|error| {
            // Whatever was wrong, the answer takes as long: nobody learns which names exist.
            if matches!(error, SessionError::Refused(_)) {
                handle.conversation().wait_after_failure();
            }
        })?;
        match handle.call(Call::CheckAccount, sys::NO_EMPTY_PASSWORD) {
            sys::SUCCESS => {}
            sys::NEW_AUTHTOK_REQD => {
                let floor = Floor::of(service, account.name());
                change_expired_password(&mut handle, floor)?;
            }
            // pam_unix(8) reads shadow data as root only; its helper has vouched for the password.
            sys::AUTHINFO_UNAVAIL if privilege == Privilege::PlainUser => {}
            code => return Err(refused(&mut handle, after_password(code), "pam_acct_mgmt", code)),
        }
        Ok(Verified { handle, account })
    }
}

/// Every failure that depends on name or password is the same one.
fn authenticate(
    handle: &mut Handle<Dialogue>,
    privilege: Privilege,
) -> Result<Account, SessionError> {
    let code = handle.call(Call::Authenticate, sys::NO_EMPTY_PASSWORD);
    let reason = match code {
        sys::SUCCESS => None,
        sys::MAXTRIES => Some(Refusal::TooManyAttempts),
        code if is_broken(code) => Some(Refusal::Internal),
        _ => Some(Refusal::AuthenticationFailed),
    };
    if let Some(reason) = reason {
        return Err(refused(handle, reason, "pam_authenticate", code));
    }
    let account = handle
        .user()
        .and_then(|user| Account::look_up(&user).ok().flatten());
    let account = account.filter(|account| privilege.may_become(account));
    account.ok_or_else(|| {
        refused(handle, Refusal::AuthenticationFailed, "account look-up", sys::SUCCESS)
    })
}

fn change_expired_password(
    handle: &mut Handle<Dialogue>,
    floor: Floor,
) -> Result<(), SessionError> {
    handle.conversation().enter(Phase::ChangingPassword(floor));
    match handle.call(Call::ChangePassword, sys::ONLY_EXPIRED) {
        sys::SUCCESS => Ok(()),
        code => Err(refused(handle, Refusal::PasswordExpired, "pam_chauthtok", code)),
    }
}

impl Verified {
    pub(crate) fn conversation(&mut self) -> &mut Dialogue {
        self.handle.conversation()
    }

    /// Sets the credentials and opens the session. Modules may tell, but no longer ask.
    pub(crate) fn open(self, privilege: Privilege) -> Result<(OpenSession, Account), SessionError> {
        let Self { mut handle, account } = self;
        handle.conversation().enter(Phase::Opening);
        if privilege == Privilege::PlainUser {
            return Ok((OpenSession { handle, privilege }, account));
        }
        // pam_setcred(3): the groups come first, for pam_group adds to them.
        account.set_groups().map_err(|error| {
            Refused::new(Refusal::Internal, format!("groups of {}: {error}", account.name()))
        })?;
        // logind makes no session without these.
        handle.put_env(c"XDG_SESSION_CLASS=user");
        handle.put_env(c"XDG_SESSION_TYPE=web");
        let code = handle.call(Call::SetCredentials, sys::ESTABLISH);
        if code != sys::SUCCESS {
            return Err(refused(&mut handle, after_password(code), "pam_setcred", code));
        }
        let code = handle.call(Call::OpenSession, 0);
        if code != sys::SUCCESS {
            let error = refused(&mut handle, after_password(code), "pam_open_session", code);
            handle.call(Call::SetCredentials, sys::DELETE);
            return Err(error);
        }
        Ok((OpenSession { handle, privilege }, account))
    }
}

impl OpenSession {
    pub(crate) fn conversation(&mut self) -> &mut Dialogue {
        self.handle.conversation()
    }

    /// What the modules want in the user's environment, unfiltered.
    pub(crate) fn environment(&mut self) -> Vec<CString> {
        self.handle.env_list()
    }

    /// Closes the session and deletes the credentials, whatever a module says to it.
    pub(crate) fn close(mut self) {
        if self.privilege == Privilege::Root {
            self.handle.call(Call::CloseSession, 0);
            self.handle.call(Call::SetCredentials, sys::DELETE);
        }
    }
}

/// Codes that mean a broken PAM configuration: they say nothing about name or password.
fn is_broken(code: c_int) -> bool {
    (sys::OPEN_ERR..=sys::BUF_ERR).contains(&code)
        || code == sys::ABORT
        || code == sys::MODULE_UNKNOWN
}

/// What a failure means to somebody who knew the password.
fn after_password(code: c_int) -> Refusal {
    match code {
        sys::MAXTRIES => Refusal::TooManyAttempts,
        sys::ACCT_EXPIRED => Refusal::AccountExpired,
        sys::AUTHTOK_EXPIRED => Refusal::PasswordExpired,
        code if is_broken(code) => Refusal::Internal,
        _ => Refusal::AccessDenied,
    }
}

/// The failure of the conversation if it broke, else that of PAM with the texts nobody has seen yet.
fn refused(
    handle: &mut Handle<Dialogue>,
    reason: Refusal,
    step: &str,
    code: c_int,
) -> SessionError {
    let cause = format!("{step}: {}", handle.explain(code));
    let dialogue = handle.conversation();
    if let Some(error) = dialogue.failure.take() {
        return error;
    }
    let mut messages = mem::take(&mut dialogue.pending);
    if reason == Refusal::AuthenticationFailed {
        // A module's words may differ between a wrong password and an unknown name.
        messages.clear();
    }
    Refused { reason, cause, messages }.into()
}
