//! libpam's C interface, opened at run time: one handle, its calls, and the conversation it calls back.
//!
//! The library is opened when a login begins, so that one binary runs on machines with and without PAM. Caller:
//! `pam`, which gives the calls their order and their meaning. Nothing here decides anything. Source: the
//! Linux-PAM manual pages `pam_start(3)`, `pam_conv(3)`, `pam_fail_delay(3)` and `security/_pam_types.h`.
#![expect(unsafe_code, reason = "libpam is a C library that calls back into this process")]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{mem, ptr, slice};

use protocol::secret::Secret;

use crate::messages::{Message, Style};

/// What PAM calls back while one of its calls runs.
pub(crate) trait Conversation {
    /// Answers each message of `batch` that [asks](Style::asks), in order; `None` breaks the conversation off.
    fn converse(&mut self, batch: Vec<Message>) -> Option<Vec<Secret>>;

    /// Hears how long PAM would have waited after a failure. Waiting is left to the caller.
    fn failure_delay(&mut self, delay: Duration);
}

/// The calls that take a handle and flags.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Authenticate,
    CheckAccount,
    ChangePassword,
    SetCredentials,
    OpenSession,
    CloseSession,
}

pub(super) const SUCCESS: c_int = 0;
pub(super) const OPEN_ERR: c_int = 1;
pub(super) const BUF_ERR: c_int = 5;
pub(super) const AUTHINFO_UNAVAIL: c_int = 9;
pub(super) const MAXTRIES: c_int = 11;
pub(super) const NEW_AUTHTOK_REQD: c_int = 12;
pub(super) const ACCT_EXPIRED: c_int = 13;
const CONV_ERR: c_int = 19;
pub(super) const ABORT: c_int = 26;
pub(super) const AUTHTOK_EXPIRED: c_int = 27;
pub(super) const MODULE_UNKNOWN: c_int = 28;

pub(super) const NO_EMPTY_PASSWORD: c_int = 0x1;
pub(super) const ESTABLISH: c_int = 0x2;
pub(super) const DELETE: c_int = 0x4;
pub(super) const ONLY_EXPIRED: c_int = 0x20;

const ITEM_USER: c_int = 2;
pub(super) const ITEM_TTY: c_int = 3;
pub(super) const ITEM_REMOTE_HOST: c_int = 4;
const ITEM_FAIL_DELAY: c_int = 10;

/// Most messages PAM sends at once (`PAM_MAX_NUM_MSG`).
const MAX_BATCH: usize = crate::messages::MAX_ANSWERS;

/// `pam_handle_t`, of which only libpam knows more.
#[repr(C)]
struct RawHandle {
    _private: [u8; 0],
}

