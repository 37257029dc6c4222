//! Files that are cut off or overwritten (security rule R12).

use proptest::prelude::*;

use crate::places::{Places, RSA, host, key};

/// What one line of the file says: a host, and the number of the key.
struct Whole {
    text: Vec<u8>,
    /// For each host: its name, its key, and where its line begins and where its key ends.
    hosts: Vec<(&'static str, hosts::host_key::HostKey, usize, usize)>,
}

fn whole() -> Whole {
    let hashed = "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|cr0YLgTT7aj4X2PCkk6IJPkwHSA=";
    let rsa = RSA.parse().unwrap();
    let mut whole = Whole { text: b"# hosts\n".to_vec(), hosts: Vec::new() };
    for (name, field, key, comment) in [
        ("web1", "web1,10.0.0.1", key(1), ""),
        ("hashed1", hashed, key(2), ""),
        ("web2:2222", "[web2]:2222", key(3), " a comment"),
        ("db.example.org", "*.example.org,!www.example.org", rsa, ""),
    ] {
        let start = whole.text.len();
        whole.text.extend(format!("{field} {key}").bytes());
        whole.hosts.push((name, key, start, whole.text.len()));
        whole.text.extend(format!("{comment}\n").bytes());
    }
    whole
}

/// A line that is whole is believed. From the first byte of a line to the last of its key, the file shows that something
/// is missing, and no host is unknown. Only a file that ends exactly between two lines (or in a comment) cannot show it:
/// it is the file that was there before the line was added.
#[test]
fn a_file_that_is_cut_off_anywhere_makes_no_host_unknown() {
    let whole = whole();
    let places = Places::with("");
    let mut cuts_that_show = 0;
    for cut in 0..=whole.text.len() {
        let text = &whole.text[..cut];
        places.write("known_hosts", text);
        let shows = whole
            .hosts
            .iter()
            .any(|(_, _, start, end)| *start < cut && cut < *end);
        cuts_that_show += usize::from(shows);

        for (name, key, _, end) in &whole.hosts {
            let says = places.says(name, key);
            let expected = match (cut >= *end, shows) {
                (true, _) => "verified",
                (false, true) => "damaged",
                (false, false) => "unknown",
            };
            assert_eq!(says, expected, "{name} when cut at {cut}: …{:?}", tail(text));
        }
    }
    assert!(cuts_that_show > 700, "{cuts_that_show}");
}

fn tail(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[text.len().saturating_sub(40)..]).into_owned()
}

/// What a file system may leave behind after a crash.
#[test]
fn zeros_in_the_place_of_lines_make_no_host_unknown() {
    let mut text = whole().text;
    let length = text.len();
    text[length - 300..].fill(0);
    let places = Places::with("");
    places.write("known_hosts", &text);

    assert_eq!(places.says("web1", &key(1)), "verified");
    assert_eq!(places.says("db.example.org", &RSA.parse().unwrap()), "damaged");
    assert_eq!(places.says("elsewhere", &key(9)), "damaged");
}

#[test]
fn a_hashed_name_that_cannot_be_read_may_be_anybodys() {
    let places =
        Places::with(&format!("|1|AAECAwQFBgcICQoLDA0|cr0Y {}\nweb2 {}\n", key(1), key(2)));

    assert_eq!(places.says("web1", &key(1)), "damaged");
    assert_eq!(places.says("web2", &key(2)), "verified");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// One byte of the key of a line is overwritten: the host it names is still known.
    #[test]
    fn a_byte_that_is_overwritten_makes_no_host_unknown(at in 0..1500_usize, byte in any::<u8>()) {
        let whole = whole();
        let mut text = whole.text.clone();
        let at = at % text.len();
        let before = std::mem::replace(&mut text[at], byte);
        let places = Places::with("");
        places.write("known_hosts", &text);
        for (name, key, start, end) in &whole.hosts {
            let says = places.says(name, key);
            let names_end = start + whole.text[*start..].iter().position(|&byte| byte == b' ').unwrap();
            let line_end = end + whole.text[*end..].iter().position(|&byte| byte == b'\n').unwrap();
            let is_hit = (*start..=line_end).contains(&at) && byte != before;
            if !is_hit && at >= *start {
                prop_assert_eq!(says, "verified", "{} with {:?} at {}", name, byte, at);
            } else if at > names_end {
                prop_assert_ne!(says, "unknown", "{} with {:?} at {}", name, byte, at);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..300), name in "[a-z]{1,3}") {
        let places = Places::with("");
        places.write("known_hosts", &text);
        let _any = places.says(&name, &key(1));
        let _any = places.keys().algorithms_for(&host(&name));
    }
}
