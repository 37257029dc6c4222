//! What the stores say of a host that shows a key.

use hosts::host_key::{Change, HostKey, Refused, VouchedBy};
use russh::keys::ssh_key::Algorithm;

use crate::places::{P521, Places, RSA, WEAK_RSA, host, key};

fn lines(lines: &[String]) -> String {
    lines.join(
        "
",
    ) + "
"
}

#[test]
fn the_key_that_is_stored_is_verified_and_another_one_has_changed() {
    let places = Places::with(&format!("web1 {}\n", key(1)));

    let verified = places.verify("ada@Web1", &key(1)).unwrap();
    assert_eq!(verified.host(), &host("ada@web1"));
    assert_eq!(verified.key(), &key(1));
    let VouchedBy::Stored(place) = verified.by() else { panic!("{:?}", verified.by()) };
    assert_eq!((place.line, &place.file), (Some(1), &places.path("known_hosts")));

    let Err(Refused::Changed(changed)) = places.verify("web1", &key(2)) else { panic!() };
    assert_eq!((changed.how(), changed.key()), (Change::OtherKey, &key(2)));
    assert_eq!(changed.stored()[0].key, key(1));
    let text = changed.to_string();
    assert!(text.contains(&key(1).fingerprint().to_string()), "{text}");
    assert!(text.contains(&key(2).fingerprint().to_string()), "{text}");
}

#[test]
fn a_host_that_is_nowhere_is_unknown_and_says_where_else_its_key_is() {
    let places = Places::with(&format!("web2,10.0.0.2 {}\n", key(1)))
        .and_everybody(&format!("web3 {}\n", key(1)));

    let Err(Refused::Unknown(unknown)) = places.verify("web1", &key(1)) else { panic!() };

    assert_eq!(unknown.key(), &key(1));
    let names: Vec<&str> = unknown
        .other_names()
        .iter()
        .map(|other| other.name.as_str())
        .collect();
    assert_eq!(names, ["web2,10.0.0.2", "web3"]);
}

#[test]
fn names_have_wildcards_negation_hashes_and_any_blanks() {
    // HMAC-SHA1 of "hashed1", the salt is 0, 1, 2, ….
    let hashed = format!("|1|AAECAwQFBgcICQoLDA0ODxAREhM=|cr0YLgTT7aj4X2PCkk6IJPkwHSA= {}", key(1));
    let places = Places::with(&lines(&[
        "# a comment".into(),
        String::new(),
        format!(
            "\t *.example.org,!db.example.org \t {} and a comment",
            key(1).to_string().replace(' ', "\t  ")
        ),
        format!("WEB?,10.1.*.1 {}\r", key(2)),
        hashed,
    ]));

    assert_eq!(places.says("a.b.example.org", &key(1)), "verified");
    assert_eq!(places.says("db.example.org", &key(1)), "unknown");
    assert_eq!(places.says("web7", &key(2)), "verified");
    assert_eq!(places.says("10.1.9.1", &key(2)), "verified");
    assert_eq!(places.says("web77", &key(2)), "unknown");
    assert_eq!(places.says("Hashed1", &key(1)), "verified");
    assert_eq!(places.says("hashed1", &key(2)), "changed");
}

#[test]
fn a_port_is_part_of_the_name_and_port_22_is_none() {
    let places = Places::with(&lines(&[
        format!("[web1]:2222 {}", key(1)),
        format!("web1 {}", key(2)),
        format!("[2001:db8::1]:22022,2001:db8::1 {}", key(3)),
    ]));

    assert_eq!(places.says("web1:2222", &key(1)), "verified");
    assert_eq!(places.says("web1:2222", &key(2)), "changed");
    assert_eq!(places.says("web1:22", &key(2)), "verified");
    assert_eq!(places.says("[2001:db8::1]:22022", &key(3)), "verified");
    assert_eq!(places.says("[2001:DB8::1]", &key(3)), "verified");
    // As ssh(1): the key of port 22 will do on another port, but says nothing against one.
    assert_eq!(places.says("web1:2200", &key(2)), "verified");
    assert_eq!(places.says("web1:2200", &key(1)), "unknown");
}

#[test]
fn a_revoked_key_is_refused_whichever_store_says_so_and_for_whichever_port() {
    let revoked = format!("@revoked * {}\n", key(1));
    let good = format!("web1,[web1]:2222 {}\n", key(1));

    for places in [
        Places::with(&format!("{good}{revoked}")),
        Places::with(&good).and_server(&revoked),
        Places::with(&good).and_everybody(&revoked),
        Places::with(&good).and_everybody(&format!("@revoked\tweb1 {}\n", key(1))),
    ] {
        assert_eq!(places.says("web1", &key(1)), "revoked");
        assert_eq!(places.says("web1:2222", &key(1)), "revoked");
    }
}

#[test]
fn a_revocation_that_cannot_be_read_refuses_the_hosts_that_it_names() {
    let places = Places::with(&lines(&[
        format!("web1,db1 {}", key(1)),
        "@revoked web1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA".into(),
    ]));

    assert_eq!(places.says("web1", &key(1)), "damaged");
    assert_eq!(places.says("db1", &key(1)), "verified");
}

