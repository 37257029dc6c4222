//! A user's files in a folder that goes away, and keys to put into them.

use std::path::PathBuf;
use std::time::SystemTime;

use hosts::host_key::{HostKey, HostKeys, KnownHostsFile, Note, Presented, Refused, VerifiedHost};
use protocol::names::HostSpec;
use russh::keys::ssh_key::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;

/// RSA, 2048 bits.
pub(crate) const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDXf1ot0RtcAZFV/rrFwlStcTP52BCAN5COaLRJ3/o2HgxDoYQ1c7GSAjTLq2N08ww7S9IKQBU37pjbPMH21g/IqOAi0D6faCBF3wwb918w20HHle+3beEoo53KhYzj8myof6laR3tZghhSfHXt3/D6Mott69pSX/um7KjcErwpSZ4+Kd8NRmVkZFq788bBCzw5kET/tEUVKPwREl9IUsbcSanT1ZJiiFCYzUd6jLGLqHyJtNusWMsujfjcJXwaFovsHzL00npB7u9JErpi0dXjKrrt7aN1NQ/74XLbAKr0bTHkWaM1qTPaI+F3zHyFt8BWXCQmdJhChWj47gMQqlNt";
/// RSA, 1024 bits.
pub(crate) const WEAK_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC+VQEiR1m00E/39DV2PFWelLehxGBHvVq7+uvAb2V0+viulsTDoT4ICdUlP8J4CR8CFYuY1s28rImIwNqqRdoHr50gQ4vmH891ufHjjxDGWU02enl2m9u8PcLpSpf8Ive1CRjdtQdU3YW9nc9Yu0gStxl/mwYuHj/BhAMQT2hESQ==";
/// ECDSA on a curve that is not accepted.
pub(crate) const P521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBABZQHXKgiYE2Idzm18qn1J6pIvazrpt9J+s5TQxFMcRhhgzT2f0ONx+9Gnaf9g3DaxFatVdZvTTUfr9IAV+W+M2tgF0phVNQtyL857sy/XiWVFmWK6yaxeq1LzunehZhG04zxGzZKrzhdCSuwSZsDxajuPZInnMKdxnZmnoT2KMkJqv0w==";

/// The private key made of `seed`.
pub(crate) fn private_key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// Its public key.
pub(crate) fn key(seed: u8) -> HostKey {
    HostKey::from_ssh(private_key(seed).public_key().key_data()).unwrap()
}

pub(crate) fn host(text: &str) -> HostSpec {
    HostSpec::parse(text).unwrap()
}

pub(crate) fn shown(name: &str, key: &HostKey) -> Presented {
    Presented::with_key(host(name), None, key.clone())
}

pub(crate) fn note() -> Note {
    Note::now("ada", "reinstalled")
}

/// The three stores of one user.
pub(crate) struct Places {
    folder: tempfile::TempDir,
}

impl Places {
    /// With `own` in the user's own file.
    pub(crate) fn with(own: &str) -> Self {
        let places = Self { folder: tempfile::tempdir().unwrap() };
        places.write("known_hosts", own);
        places
    }

    /// With nothing at all, not even files.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The same with `text` in the management server's store.
    pub(crate) fn and_server(self, text: &str) -> Self {
        self.write("server", text);
        self
    }

    /// The same with `text` in OpenSSH's file for everybody.
    pub(crate) fn and_everybody(self, text: &str) -> Self {
        self.write("everybody", text);
        self
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The user's own file.
    pub(crate) fn own(&self) -> String {
        std::fs::read_to_string(self.path("known_hosts")).unwrap()
    }

    pub(crate) fn keys(&self) -> HostKeys {
        let server = KnownHostsFile::for_everybody(&self.path("server"));
        let everybody = KnownHostsFile::read_only(&self.path("everybody"));
        let own = KnownHostsFile::own(&self.path("known_hosts"));
        HostKeys::new(own, vec![Box::new(server), Box::new(everybody)])
    }

    pub(crate) fn verify(&self, name: &str, key: &HostKey) -> Result<VerifiedHost, Refused> {
        self.keys().verify(&shown(name, key), SystemTime::now())
    }

    /// The verdict in a word.
    pub(crate) fn says(&self, name: &str, key: &HostKey) -> &'static str {
        word(&self.verify(name, key))
    }
}

/// A verdict in a word.
pub(crate) fn word(verdict: &Result<VerifiedHost, Refused>) -> &'static str {
    match verdict {
        Ok(_) => "verified",
        Err(Refused::Unknown(_)) => "unknown",
        Err(Refused::Changed(_)) => "changed",
        Err(Refused::Revoked(_)) => "revoked",
        Err(Refused::Damaged(_)) => "damaged",
        Err(Refused::Unusable(_)) => "unusable",
    }
}