#[repr(C)]
struct RawMessage {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct RawResponse {
    text: *mut c_char,
    unused: c_int,
}

#[repr(C)]
struct RawConversation {
    callback:
        extern "C" fn(c_int, *mut *const RawMessage, *mut *mut RawResponse, *mut c_void) -> c_int,
    data: *mut c_void,
}

type WithFlags = unsafe extern "C" fn(*mut RawHandle, c_int) -> c_int;

/// Declares the functions of libpam and looks them up under the names the manual gives them.
macro_rules! library {
    ($($function:ident: $signature:ty = $symbol:literal;)*) => {
        struct Library {
            $($function: $signature,)*
        }

        impl Library {
            /// `None` where there is no libpam, or it lacks a function.
            fn open() -> Option<Self> {
                // SAFETY: the name is a C string; libpam's initialisers are trusted as PAM itself is.
                let library = unsafe {
                    libc::dlopen(c"libpam.so.0".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL)
                };
                if library.is_null() {
                    return None;
                }
                Some(Self {
                    $($function: {
                        // SAFETY: the library is open and never closed; the name is a C string.
                        let address = unsafe { libc::dlsym(library, $symbol.as_ptr()) };
                        if address.is_null() {
                            return None;
                        }
                        // SAFETY: the manual page of the function gives it this signature.
                        unsafe { mem::transmute::<*mut c_void, $signature>(address) }
                    },)*
                })
            }
        }
    };
}

library! {
    start: unsafe extern "C" fn(
        *const c_char, *const c_char, *const RawConversation, *mut *mut RawHandle,
    ) -> c_int = c"pam_start";
    end: WithFlags = c"pam_end";
    authenticate: WithFlags = c"pam_authenticate";
    acct_mgmt: WithFlags = c"pam_acct_mgmt";
    chauthtok: WithFlags = c"pam_chauthtok";
    setcred: WithFlags = c"pam_setcred";
    open_session: WithFlags = c"pam_open_session";
    close_session: WithFlags = c"pam_close_session";
    set_item: unsafe extern "C" fn(*mut RawHandle, c_int, *const c_void) -> c_int = c"pam_set_item";
    get_item: unsafe extern "C" fn(*const RawHandle, c_int, *mut *const c_void) -> c_int = c"pam_get_item";
    putenv: unsafe extern "C" fn(*mut RawHandle, *const c_char) -> c_int = c"pam_putenv";
    getenvlist: unsafe extern "C" fn(*mut RawHandle) -> *mut *mut c_char = c"pam_getenvlist";
    strerror: unsafe extern "C" fn(*mut RawHandle, c_int) -> *const c_char = c"pam_strerror";
}

/// Why there is no handle.
pub(super) enum NoHandle {
    /// No libpam on this machine.
    NoLibrary,
    /// `pam_start` or an item was refused, with this code.
    Failed(c_int),
}

/// One PAM transaction; `pam_end` is called when it is dropped.
pub(super) struct Handle<C> {
    library: Library,
    raw: *mut RawHandle,
    conversation: *mut C,
    last: c_int,
}

impl<C: Conversation> Handle<C> {
    pub(super) fn start(service: &CStr, user: &CStr, conversation: C) -> Result<Self, NoHandle> {
        let library = Library::open().ok_or(NoHandle::NoLibrary)?;
        let conversation = Box::into_raw(Box::new(conversation));
        let callbacks = RawConversation { callback: converse::<C>, data: conversation.cast() };
        let mut raw = ptr::null_mut();
        // SAFETY: the strings are C strings and `callbacks` is copied; `conversation` lives as long as the handle.
        let last = unsafe {
            (library.start)(service.as_ptr(), user.as_ptr(), &raw const callbacks, &raw mut raw)
        };
        let mut handle = Self { library, raw, conversation, last };
        if last != SUCCESS {
            return Err(NoHandle::Failed(last));
        }
        let delay: extern "C" fn(c_int, c_uint, *mut c_void) = failed::<C>;
        match handle.set(ITEM_FAIL_DELAY, delay as *const c_void) {
            SUCCESS => Ok(handle),
            code => Err(NoHandle::Failed(code)),
        }
    }

    pub(super) fn call(&mut self, call: Call, flags: c_int) -> c_int {
        let function = match call {
            Call::Authenticate => self.library.authenticate,
            Call::CheckAccount => self.library.acct_mgmt,
            Call::ChangePassword => self.library.chauthtok,
            Call::SetCredentials => self.library.setcred,
            Call::OpenSession => self.library.open_session,
            Call::CloseSession => self.library.close_session,
        };
        // SAFETY: the handle came from pam_start and has not ended. The callback is the only one that
        // touches the conversation meanwhile: `conversation()` lends it out only between calls.
        self.last = unsafe { function(self.raw, flags) };
        self.last
    }

    pub(super) fn conversation(&mut self) -> &mut C {
        // SAFETY: made by Box in `start`, freed in `drop` only, and no call runs while `self` is borrowed.
        unsafe { &mut *self.conversation }
    }

    pub(super) fn set_item(&mut self, item: c_int, value: &CStr) -> c_int {
        self.set(item, value.as_ptr().cast())
    }

    fn set(&mut self, item: c_int, value: *const c_void) -> c_int {
        // SAFETY: the handle is live; libpam copies strings, and the delay function lives for ever.
        unsafe { (self.library.set_item)(self.raw, item, value) }
    }

    /// `PAM_USER`, which a module may have changed.
    pub(super) fn user(&self) -> Option<CString> {
        let mut user = ptr::null();
        // SAFETY: the handle is live, and `user` is where the pointer goes.
        let code = unsafe { (self.library.get_item)(self.raw, ITEM_USER, &raw mut user) };
        (code == SUCCESS).then_some(())?;
        copied(user.cast())
    }

    pub(super) fn put_env(&mut self, setting: &CStr) -> c_int {
        // SAFETY: the handle is live; libpam copies the string.
        unsafe { (self.library.putenv)(self.raw, setting.as_ptr()) }
    }

    /// The environment that the modules made, each as `NAME=value`.
    pub(super) fn env_list(&mut self) -> Vec<CString> {
        let mut settings = Vec::new();
        // SAFETY: the handle is live.
        let list = unsafe { (self.library.getenvlist)(self.raw) };
        let mut entry = list;
        // SAFETY: the list is null, or ends with a null pointer, which is not passed.
        while let Some(&text) = unsafe { entry.as_ref() } {
            let Some(setting) = copied(text) else { break };
            settings.push(setting);
            // SAFETY: pam_getenvlist(3) gives each string to the caller, by malloc.
            unsafe { libc::free(text.cast()) };
            // SAFETY: the entry was not the last one, which is null.
            entry = unsafe { entry.add(1) };
        }
        // SAFETY: the list itself is the caller's too, and may be null.
        unsafe { libc::free(list.cast()) };
        settings
    }

