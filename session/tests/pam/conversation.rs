//! What PAM says becomes the right reply.

use std::time::{Duration, Instant};

use session::messages::{Refusal, Reply, ReusePassword, Style};

use crate::client::{Client, Setting, all_of, refused, texts};
use crate::machine::{self, PASSWORD, PLAIN, add_user, service, shell};

crate::tests! {
    a_wrong_password_an_unknown_user_and_a_locked_account_look_alike,
    an_expired_account_is_named_only_with_the_right_password,
    an_expired_password_is_changed_in_place,
    an_expired_password_that_is_not_changed_refuses,
    a_new_password_below_the_floor_is_refused_where_no_module_judges,
    a_second_prompt_goes_to_the_client,
    nologin_denies_access_and_says_why,
    the_user_is_the_one_that_pam_names,
    an_empty_password_never_logs_in,
    a_missing_libpam_is_said,
    a_broken_service_is_internal,
}

const FORGET: ReusePassword = ReusePassword::Forget;

fn reply_and_time(user: &str, password: &str) -> (Reply, Duration) {
    let mut client = Client::start(&Setting::default());
    let begun = Instant::now();
    let reply = client.authenticate(user, password, FORGET);
    let taken = begun.elapsed();
    assert_eq!(client.next(), None);
    assert!(client.wait().success());
    (reply, taken)
}

fn a_wrong_password_an_unknown_user_and_a_locked_account_look_alike() {
    add_user("ada", "");
    add_user("lock", "");
    shell("usermod --lock lock");

    let (wrong, wrong_time) = reply_and_time("ada", "guess");
    let (unknown, unknown_time) = reply_and_time("nobody-here", PASSWORD);
    let (locked, locked_time) = reply_and_time("lock", PASSWORD);
    let (strange, strange_time) = reply_and_time("", "");

    for reply in [wrong, unknown, locked, strange] {
        assert_eq!(reply, refused(Refusal::AuthenticationFailed));
    }
    assert!(wrong_time > Duration::from_millis(2900), "{wrong_time:?}");
    for time in [unknown_time, locked_time, strange_time] {
        let difference = time.as_secs_f64() / wrong_time.as_secs_f64() - 1.0;
        assert!(difference.abs() < 0.15, "{time:?} {wrong_time:?}");
    }
}

fn an_expired_account_is_named_only_with_the_right_password() {
    add_user("old", "--expiredate 2001-01-01");

    let (right, _) = reply_and_time("old", PASSWORD);
    let (wrong, _) = reply_and_time("old", "guess");

    assert!(matches!(right, Reply::Refused { reason: Refusal::AccountExpired, .. }), "{right:?}");
    assert_eq!(texts(&right)[0].0, Style::Error);
    assert_eq!(wrong, refused(Refusal::AuthenticationFailed));
}

fn an_expired_password_is_changed_in_place() {
    add_user("ada", "");
    shell("chage --lastday 0 ada");
    let new = "a longer staple 9";
    // With a judge there is no floor, and what pam_unix refuses it asks again.
    service("judged", &format!("{PLAIN}-password optional pam_passwdqc.so\n"));
    let setting = Setting {
        service: "judged",
        bridge: "cat <&$PILOTHOUSE_PASSWORD_FD",
        ..Setting::default()
    };
    let mut client = Client::start(&setting);

    let current = client.authenticate("ada", PASSWORD, ReusePassword::Keep);
    let first = client.answer(&[PASSWORD]);
    let refused_one = client.answer(&["short"]);
    let refused_one = if texts(&refused_one)
        .iter()
        .any(|(style, _)| *style == Style::Error)
    {
        refused_one
    } else {
        client.answer(&["short"])
    };
    let retype = client.answer(&[new]);
    let done = client.answer(&[new]);
    let (_, socket) = client.start_bridge();

    assert!(
        texts(&current)
            .iter()
            .any(|(style, _)| *style == Style::Secret),
        "{current:?}"
    );
    assert_eq!(texts(&first).last().unwrap().0, Style::Secret);
    assert_eq!(texts(&refused_one)[0].0, Style::Error, "{refused_one:?}");
    assert_eq!(texts(&refused_one).last().unwrap().0, Style::Secret);
    assert_eq!(texts(&retype).last().unwrap().0, Style::Secret);
    assert!(matches!(done, Reply::Authenticated { .. }), "{done:?}");
    assert_eq!(all_of(socket), new);
    let (old_one, _) = reply_and_time("ada", PASSWORD);
    assert_eq!(old_one, refused(Refusal::AuthenticationFailed));
    assert!(matches!(
        Client::start(&setting).authenticate("ada", new, FORGET),
        Reply::Authenticated { .. }
    ));
}

fn an_expired_password_that_is_not_changed_refuses() {
    add_user("ada", "");
    shell("chage --lastday 0 ada");
    let mut client = Client::start(&Setting::default());

    let mut reply = client.authenticate("ada", PASSWORD, FORGET);
    let mut prompts = 0;
    while let Reply::Prompt(_) = reply {
        reply = client.answer(&["not my password"]);
        prompts += 1;
    }

    assert!(prompts > 0);
    assert!(matches!(reply, Reply::Refused { reason: Refusal::PasswordExpired, .. }), "{reply:?}");
}

/// The last reply when `new` is typed twice as the new password, after the current one.
fn changed_to(service: &str, user: &str, new: &str) -> Reply {
    let mut client = Client::start(&Setting { service, ..Setting::default() });
    client.authenticate(user, PASSWORD, FORGET);
    let first = client.answer(&[PASSWORD]);
    assert!(matches!(first, Reply::Prompt(_)), "{first:?}");
    let second = client.answer(&[new]);
    assert!(matches!(second, Reply::Prompt(_)), "{second:?}");
    client.answer(&[new])
}

