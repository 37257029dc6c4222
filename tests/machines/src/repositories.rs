//! Package repositories in a machine: apt's, and one for dnf and zypper, each signed and with a small package.
//!
//! The package `lab-hello` is there in versions 1.0 and 2.0, so that an installation, an upgrade and a removal can
//! be seen; packages of ours are added to apt's. apt's repository is also served by HTTP for the lab's other
//! machines. Sources: apt-ftparchive(1), sources.list(5), `createrepo_c(8)`, rpmsign(8).

use std::path::Path;

use crate::machine::Machine;

/// Makes a key without a passphrase and writes its public half to the file `$1`, in armour.
const MAKE_KEY: &str = r#"export GNUPGHOME=/root/.lab-gnupg
mkdir -p -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'Lab <lab@lab.test>' rsa2048 sign never 2>/dev/null
key=$(gpg --list-keys --with-colons | awk -F: '$1 == "fpr" { print $10; exit }')
"#;

/// Builds the two versions of lab-hello for apt, then the index and its signature.
const APT: &str = r#"mkdir -p /srv/apt /etc/apt/keyrings
cd /srv/apt
for version in 1.0 2.0; do
    tree=$(mktemp -d)
    mkdir -p "$tree/DEBIAN" "$tree/usr/bin"
    printf 'Package: lab-hello\nVersion: %s\nArchitecture: all\nMaintainer: Lab <lab@lab.test>\nDescription: says its version\n' $version > "$tree/DEBIAN/control"
    printf '#!/bin/sh\necho hello %s\n' $version > "$tree/usr/bin/lab-hello"
    chmod 755 "$tree" "$tree/usr/bin/lab-hello"
    dpkg-deb --root-owner-group --build "$tree" "/srv/apt/lab-hello_${version}_all.deb" >/dev/null
done
apt-ftparchive packages . > Packages
apt-ftparchive release . > Release
gpg --batch --yes --local-user "$key" --clearsign --output InRelease Release
gpg --armor --export "$key" > /srv/apt/lab.asc
install -m 644 lab.asc /etc/apt/keyrings/lab.asc
mkdir -p /etc/apt/sources.list.d
echo 'deb [signed-by=/etc/apt/keyrings/lab.asc] file:/srv/apt ./' > /etc/apt/sources.list.d/lab.list
: > /etc/apt/sources.list
"#;

/// Serves `/srv/apt` on port 80.
const APT_UNIT: &str = "[Unit]
Description=Serves the lab's apt repository
[Service]
ExecStart=busybox httpd -f -p 80 -h /srv/apt
[Install]
WantedBy=multi-user.target
";

/// Starts it at boot.
const ENABLE_APT_UNIT: &str =
    "ln -s /etc/systemd/system/lab-apt.service /etc/systemd/system/multi-user.target.wants/";

/// Builds and signs the two versions of lab-hello for dnf and zypper, then the index and its signature.
const RPM: &str = r#"mkdir -p /srv/rpm /etc/yum.repos.d /etc/zypp/repos.d
cd /root
for version in 1.0 2.0; do
    cat > lab-hello.spec <<END
Name: lab-hello
Version: $version
Release: 1
Summary: says its version
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
Says its version.
%install
mkdir -p %{buildroot}/usr/bin
printf '#!/bin/sh\necho hello $version\n' > %{buildroot}/usr/bin/lab-hello
chmod 755 %{buildroot}/usr/bin/lab-hello
%files
/usr/bin/lab-hello
END
    rpmbuild --quiet --define '_rpmdir /srv/rpm' -bb lab-hello.spec
done
sed 's/lab-hello/lab-base/; s/^Version:.*/Version: 1.0/; s/bin.lab-hello/bin\/lab-base/g' lab-hello.spec > lab-base.spec
rpmbuild --quiet --define '_rpmdir /srv/rpm' -bb lab-base.spec
rpmsign --define '__gpg /usr/bin/gpg' --define "_gpg_name $key" --addsign /srv/rpm/noarch/*.rpm >/dev/null
gpg --armor --export "$key" > /srv/rpm/lab.asc
rpm --dbpath /var/lib/rpm --import /srv/rpm/lab.asc
# zypper fails on Debian after it removed the last of all packages: there is one more.
rpm --dbpath /var/lib/rpm --install --quiet /srv/rpm/noarch/lab-base-1.0-1.noarch.rpm 2>/dev/null
createrepo_c --quiet /srv/rpm
gpg --batch --local-user "$key" --armor --detach-sign /srv/rpm/repodata/repomd.xml
printf '[lab]\nname=Lab\nbaseurl=file:///srv/rpm\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file:///srv/rpm/lab.asc\n' > /etc/yum.repos.d/lab.repo
cp /etc/yum.repos.d/lab.repo /etc/zypp/repos.d/lab.repo
"#;

impl Machine {
    /// Has a signed apt repository as its only one: lab-hello and copies of these packages of the host. Other
    /// machines reach it at port 80, its key as `/lab.asc` ([`Self::uses_apt_repository_of`]).
    #[must_use]
    pub fn apt_repository(self, packages: &[&Path]) -> Self {
        let with_packages = packages.iter().fold(self, |machine, path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            machine.copy_of(*path, &format!("/srv/apt/{name}"), 0o644)
        });
        with_packages
            .packages(&["apt-utils", "gpg", "gpg-agent", "busybox"])
            .script(&format!("{MAKE_KEY}{APT}"))
            .file("/etc/systemd/system/lab-apt.service", 0o644, APT_UNIT)
            .script(ENABLE_APT_UNIT)
    }

    /// Has the apt repository of a machine with [`Self::apt_repository`] as its only one; `key` is what that
    /// machine has in `/srv/apt/lab.asc`.
    #[must_use]
    pub fn uses_apt_repository_of(self, repository: std::net::Ipv4Addr, key: &str) -> Self {
        let line = format!("deb [signed-by=/etc/apt/keyrings/lab.asc] http://{repository}/ ./\n");
        self.file("/etc/apt/keyrings/lab.asc", 0o644, key).file(
            "/etc/apt/sources.list",
            0o644,
            &line,
        )
    }

    /// Has dnf and zypper beside apt, each with a signed repository that has lab-hello: for the paths through
    /// RPM, on real tools.
    #[must_use]
    pub fn rpm_repository(self) -> Self {
        self.packages(&["dnf", "zypper", "rpm", "createrepo-c", "gpg", "gpg-agent", "file"])
            .script(&format!("{MAKE_KEY}{RPM}"))
    }
}
