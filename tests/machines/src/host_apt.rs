//! How this computer's own apt reaches its packages: mirrors, proxy, date checks.
//!
//! Images are built with the same settings, read anew each time and never stored in the checkout. Sources:
//! apt-get(8) "indextargets", apt-config(8) "dump".

use std::path::Path;

use crate::error::Result;
use crate::program::Program;
use crate::release::Release;

/// What the host's apt is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostApt {
    mirror: String,
    security: String,
    /// Lines of apt.conf.
    options: String,
}

/// Where the host keeps its certificate authorities in one file.
pub(crate) const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Settings that say how to reach a mirror; all others are the machine's own affair.
const PASSED_ON: &[&str] = &[
    "Acquire::http::",
    "Acquire::https::",
    "Acquire::Check-",
    "Acquire::Retries",
    "Acquire::Force",
];

impl HostApt {
    /// Asks apt.
    ///
    /// # Errors
    ///
    /// If apt cannot be asked.
    pub(crate) fn of_this_computer() -> Result<Self> {
        let targets = Program::new("apt-get")
            .args(["indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"])
            .output()?;
        let settings = Program::new("apt-config").arg("dump").output()?;
        Ok(Self::from_answers(&targets, &settings))
    }

    fn from_answers(targets: &str, settings: &str) -> Self {
        let site_of = |suffix: &str| {
            targets.lines().find_map(|line| {
                let mut words = line.split(' ');
                let (site, release) = (words.next()?, words.next()?);
                (words.next() == Some("main") && release.ends_with(suffix)).then(|| site.to_owned())
            })
        };
        let options = settings
            .lines()
            .filter(|line| PASSED_ON.iter().any(|name| line.starts_with(name)))
            .flat_map(|line| [line, "\n"])
            .collect();
        Self {
            mirror: site_of("-updates").unwrap_or_else(|| "http://deb.debian.org/debian".into()),
            security: site_of("-security")
                .unwrap_or_else(|| "http://deb.debian.org/debian-security".into()),
            options,
        }
    }

    /// Lines of sources.list for a release.
    pub(crate) fn sources(&self, release: Release) -> Vec<String> {
        let name = release.codename();
        let Self { mirror, security, .. } = self;
        vec![
            format!("deb {mirror} {name} main"),
            format!("deb {mirror} {name}-updates main"),
            format!("deb {security} {name}-security main"),
        ]
    }

    /// The line of sources.list for a release's backports.
    pub(crate) fn backports(&self, release: Release) -> String {
        format!("deb {} {}-backports main", self.mirror, release.codename())
    }

    /// Lines of apt.conf that a program outside the machine uses.
    pub(crate) fn options(&self) -> &str {
        &self.options
    }

    /// Whether packages come by HTTPS, so that a machine needs the host's certificate authorities for it.
    pub(crate) fn wants_authorities(&self) -> bool {
        let https = self.mirror.starts_with("https:") || self.security.starts_with("https:");
        https && Path::new(CA_BUNDLE).is_file()
    }
}

#[test]
fn the_mirror_is_the_one_with_updates_not_a_third_partys() {
    let targets = "https://download.example/linux/debian bookworm stable\n\
                   http://mirror.example/debian bookworm main\n\
                   http://mirror.example/debian bookworm-updates main\n\
                   http://sec.example/debian-security bookworm-security main\n";

    let apt = HostApt::from_answers(targets, "APT::Architecture \"amd64\";\n");

    assert_eq!(apt.sources(Release::Trixie)[0], "deb http://mirror.example/debian trixie main");
    assert_eq!(
        apt.sources(Release::Trixie)[2],
        "deb http://sec.example/debian-security trixie-security main"
    );
}

#[test]
fn only_the_settings_that_reach_a_mirror_are_passed_on() {
    let settings = "APT::Install-Recommends \"true\";\nAcquire::http::Proxy \"http://p:3128\";\n\
                    Acquire::Check-Date \"false\";\nDPkg::Post-Invoke \"\";\n";

    let apt = HostApt::from_answers("", settings);

    assert_eq!(
        apt.options(),
        "Acquire::http::Proxy \"http://p:3128\";\nAcquire::Check-Date \"false\";\n"
    );
    assert_eq!(
        apt.backports(Release::Bookworm),
        "deb http://deb.debian.org/debian bookworm-backports main"
    );
}
