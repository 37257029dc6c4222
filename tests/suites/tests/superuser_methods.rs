//! Superuser access by sudo, as machines set it up in many ways; sudo's own words reach the page.

use machines::{Machine, ONE_TIME_CODES, Sudo};
use serde_json::json;
use suites::superuser::{Access, Said};
use suites::{House, PASSWORD, machine};

/// What `Defaults` of sudoers(5) a machine has.
fn defaults(release: Machine, line: &str) -> Machine {
    machine(release).file("/etc/sudoers.d/00-lab", 0o440, &format!("Defaults {line}\n"))
}

fn releases() -> [Machine; 2] {
    [Machine::debian12(), Machine::debian13()]
}

async fn access(house: &House, user: &str) -> Access {
    Access::open(house.logged_in(user).await.open_page().await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_passwords_end_the_start_with_sudos_words() {
    for release in releases() {
        let house = House::start(machine(release));
        let mut access = access(&house, "ada").await;

        access.start("1", "sudo").await;
        for tries in 0..3 {
            let asked = access.next().await;
            let (_, prompt, error) = asked.prompt();
            assert!(prompt.contains("ada"), "{asked:?}");
            assert_eq!(error.is_empty(), tries == 0, "{asked:?}");
            access.answer("not the password").await;
        }
        let refused = access.next().await;

        assert!(refused.refusal().contains("3 incorrect password attempts"), "{refused:?}");
        assert_eq!(access.property("Current").await, json!("none"));
        house.no_process_with("sudo -k");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nopasswd_asks_nothing() {
    for release in releases() {
        let house = House::start(
            machine(release)
                .user("eve", PASSWORD)
                .sudo(Sudo::WithoutPassword),
        );
        let mut access = access(&house, "eve").await;

        access.start("1", "any").await;

        assert_eq!(access.next().await, Said::Started("1".to_owned()));
        assert_eq!(access.whoami().await, Ok("root".to_owned()));
        access.stop().await;
        house.no_process_with("bridge --privileged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_in_sudoers_hears_it_from_sudo() {
    for release in releases() {
        let house = House::start(machine(release));
        let mut access = access(&house, "ben").await;

        access.start("1", "any").await;
        access.next().await.prompt();
        access.answer(PASSWORD).await;
        let refused = access.next().await;

        assert!(refused.refusal().contains("not in the sudoers file"), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_sudo_has_no_such_method_and_says_so() {
    let bare = machine(Machine::debian12()).without_packages(&["sudo"]);
    let house = House::start(bare);
    let mut access = access(&house, "ada").await;

    assert_eq!(access.property("Bridges").await, json!([]));
    access.start("1", "sudo").await;
    assert_eq!(access.next().await.refusal(), "sudo is not installed on this machine");
    access.start("2", "any").await;
    let refused = access.next().await;
    assert_eq!(refused.refusal(), "neither sudo nor pkexec is installed on this machine");
    assert_eq!(access.property("Current").await, json!("none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pty_of_sudos_own_changes_nothing_in_what_goes_through() {
    for release in releases() {
        let house = House::start(defaults(release, "use_pty"));
        let mut access = access(&house, "ada").await;
        access.start("1", "sudo").await;
        access.next().await.prompt();
        access.answer(PASSWORD).await;
        assert_eq!(access.next().await, Said::Started("1".to_owned()));

        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let options = json!({ "payload": "stream", "spawn": ["cat"], "superuser": "require",
            "binary": "raw" });
        access.page.open("cat", options).await;
        access.page.data("cat", &bytes).await;
        access.page.done("cat").await;
        assert_eq!(access.page.converse("cat").await.data, bytes);

        house
            .machine
            .exec(&["pkill", "-KILL", "-u", "ada", "-f", "pilothouse bridge$"])
            .unwrap();
        house.no_process_with("bridge --privileged");
        house.no_process_with("sudo -k");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sudo_that_requires_a_terminal_says_so() {
    let house = House::start(defaults(Machine::debian12(), "requiretty"));
    let mut access = access(&house, "ada").await;

    access.start("1", "sudo").await;

    let refused = access.next().await;
    assert!(refused.refusal().contains("must have a tty"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_is_refused_and_a_stop_ends_the_first_while_it_asks() {
    for release in releases() {
        let house = House::start(machine(release));
        let mut access = access(&house, "ada").await;
        access.start("1", "sudo").await;
        access.next().await.prompt();

        access.start("2", "sudo").await;
        let second = access.next().await;
        assert!(second.refusal().contains("being turned on"), "{second:?}");
        access.stop().await;
        access.start("3", "sudo").await;
        let mut ends = [access.next().await, access.next().await];
        ends.sort_by_key(|said| matches!(said, Said::Prompt { .. }));
        let [stopped, asked] = ends;
        assert!(stopped.refusal().contains("turned off"), "{stopped:?}");
        asked.prompt();
        access.answer(PASSWORD).await;

        assert_eq!(access.next().await, Said::Started("3".to_owned()));
        assert_eq!(access.whoami().await, Ok("root".to_owned()));
        access.stop().await;
        house.no_process_with("sudo -k");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_gives_up_at_once() {
    for release in releases() {
        let house = House::start(machine(release));
        let mut access = access(&house, "ada").await;
        access.start("1", "sudo").await;
        access.next().await.prompt();

        access.answer("").await;

        let refused = access.next().await;
        assert_ne!(refused.refusal(), "", "{refused:?}");
        assert_eq!(access.property("Current").await, json!("none"));
        house.no_process_with("sudo -k");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_the_login_answers_every_start_until_logout() {
    for release in releases() {
        let house = House::start(machine(release));
        let browser = house.logged_in_with_reuse("ada").await;
        let mut access = Access::open(browser.open_page().await).await;

        access.start("1", "sudo").await;
        assert_eq!(access.next().await, Said::Started("1".to_owned()));
        access.stop().await;

        access.start("2", "sudo").await;
        assert_eq!(access.next().await, Said::Started("2".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_after_the_password() {
    let line = format!("HOTP ada - {}\n", "3132333435363738393031323334353637383930");
    let module = "auth required pam_oath.so usersfile=/etc/users.oath window=10 digits=6";
    for release in releases() {
        let two_questions = machine(release)
            .package("libpam-oath")
            .file("/etc/users.oath", 0o600, &line)
            .script(&format!("sed -i '/@include common-auth/a {module}' /etc/pam.d/sudo"));
        let house = House::start(two_questions);
        let browser = house.logged_in_with_reuse("ada").await;
        let mut access = Access::open(browser.open_page().await).await;

        // The login's password goes to the question for a password, never to the next one.
        access.start("1", "sudo").await;
        let asked = access.next().await;
        assert!(asked.prompt().1.contains("OATH"), "{asked:?}");
        access.answer(ONE_TIME_CODES[0]).await;

        assert_eq!(access.next().await, Said::Started("1".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lecture_comes_with_the_first_question_and_is_no_error() {
    for release in releases() {
        let house = House::start(defaults(release, "lecture=always"));
        let mut access = access(&house, "ada").await;

        access.start("1", "sudo").await;
        let asked = access.next().await;

        let (message, _, error) = asked.prompt();
        assert!(message.contains("usual lecture"), "{asked:?}");
        assert_eq!(error, "", "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_since_the_login_starts_the_new_program() {
    let house = House::start(machine(Machine::debian13()));
    let mut access = access(&house, "ada").await;
    let upgrade = "cd /usr/local/bin && cp pilothouse new && mv new pilothouse";
    house.machine.exec(&["sh", "-c", upgrade]).unwrap();

    access.start("1", "sudo").await;
    access.next().await.prompt();
    access.answer(PASSWORD).await;

    assert_eq!(access.next().await, Said::Started("1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_killed_while_sudo_asks_leaves_nothing_behind() {
    for release in releases() {
        let house = House::start(machine(release));
        let mut access = access(&house, "ada").await;
        access.start("1", "sudo").await;
        access.next().await.prompt();

        house
            .machine
            .exec(&["pkill", "-KILL", "-u", "ada", "-f", "pilothouse bridge$"])
            .unwrap();

        house.no_process_with("sudo -k");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_root_runs_ends_with_the_users_bridge_even_when_nobody_reads_it() {
    for method in ["sudo", "pkexec"] {
        let house = House::start(machine(Machine::debian13().packages(&["polkitd", "pkexec"])));
        let mut access = access(&house, "ada").await;
        access.start("1", method).await;
        access.next().await.prompt();
        access.answer(PASSWORD).await;
        assert_eq!(access.next().await, Said::Started("1".to_owned()));
        for (channel, spawn) in [("zero", ["cat", "/dev/zero"]), ("idle", ["sleep", "1234"])] {
            let options = json!({ "payload": "stream", "spawn": spawn, "superuser": "require",
                "binary": "raw" });
            access.page.open(channel, options).await;
            access.page.ready(channel).await;
        }

        house
            .machine
            .exec(&["pkill", "-KILL", "-u", "ada", "-f", "pilothouse bridge$"])
            .unwrap();

        house.no_process_with("bridge --privileged");
        house.no_process_with("sleep 1234");
        house.no_process_with("cat /dev/zero");
    }
}
