//! What sshd(8) is told, and who may come in by which key.

use varde_site::{Account, Site};

use super::{Tree, file};

pub(super) const FOLDER: &str = "/etc/ssh";
/// Of the settings' file and of the folder of keys: all else in there is the image's.
pub(super) const PREFIX: &str = "varde-";
/// A file for each account with keys.
pub(super) const KEYS: &str = "/etc/ssh/varde-keys";

pub(super) fn render(site: &Site, tree: &mut Tree) {
    let Some(ssh) = &site.ssh else { return };
    let known = |account: &&Account| !account.ssh_keys.is_empty();
    let accounts: Vec<&Account> = site.accounts.iter().filter(known).collect();
    let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
    file(
        tree,
        format!("{FOLDER}/{PREFIX}sshd.conf"),
        format!(
            "# The console for accounts with a key, and nothing else.\n\
             ListenAddress {listen}\n\
             HostKey /var/lib/varde/ssh/host_ed25519\n\
             AllowUsers {names}\n\
             AuthenticationMethods publickey\n\
             AuthorizedKeysFile {KEYS}/%u\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             PermitRootLogin no\n\
             UsePAM no\n\
             DisableForwarding yes\n\
             PermitUserEnvironment no\n\
             PermitUserRC no\n\
             PrintMotd no\n\
             PrintLastLog no\n\
             PidFile none\n\
             LogLevel VERBOSE\n\
             LoginGraceTime 30\n\
             MaxAuthTries 3\n\
             MaxSessions 1\n\
             MaxStartups 5:50:20\n\
             ClientAliveInterval 30\n\
             ClientAliveCountMax 4\n",
            listen = ssh.listen,
            names = names.join(" "),
        ),
    );
    for account in accounts {
        let name = &account.name;
        file(tree, format!("{KEYS}/{name}"), account.ssh_keys.join("\n") + "\n");
    }
}
