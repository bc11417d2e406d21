//! Operators' accounts and machines' users, as JSON user records (systemd.io/USER_RECORD) where nss-systemd(8) looks.

use serde_json::{Value, json};
use varde_bus::role;
use varde_site::{Account, Role, Site, Vm};

use super::{Tree, file, link, secret};

pub(super) const FOLDER: &str = "/run/userdb";

/// Number of the group `varde` (sysusers.d/varde.conf), which everybody with an account is in. It is the accounts'
/// primary group: a group for each would clash with the system's own, such as `operator`.
const EVERYBODY: u32 = 800;

pub(super) fn render(site: &Site, tree: &mut Tree) {
    for account in &site.accounts {
        person(account, tree);
    }
    for vm in &site.vms {
        machine(vm, tree);
    }
}

fn person(account: &Account, tree: &mut Tree) {
    let (name, uid) = (&account.name, account.uid());
    let record = json!({
        "userName": name,
        // passwd(5) separates its fields with colons.
        "realName": account.title.replace(':', ""),
        "disposition": "regular",
        "uid": uid,
        "gid": EVERYBODY,
        "homeDirectory": "/",
        "shell": "/usr/bin/varde-console",
    });
    let hidden = json!({ "privileged": { "hashedPassword": [account.password_hash] } });
    user(tree, name, uid, &record);
    secret(tree, format!("{FOLDER}/{name}.user-privileged"), text(&hidden));
    link(
        tree,
        format!("{FOLDER}/{uid}.user-privileged"),
        format!("{name}.user-privileged"),
    );
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        if role <= account.role {
            let group = role::group(role);
            file(
                tree,
                format!("{FOLDER}/{name}:{group}.membership"),
                text(&json!({})),
            );
        }
    }
}

fn machine(vm: &Vm, tree: &mut Tree) {
    let (name, uid) = (vm.user(), vm.uid());
    let record = json!({
        "userName": name,
        "realName": format!("Virtual machine {}", vm.name),
        "disposition": "system",
        "uid": uid,
        "gid": uid,
        "homeDirectory": "/",
        "shell": "/usr/sbin/nologin",
        "locked": true,
    });
    user(tree, &name, uid, &record);
    let record = json!({ "groupName": name, "gid": uid, "disposition": "system" });
    file(tree, format!("{FOLDER}/{name}.group"), text(&record));
    link(tree, format!("{FOLDER}/{uid}.group"), format!("{name}.group"));
}

fn user(tree: &mut Tree, name: &str, uid: u32, record: &Value) {
    file(tree, format!("{FOLDER}/{name}.user"), text(record));
    link(tree, format!("{FOLDER}/{uid}.user"), format!("{name}.user"));
}

fn text(record: &Value) -> String {
    format!("{record:#}\n")
}
