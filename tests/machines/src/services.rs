//! Services that other machines of a lab depend on: a domain controller, a key distribution centre, and agents of the
//! service location protocol.
//!
//! Each is a description; the machine is ready when it is up. Sources: samba-tool(8), `kdb5_util(8)`,
//! kadmin(1), RFC 2608.

use crate::machine::Machine;
use crate::setup::quoted;

/// Makes a domain of the controller `$LAB_NAME`, and starts Samba as that at boot. Samba counts as started before its
/// tasks have their ports; the machine is up when all that a join asks answers.
const PROVISION: &str = r#"rm -f /etc/samba/smb.conf
domain=${realm%%.*}
printf '%s\n' "127.0.0.1 localhost" "$LAB_ADDRESS $LAB_NAME.$realm $LAB_NAME" > /etc/hosts
samba-tool domain provision --server-role=dc --use-rfc2307 --dns-backend=SAMBA_INTERNAL \
    --realm="$realm" --domain="$domain" --host-name="$LAB_NAME" --host-ip="$LAB_ADDRESS" \
    --adminpass="$password" >/root/provision.log 2>&1 || { cat /root/provision.log; exit 1; }
cp /var/lib/samba/private/krb5.conf /etc/krb5.conf
printf 'search %s\nnameserver 127.0.0.1\n' "$(echo "$realm" | tr A-Z a-z)" > /etc/resolv.conf
cd /etc/systemd/system
for unit in smbd nmbd winbind; do ln -sf /dev/null $unit.service; done
rm -f samba-ad-dc.service
mkdir -p multi-user.target.wants
ln -sf /lib/systemd/system/samba-ad-dc.service multi-user.target.wants/
mkdir -p samba-ad-dc.service.d
cat > samba-ad-dc.service.d/ready.conf <<'END'
[Service]
ExecStartPost=sh -c 'for port in 53 88 389 445 464; do \
    until ss -ltnH sport = $$port | grep -q .; do sleep 0.05; done; done; \
    until ldbsearch -H ldap://localhost -s base -b "" defaultNamingContext; do sleep 0.1; done'
END
"#;

/// Makes a realm with the principal `admin/admin`.
const REALM: &str = r#"cat > /etc/krb5.conf <<END
[libdefaults]
    default_realm = $realm
    dns_lookup_kdc = false
[realms]
    $realm = {
        kdc = $LAB_ADDRESS
        admin_server = $LAB_ADDRESS
    }
END
mkdir -p /etc/krb5kdc
printf '*/admin@%s *\n' "$realm" > /etc/krb5kdc/kadm5.acl
printf '%s\n%s\n' "$password" "$password" | kdb5_util create -s -r "$realm" >/dev/null 2>&1
printf '%s\n%s\n' "$password" "$password" | kadmin.local -q 'addprinc admin/admin' >/dev/null 2>&1
"#;

/// An agent of the service location protocol: no release has `OpenSLP`'s daemon.
const SLP_DAEMON: &str = include_str!("slpd.py");

/// Where it is, and what it registers at its start.
const SLP_PROGRAM: &str = "/usr/local/sbin/lab-slpd";
const SLP_REGISTRATIONS: &str = "/etc/lab-slp.reg";

/// Its unit is written in the machine: the address is known there. The port is bound when it counts as started.
const SLP_UNIT: &str = r"cat > /etc/systemd/system/lab-slpd.service <<END
[Unit]
Description=Service location daemon of the lab
After=network.target
[Service]
ExecStart=python3 /usr/local/sbin/lab-slpd $LAB_ADDRESS /etc/lab-slp.reg $mode
ExecStartPost=sh -c 'until ss -ulnH sport = 427 | grep -q .; do sleep 0.05; done'
END
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -sf ../lab-slpd.service /etc/systemd/system/multi-user.target.wants/
";

impl Machine {
    /// Advertises services by the service location protocol, as `OpenSLP`'s daemon does: each is a URL with its
    /// attributes, `("service:ssh://10.0.0.2", "(os=Debian),lab")`.
    #[must_use]
    pub fn slp_daemon(self, services: &[(&str, &str)]) -> Self {
        self.slp("", services)
    }

    /// Is a directory agent of the service location protocol, where others register.
    #[must_use]
    pub fn slp_directory(self) -> Self {
        self.slp("--directory", &[])
    }

    fn slp(self, mode: &str, services: &[(&str, &str)]) -> Self {
        let lines = services
            .iter()
            .map(|(url, attributes)| format!("{url}\t{attributes}"));
        let lines = lines.collect::<Vec<_>>().join("\n");
        self.package("python3")
            .file(SLP_PROGRAM, 0o755, SLP_DAEMON)
            .file(SLP_REGISTRATIONS, 0o644, &lines)
            .script(&format!("mode={mode}\n{SLP_UNIT}"))
    }

    /// Is the domain controller of an Active Directory domain (`AD.LAB.TEST`) by Samba, with DNS. `password` is
    /// that of its Administrator, and must satisfy Samba: long, with digits and capitals.
    #[must_use]
    pub fn samba_domain(self, realm: &str, password: &str) -> Self {
        self.packages(&[
            "samba",
            "samba-ad-dc",
            "samba-ad-provision",
            "winbind",
            "krb5-user",
            "samba-dsdb-modules",
        ])
        .packages(&["samba-vfs-modules", "ldb-tools", "python3-setproctitle"])
        .script_with(realm, password, PROVISION)
    }

    /// Is the key distribution centre of a Kerberos realm, by MIT krb5. `password` is that of `admin/admin` and
    /// of the database.
    #[must_use]
    pub fn kerberos_realm(self, realm: &str, password: &str) -> Self {
        self.packages(&["krb5-kdc", "krb5-admin-server", "krb5-user"])
            .script_with(realm, password, REALM)
    }

    /// Runs a script that knows `$realm` and `$password`.
    fn script_with(mut self, realm: &str, password: &str, script: &str) -> Self {
        match (quoted(realm), quoted(password)) {
            (Ok(realm), Ok(password)) => {
                self.script(&format!("realm={realm}\npassword={password}\n{script}"))
            }
            (Err(error), _) | (_, Err(error)) => {
                self.mistake = Some(error.to_string());
                self
            }
        }
    }
}