#[test]
fn several_keys_of_a_type_may_stand_side_by_side() {
    let places = Places::with(&lines(&[format!("web1 {}", key(1)), format!("web1 {}", key(2))]));

    assert_eq!(places.says("web1", &key(1)), "verified");
    assert_eq!(places.says("web1", &key(2)), "verified");
    assert_eq!(places.says("web1", &key(3)), "changed");
}

#[test]
fn stores_that_disagree_count_as_changed() {
    let places =
        Places::with(&format!("web1 {}\n", key(1))).and_server(&format!("web1 {}\n", key(2)));

    for seed in [1, 2] {
        let Err(Refused::Changed(changed)) = places.verify("web1", &key(seed)) else { panic!() };
        assert_eq!(changed.how(), Change::StoresDisagree);
        assert_eq!(changed.stored().len(), 2);
    }
    let Err(Refused::Changed(changed)) = places.verify("web1", &key(3)) else { panic!() };
    assert_eq!(changed.how(), Change::OtherKey);

    let types = Places::with(&format!("web1 {RSA}\n")).and_server(&format!("web1 {}\n", key(2)));
    assert_eq!(types.says("web1", &key(2)), "verified");
}

/// CVE-2020-14145, and a hole of others: a known host became new by showing a key of another type.
#[test]
fn a_host_that_is_known_by_another_type_is_known() {
    let places = Places::with(&format!("web1 {RSA}\n"));

    let Err(Refused::Changed(changed)) = places.verify("web1", &key(1)) else { panic!() };
    assert_eq!(changed.how(), Change::OtherType);

    let future = Places::with("web1 ssh-future AAAACnNzaC1mdXR1cmUAAAAEAAAAAA==\n");
    assert_eq!(future.says("web1", &key(1)), "changed");
}

#[test]
fn an_unknown_host_is_offered_one_list_and_a_known_one_only_what_is_stored() {
    let everything = Places::empty()
        .keys()
        .algorithms_for(&host("web1"))
        .unwrap();
    let known =
        Places::with(&format!("web1 {RSA}\nweb2 {}\n@cert-authority *.ca {}\n", key(1), key(9)));
    let offered = |name: &str| known.keys().algorithms_for(&host(name)).unwrap();
    let names = |list: &[Algorithm]| list.iter().map(ToString::to_string).collect::<Vec<_>>();

    assert_eq!(
        names(everything.keys()),
        [
            "ssh-ed25519",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "rsa-sha2-512",
            "rsa-sha2-256"
        ]
    );
    assert!(everything.certificates().is_empty());
    assert_eq!(offered("web3"), everything);
    assert_eq!(names(offered("web1").keys()), ["rsa-sha2-512", "rsa-sha2-256"]);
    assert_eq!(names(offered("web2").keys()), ["ssh-ed25519"]);
    assert_eq!(offered("web1.ca").certificates(), everything.keys());
    assert_eq!(offered("web1.ca").keys(), everything.keys());

    let hopeless = Places::with(&format!("web1 {P521}\n"));
    let refused = hopeless.keys().algorithms_for(&host("web1")).unwrap_err();
    assert!(matches!(refused, Refused::Unusable(_)), "{refused}");
}

#[test]
fn weak_keys_are_believed_from_nobody() {
    for weak in [WEAK_RSA, P521] {
        let weak: HostKey = weak.parse().unwrap();
        let places = Places::with(&format!("web1 {weak}\n"));

        assert_eq!(places.says("web1", &weak), "unusable");
        assert_eq!(places.says("web2", &weak), "unusable");
    }
    let rsa: HostKey = RSA.parse().unwrap();
    assert_eq!(Places::with(&format!("web1 {rsa}\n")).says("web1", &rsa), "verified");
}

#[test]
fn a_line_that_cannot_be_read_hides_no_other_and_never_makes_a_host_unknown() {
    let places = Places::with(&lines(&[
        "web1 ssh-ed25519 AAAA".into(),
        "web1".into(),
        "@future web1 ssh-ed25519 AAAA".into(),
        format!("web2 ssh-rsa {}", key(1).base64()),
        format!("web1 {}", key(1)),
    ]));

    assert_eq!(places.says("web1", &key(1)), "verified");
    assert_eq!(places.says("web1", &key(2)), "damaged");
    assert_eq!(places.says("web2", &key(1)), "damaged");
    assert_eq!(places.says("web3", &key(1)), "unknown");
}

#[test]
fn a_store_that_cannot_be_read_refuses_and_is_not_empty() {
    let folder = Places::with("");
    std::fs::create_dir(folder.path("everybody")).unwrap();
    assert_eq!(folder.says("web1", &key(1)), "damaged");

    let fifo = Places::with("");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fifo.path("server"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(fifo.says("web1", &key(1)), "damaged");

    let null = Places::empty();
    std::os::unix::fs::symlink("/dev/null", null.path("known_hosts")).unwrap();
    assert_eq!(null.says("web1", &key(1)), "unknown");
}