fn a_new_password_below_the_floor_is_refused_where_no_module_judges() {
    add_user("ada", "");
    add_user("elizabeth-turing", "");
    shell("chage --lastday 0 ada; chage --lastday 0 elizabeth-turing");
    let included = "password substack judged-below\n";
    service("judged", &PLAIN.replace("password required", &format!("{included}password required")));
    service("judged-below", "# a comment\n-password optional \\\n  pam_passwdqc.so\n");

    for (service, user, new) in [
        ("t", "ada", "ten chars."),
        ("t", "elizabeth-turing", "elizabeth-turing"),
        ("judged", "elizabeth-turing", "elizabeth-turing"),
    ] {
        let reply = changed_to(service, user, new);
        let Reply::Refused { reason: Refusal::PasswordExpired, .. } = &reply else {
            panic!("{new}: {reply:?}")
        };
        let told = texts(&reply);
        assert!(
            told.iter()
                .any(|(style, text)| *style == Style::Error && text.contains("your user name")),
            "{told:?}"
        );
    }
    let judged = changed_to("judged", "ada", "ten chars.");

    assert!(matches!(judged, Reply::Authenticated { .. }), "{judged:?}");
    assert!(matches!(
        changed_to("t", "elizabeth-turing", "twelve chars"),
        Reply::Authenticated { .. }
    ));
}

fn a_second_prompt_goes_to_the_client() {
    add_user("ada", "");
    machine::needs_module("pam_oath.so", "libpam-oath");
    // RFC 4226, appendix D: the first values of this key are 755224 and 287082.
    shell(
        "echo 'HOTP ada - 3132333435363738393031323334353637383930' > /etc/users.oath
         chmod 600 /etc/users.oath",
    );
    service(
        "otp",
        "auth requisite pam_unix.so\nauth required pam_oath.so usersfile=/etc/users.oath digits=6\n\
         account required pam_unix.so\nsession required pam_unix.so\n",
    );
    let setting =
        Setting { service: "otp", bridge: "cat <&$PILOTHOUSE_PASSWORD_FD", ..Setting::default() };
    let mut client = Client::start(&setting);

    let prompt = client.authenticate("ada", PASSWORD, ReusePassword::Keep);
    let reply = client.answer(&["755224"]);
    let (_, socket) = client.start_bridge();
    let mut wrong = Client::start(&setting);
    wrong.authenticate("ada", PASSWORD, FORGET);
    let wrong_code = wrong.answer(&["000000"]);

    let prompt = texts(&prompt);
    assert_eq!(prompt.len(), 1);
    assert_eq!(prompt[0].0, Style::Secret);
    assert!(prompt[0].1.contains("ada"), "{prompt:?}");
    assert!(matches!(reply, Reply::Authenticated { .. }), "{reply:?}");
    assert_eq!(all_of(socket), PASSWORD);
    assert_eq!(wrong_code, refused(Refusal::AuthenticationFailed));
}

fn nologin_denies_access_and_says_why() {
    add_user("ada", "");
    shell("echo 'Closed until noon.' > /etc/nologin");

    let (reply, _) = reply_and_time("ada", PASSWORD);

    assert!(matches!(reply, Reply::Refused { reason: Refusal::AccessDenied, .. }), "{reply:?}");
    assert!(
        texts(&reply)
            .iter()
            .any(|(_, text)| text.contains("Closed until noon.")),
        "{reply:?}"
    );
}

fn the_user_is_the_one_that_pam_names() {
    add_user("ada", "");
    // Without a password there is nobody who could vouch for another name than this one.
    service(
        "open",
        "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
    );
    let mut known = Client::start(&Setting { service: "open", ..Setting::default() });
    let mut unknown = Client::start(&Setting { service: "open", ..Setting::default() });

    let known = known.authenticate("ada", "", FORGET);
    let unknown = unknown.authenticate("nobody-here", "", FORGET);

    assert_eq!(known, Reply::Authenticated { user: "ada".into(), messages: Vec::new() });
    assert_eq!(unknown, refused(Refusal::AuthenticationFailed));
}

fn an_empty_password_never_logs_in() {
    add_user("ada", "");
    shell("passwd --delete ada");
    service(
        "null",
        &PLAIN.replace("auth required pam_unix.so", "auth required pam_unix.so nullok"),
    );
    let mut client = Client::start(&Setting { service: "null", ..Setting::default() });

    assert_eq!(client.authenticate("ada", "", FORGET), refused(Refusal::AuthenticationFailed));
}

fn a_missing_libpam_is_said() {
    shell(
        "for l in /lib/*/libpam.so.0 /lib64/libpam.so.0; do [ ! -e $l ] || mount --bind /dev/null $l; done",
    );

    let (reply, _) = reply_and_time("ada", PASSWORD);

    assert_eq!(reply, refused(Refusal::PamUnavailable));
}

fn a_broken_service_is_internal() {
    add_user("ada", "");
    service(
        "broken",
        "auth required pam_no_such_module.so\naccount required pam_no_such_module.so\n",
    );
    let mut client = Client::start(&Setting { service: "broken", ..Setting::default() });

    let reply = client.authenticate("ada", PASSWORD, FORGET);

    assert!(matches!(reply, Reply::Refused { reason: Refusal::Internal, .. }), "{reply:?}");
}
