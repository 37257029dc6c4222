//! Variants: the odd machines of real fleets, each one method on [`Machine`].
//!
//! They only add packages, lines of configuration and commands to a description. What they promise is tested in
//! `tests/variants.rs`.

use crate::machine::Machine;

/// How a user proves who they are to sshd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SshLogin {
    /// By password, or by key: Debian's default.
    Password,
    /// By a dialogue through PAM with one question, or by key.
    KeyboardInteractive,
    /// By a dialogue through PAM with two questions: the password, then a one-time code
    /// ([`ONE_TIME_CODES`]). Needs users to be there already.
    TwoQuestions,
    /// By key alone.
    Key,
}

/// The one-time codes of every user of a machine with [`SshLogin::TwoQuestions`], each good once and in this
/// order: RFC 4226, appendix D.
pub const ONE_TIME_CODES: [&str; 10] = [
    "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
    "520489",
];

/// The secret behind [`ONE_TIME_CODES`], in hexadecimal.
const ONE_TIME_SECRET: &str = "3132333435363738393031323334353637383930";

/// A unit that holds dpkg's lock.
const LOCK_UNIT: &str = "[Unit]
Description=Holds the package lock
[Service]
Type=notify
NotifyAccess=all
ExecStart=/usr/local/sbin/lab-package-lock
[Install]
WantedBy=multi-user.target
";

/// What it runs, under the name that people meet in life. Perl, because every Debian has it, and the lock is of
/// the kind of fcntl(2).
const LOCK_HOLDER: &str = r#"#!/usr/bin/perl
use Fcntl;
$0 = "unattended-upgr";
my @held;
for my $name ("lock-frontend", "lock") {
    open(my $file, ">>", "/var/lib/dpkg/$name") or die;
    my $lock = pack("s s x![l!] l! l! i", F_WRLCK, 0, 0, 0, 0);
    fcntl($file, F_SETLK, $lock) or die;
    push @held, $file;
}
system("systemd-notify", "--ready");
sleep 3600 while 1;
"#;

/// Commands that make a unit start at boot where no systemd runs yet.
const ENABLE_LOCK_HOLDER: &str = "ln -s /etc/systemd/system/lab-package-lock.service \
    /etc/systemd/system/multi-user.target.wants/";

impl Machine {
    /// How sshd lets users in.
    #[must_use]
    pub fn ssh_login(self, login: SshLogin) -> Self {
        // The old name of KbdInteractiveAuthentication is the one that all releases know.
        let dialogue = "ChallengeResponseAuthentication yes";
        match login {
            SshLogin::Password => self.sshd("PasswordAuthentication yes"),
            SshLogin::KeyboardInteractive => self.sshd("PasswordAuthentication no").sshd(dialogue),
            SshLogin::TwoQuestions => self
                .two_questions()
                .sshd("PasswordAuthentication no")
                .sshd(dialogue),
            SshLogin::Key => self
                .sshd("PasswordAuthentication no")
                .sshd("ChallengeResponseAuthentication no"),
        }
    }

    fn two_questions(self) -> Self {
        let lines: Vec<String> = self
            .users
            .iter()
            .map(|user| format!("HOTP {} - {ONE_TIME_SECRET}\n", user.name))
            .collect();
        let module = "auth required pam_oath.so usersfile=/etc/users.oath window=10 digits=6";
        self.package("libpam-oath")
            .file("/etc/users.oath", 0o600, &lines.concat())
            .script(&format!("sed -i '/@include common-auth/a {module}' /etc/pam.d/sshd"))
    }

    /// Lets in whoever shows a certificate of this authority (one line, as in a `.pub` file), and by no other
    /// key.
    #[must_use]
    pub fn ssh_certificates_of(self, authority: &str) -> Self {
        self.file("/etc/ssh/lab-ca.pub", 0o644, &format!("{authority}\n"))
            .sshd("TrustedUserCAKeys /etc/ssh/lab-ca.pub")
            .sshd("AuthorizedKeysFile none")
            .sshd("PasswordAuthentication no")
    }

    /// Lets sshd listen on this port alone.
    #[must_use]
    pub fn ssh_port(self, port: u16) -> Self {
        self.sshd(&format!("Port {port}"))
    }

    /// Lets sshd speak only what servers of 2010 spoke: `ssh-rsa` with SHA-1, a 2048-bit group, CBC.
    #[must_use]
    pub fn old_ssh_algorithms(self) -> Self {
        self.sshd("HostKeyAlgorithms ssh-rsa")
            .sshd("KexAlgorithms diffie-hellman-group14-sha1")
            .sshd("Ciphers aes128-cbc,3des-cbc")
            .sshd("MACs hmac-sha1")
            .script("ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_rsa_key")
    }

    /// Has dropbear in the place of OpenSSH's server; its sftp server stays.
    #[must_use]
    pub fn dropbear(self) -> Self {
        self.packages(&["dropbear", "openssh-sftp-server"])
            .without_packages(&["openssh-server"])
            .script("sed -i 's/^NO_START=1/NO_START=0/' /etc/default/dropbear")
    }

    /// Has no D-Bus, and so no logind: systemd runs, sessions get no runtime directory.
    #[must_use]
    pub fn without_dbus(self) -> Self {
        self.without_packages(&["dbus", "libpam-systemd"])
    }

    /// Has no sudo at all.
    #[must_use]
    pub fn without_sudo(self) -> Self {
        self.without_packages(&["sudo"])
    }

    /// Has another program hold dpkg's lock from boot on; `systemctl stop lab-package-lock` gives it back.
    #[must_use]
    pub fn package_lock_held(self) -> Self {
        self.file("/usr/local/sbin/lab-package-lock", 0o755, LOCK_HOLDER)
            .file("/etc/systemd/system/lab-package-lock.service", 0o644, LOCK_UNIT)
            .script(ENABLE_LOCK_HOLDER)
    }

    /// Makes the last user's password expire, so that the next login asks for a new one.
    #[must_use]
    pub fn password_expired(self) -> Self {
        match self.users.last().map(|user| user.name.clone()) {
            Some(name) => self.script(&format!("chage -d 0 -- '{name}'")),
            None => self,
        }
    }
}