    /// libpam's words for `code`, for log lines.
    pub(super) fn explain(&mut self, code: c_int) -> String {
        // SAFETY: the handle is live; the result is a string of libpam's own.
        let text = unsafe { (self.library.strerror)(self.raw, code) };
        copied(text).map_or_else(String::new, |text| text.to_string_lossy().into_owned())
    }
}

impl<C> Drop for Handle<C> {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: the handle came from pam_start and ends only here.
            unsafe { (self.library.end)(self.raw, self.last) };
        }
        // SAFETY: made by Box in `start`; libpam, which had a copy of the pointer, has ended.
        drop(unsafe { Box::from_raw(self.conversation) });
    }
}

/// `pam_conv(3)`: hands a batch to the conversation and its answers, in memory of malloc, to libpam.
extern "C" fn converse<C: Conversation>(
    count: c_int,
    messages: *mut *const RawMessage,
    responses: *mut *mut RawResponse,
    data: *mut c_void,
) -> c_int {
    // A panic must not unwind into C.
    let answered = catch_unwind(AssertUnwindSafe(|| {
        let batch = batch(count, messages)?;
        let asks: Vec<bool> = batch.iter().map(|message| message.style.asks()).collect();
        // SAFETY: `data` is the conversation given to pam_start; `call` holds the handle exclusively.
        let conversation = unsafe { data.cast::<C>().as_mut() }?;
        response(&asks, conversation.converse(batch)?)
    }));
    // SAFETY: libpam gives a place for the pointer, or null.
    match (answered, unsafe { responses.as_mut() }) {
        (Ok(Some(response)), Some(place)) => {
            *place = response;
            SUCCESS
        }
        _ => CONV_ERR,
    }
}

/// `pam_fail_delay(3)`: called after each authentication instead of sleeping; zero after success.
extern "C" fn failed<C: Conversation>(_code: c_int, microseconds: c_uint, data: *mut c_void) {
    // SAFETY: `data` is the conversation given to pam_start; `call` holds the handle exclusively.
    if let Some(conversation) = unsafe { data.cast::<C>().as_mut() } {
        conversation.failure_delay(Duration::from_micros(microseconds.into()));
    }
}

fn batch(count: c_int, messages: *mut *const RawMessage) -> Option<Vec<Message>> {
    let count = usize::try_from(count).ok()?;
    if messages.is_null() || !(1..=MAX_BATCH).contains(&count) {
        return None;
    }
    // SAFETY: Linux-PAM passes an array of `count` pointers.
    let raw = unsafe { slice::from_raw_parts(messages, count) };
    raw.iter().map(|message| one_message(*message)).collect()
}

fn one_message(message: *const RawMessage) -> Option<Message> {
    // SAFETY: each pointer of the array is null or a message, for the time of the callback.
    let message = unsafe { message.as_ref() }?;
    let style = match message.style {
        1 => Style::Secret,
        2 => Style::Visible,
        3 => Style::Error,
        4 => Style::Info,
        _ => return None, // binary and radio prompts, which no module of a login uses
    };
    let text = copied(message.text).unwrap_or_default();
    Some(Message { style, text: text.to_string_lossy().into_owned() })
}

/// One response for each message; libpam wipes and frees them.
fn response(asks: &[bool], answers: Vec<Secret>) -> Option<*mut RawResponse> {
    // SAFETY: no pointer goes in; null comes out when there is no memory.
    let array = unsafe { libc::calloc(asks.len(), mem::size_of::<RawResponse>()) };
    let array = array.cast::<RawResponse>();
    if array.is_null() {
        return None;
    }
    // SAFETY: calloc gave room for so many, and zeroes are a valid response.
    let responses = unsafe { slice::from_raw_parts_mut(array, asks.len()) };
    let asking = responses.iter_mut().zip(asks).filter(|(_, asks)| **asks);
    for ((place, _), answer) in asking.zip(answers) {
        // SAFETY: reads at most `len` bytes of the answer, which is longer than none of its bytes being zero.
        place.text = unsafe { libc::strndup(answer.expose().as_ptr().cast(), answer.len()) };
    }
    Some(array)
}

fn copied(text: *const c_char) -> Option<CString> {
    // SAFETY: libpam's strings are null or end with a zero byte, and are not changed while they are copied.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}
