//! Superuser access by pkexec, with the machine's own polkit: the bridge is the agent that asks.

use machines::{Machine, ONE_TIME_CODES};
use serde_json::json;
use suites::superuser::{Access, Said};
use suites::{House, PASSWORD, machine};

/// Debian 13 has polkit 126, Debian 12 has 122.
fn releases() -> [Machine; 2] {
    [debian13(), with_pkexec(Machine::debian12())]
}

fn with_pkexec(release: Machine) -> Machine {
    machine(release.packages(&["polkitd", "pkexec"]))
}

fn debian13() -> Machine {
    with_pkexec(Machine::debian13())
}

/// The object in a page of `user`'s.
async fn access(house: &House, user: &str) -> Access {
    Access::open(house.logged_in(user).await.open_page().await).await
}

/// What polkit has written of agents once one is gone; at most a second is waited for that.
fn agents(house: &House) -> String {
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do
        journalctl -o cat -t polkitd | grep Agent > /tmp/agents
        grep -q ^Unregistered /tmp/agents && break; sleep 0.1
    done; cat /tmp/agents";
    house
        .machine
        .exec(&["sh", "-c", script])
        .expect("the journal")
}

#[tokio::test(flavor = "multi_thread")]
async fn polkits_questions_are_put_in_the_page_and_the_agent_goes_when_they_are_answered() {
    for release in releases() {
        let house = House::start(release);
        let mut access = access(&house, "ada").await;
        assert_eq!(access.property("Bridges").await, json!(["sudo", "pkexec"]));

        access.start("1", "pkexec").await;
        let asked = access.next().await;
        let (message, prompt, error) = asked.prompt();
        assert!(message.contains("pilothouse"), "{asked:?}");
        assert!(!message.contains("the user"), "{asked:?}");
        assert!(prompt.starts_with("Password"), "{asked:?}");
        assert_eq!(error, "");
        access.answer("not the password").await;
        let again = access.next().await;
        assert_ne!(again.prompt().2, "", "{again:?}");
        access.answer(PASSWORD).await;
        assert_eq!(access.next().await, Said::Started("1".to_owned()));
        assert_eq!(access.property("Current").await, json!("pkexec"));
        assert_eq!(access.whoami().await, Ok("root".to_owned()));

        let agents = agents(&house);
        assert!(agents.contains("Registered Authentication Agent for unix-session"), "{agents}");
        assert!(agents.contains("Unregistered Authentication Agent"), "{agents}");
        house
            .machine
            .exec(&["pkill", "-KILL", "-u", "ada", "-f", "pilothouse bridge$"])
            .unwrap();
        house.no_process_with("bridge --privileged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_logind_does_not_know_has_an_agent_too() {
    let unknown = "sed -i '/pam_systemd/d' /etc/pam.d/common-session";
    for release in releases() {
        let house = House::start(release.script(unknown));
        let mut access = access(&house, "ada").await;

        access.start("1", "pkexec").await;
        access.next().await.prompt();
        access.answer(PASSWORD).await;

        assert_eq!(access.next().await, Said::Started("1".to_owned()));
        assert_eq!(access.whoami().await, Ok("root".to_owned()));
        let agents = agents(&house);
        assert!(agents.contains("Registered Authentication Agent for unix-process"), "{agents}");
        access.stop().await;
        house.no_process_with("bridge --privileged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_administrator_is_told_whose_answer_is_wanted() {
    let house = House::start(debian13());
    let mut access = access(&house, "ben").await;

    access.start("1", "pkexec").await;
    let asked = access.next().await;

    assert!(asked.prompt().0.contains("the user ada"), "{asked:?}");
    access.answer(PASSWORD).await;
    assert_eq!(access.next().await, Said::Started("1".to_owned()));
    assert_eq!(access.whoami().await, Ok("root".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_answers_end_the_start_and_it_can_be_tried_again() {
    let house = House::start(debian13());
    let mut access = access(&house, "ada").await;

    access.start("1", "pkexec").await;
    for _try in 0..3 {
        access.next().await.prompt();
        access.answer("not the password").await;
    }
    let refused = access.next().await;

    assert!(refused.refusal().contains("does not accept the answer"), "{refused:?}");
    assert_eq!(access.whoami().await, Err("access-denied".to_owned()));
    access.start("2", "pkexec").await;
    access.next().await.prompt();
    access.answer(PASSWORD).await;
    assert_eq!(access.next().await, Said::Started("2".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_gives_up_and_a_stop_ends_pkexec_while_it_asks() {
    let house = House::start(debian13());
    let mut access = access(&house, "ada").await;

    access.start("1", "pkexec").await;
    access.next().await.prompt();
    access.answer("").await;
    let given_up = access.next().await;
    assert!(given_up.refusal().contains("was not answered"), "{given_up:?}");

    access.start("2", "pkexec").await;
    access.next().await.prompt();
    access.start("3", "pkexec").await;
    let second = access.next().await;
    assert!(second.refusal().contains("being turned on"), "{second:?}");
    access.stop().await;
    access.start("4", "pkexec").await;
    let mut ends = [access.next().await, access.next().await];
    ends.sort_by_key(|said| matches!(said, Said::Prompt { .. }));
    let [stopped, asked] = ends;
    assert!(stopped.refusal().contains("turned off"), "{stopped:?}");
    asked.prompt();
    access.answer(PASSWORD).await;
    assert_eq!(access.next().await, Said::Started("4".to_owned()));

    access.stop().await;
    house.no_process_with("bridge --privileged");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_the_login_answers_for_the_user_but_never_for_another() {
    let house = House::start(debian13());
    let browser = house.logged_in_with_reuse("ada").await;
    let mut ada = Access::open(browser.open_page().await).await;
    ada.start("1", "pkexec").await;
    assert_eq!(ada.next().await, Said::Started("1".to_owned()));

    let browser = house.logged_in_with_reuse("ben").await;
    let mut ben = Access::open(browser.open_page().await).await;
    ben.start("1", "pkexec").await;
    let asked = ben.next().await;
    assert_eq!(asked.prompt().2, "", "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_polkit_refuses_without_a_question_is_said_in_words() {
    let rule = "polkit.addRule(function(action, subject) {
        return subject.user == 'ben' ? polkit.Result.NO : polkit.Result.NOT_HANDLED; });";
    let house = House::start(debian13().file("/etc/polkit-1/rules.d/10-lab.rules", 0o644, rule));
    let mut access = access(&house, "ben").await;

    access.start("1", "pkexec").await;

    let refused = access.next().await;
    assert!(refused.refusal().starts_with("polkit does not allow it"), "{refused:?}");
    assert!(refused.refusal().contains("Not authorized"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polkit_that_does_not_run_is_said_in_words() {
    let house = House::start(debian13());
    house
        .machine
        .exec(&["systemctl", "mask", "--now", "polkit.service"])
        .unwrap();
    let mut access = access(&house, "ada").await;

    access.start("1", "pkexec").await;

    let refused = access.next().await;
    assert!(refused.refusal().contains("polkit is not running"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_of_the_session_bring_up_no_question() {
    let house = House::start(debian13());
    let mut access = access(&house, "ada").await;
    access.start("1", "pkexec").await;
    access.next().await.prompt();

    let other = json!({ "payload": "stream", "spawn": ["pkexec", "--disable-internal-agent", "id"],
        "err": "out" });
    access.page.open("other", other).await;
    let seen = access.page.converse("other").await;

    assert!(seen.text().contains("Not authorized"), "{}", seen.text());
    access.answer(PASSWORD).await;
    assert_eq!(access.next().await, Said::Started("1".to_owned()));
}

/// As polkit 127 and later have it: systemd starts a helper for each connection. No release here has that helper, so
/// the set-uid one stands in for it behind a script that reads the user's name, as the new one does.
fn with_helper_socket(machine: Machine) -> Machine {
    let script = "#!/bin/sh
logger -t helper-socket used
read -r user
exec setpriv --reuid \"$user\" --clear-groups /usr/lib/polkit-1/polkit-agent-helper-1 \"$user\"
";
    let socket = "[Socket]\nListenStream=/run/polkit/agent-helper.socket\nAccept=yes\n
[Install]\nWantedBy=sockets.target\n";
    let service = "[Service]\nExecStart=/usr/local/sbin/helper\nStandardInput=socket\n
StandardOutput=socket\nStandardError=journal\n";
    machine
        .package("bsdutils")
        .file("/usr/local/sbin/helper", 0o755, script)
        .file("/etc/systemd/system/polkit-agent-helper.socket", 0o644, socket)
        .file("/etc/systemd/system/polkit-agent-helper@.service", 0o644, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_behind_a_socket_is_preferred_to_the_set_uid_one() {
    let house = House::start(with_helper_socket(debian13()));
    house
        .machine
        .exec(&["systemctl", "start", "polkit-agent-helper.socket"])
        .unwrap();
    let mut access = access(&house, "ada").await;

    access.start("1", "pkexec").await;
    access.next().await.prompt();
    access.answer("not the password").await;
    assert_ne!(access.next().await.prompt().2, "");
    access.answer(PASSWORD).await;

    assert_eq!(access.next().await, Said::Started("1".to_owned()));
    assert_eq!(access.whoami().await, Ok("root".to_owned()));
    let used = house
        .machine
        .exec(&["journalctl", "-o", "cat", "-t", "helper-socket"])
        .unwrap();
    assert_eq!(used.lines().filter(|line| *line == "used").count(), 2, "{used}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_pkexec_does_not_know_is_no_hindrance() {
    let odd = "ln -s /bin/sh /usr/local/bin/odd; echo /usr/local/bin/odd >> /etc/shells
        usermod --shell /usr/local/bin/odd ada";
    let house = House::start(debian13().script(odd));
    let mut access = access(&house, "ada").await;
    house
        .machine
        .exec(&["sed", "-i", "/odd/d", "/etc/shells"])
        .unwrap();
    let spawn = ["pkexec", "--disable-internal-agent", "id"];
    let plain = json!({ "payload": "stream", "spawn": spawn, "err": "out",
        "environ": ["SHELL=/usr/local/bin/odd"] });
    access.page.open("plain", plain).await;
    let seen = access.page.converse("plain").await;
    assert!(seen.text().contains("/etc/shells"), "{}", seen.text());

    access.start("1", "pkexec").await;
    access.next().await.prompt();
    access.answer(PASSWORD).await;

    assert_eq!(access.next().await, Said::Started("1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_killed_while_polkit_asks_leaves_nothing_behind() {
    for release in releases() {
        let house = House::start(release);
        let mut access = access(&house, "ada").await;
        access.start("1", "pkexec").await;
        access.next().await.prompt();

        house
            .machine
            .exec(&["pkill", "-KILL", "-u", "ada", "-f", "pilothouse bridge$"])
            .unwrap();

        house.no_process_with("pkexec --disable");
        house.no_process_with("polkit-agent-helper-1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_after_the_password() {
    let module = "auth required pam_oath.so usersfile=/etc/users.oath window=10 digits=6";
    let release = debian13()
        .package("libpam-oath")
        .file("/etc/users.oath", 0o600, "HOTP ada - 3132333435363738393031323334353637383930\n")
        .script(&format!(
            "test -e /etc/pam.d/polkit-1 || cp /usr/lib/pam.d/polkit-1 /etc/pam.d/
            sed -i '/common-auth/a {module}' /etc/pam.d/polkit-1"
        ));
    let house = House::start(release);
    let mut access = access(&house, "ada").await;

    access.start("1", "pkexec").await;
    access.next().await.prompt();
    access.answer(PASSWORD).await;
    let asked = access.next().await;
    assert!(asked.prompt().1.contains("OATH"), "{asked:?}");
    access.answer(ONE_TIME_CODES[0]).await;

    assert_eq!(access.next().await, Said::Started("1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polkit_that_hangs_is_said_in_words() {
    let house = House::start(debian13());
    house
        .machine
        .exec(&["systemctl", "start", "polkit.service"])
        .unwrap();
    house
        .machine
        .exec(&["systemctl", "kill", "--signal=STOP", "polkit.service"])
        .unwrap();
    let mut access = access(&house, "ada").await;

    access.start("1", "pkexec").await;

    let refused = access.next().await;
    assert!(refused.refusal().contains("polkit does not answer"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_allows_it_without_a_question_is_enough() {
    let rule = "polkit.addRule(function(action, subject) {
        return subject.user == 'ben' ? polkit.Result.YES : polkit.Result.NOT_HANDLED; });";
    let house = House::start(debian13().file("/etc/polkit-1/rules.d/10-lab.rules", 0o644, rule));
    let mut access = access(&house, "ben").await;

    access.start("1", "pkexec").await;

    assert_eq!(access.next().await, Said::Started("1".to_owned()));
    assert_eq!(access.whoami().await, Ok("root".to_owned()));
}
