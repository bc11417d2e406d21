//! Who calls a service, as the bus knows it: the Unix account and the role that its groups give.

use nix::unistd::{Gid, Group, Uid, User};
use varde_site::Role;
use zbus::Connection;
use zbus::message::Header;

use crate::role::{self, Verb};
use crate::{Failure, FailureKind};

/// The account behind a call.
#[derive(Clone, Debug)]
pub struct Caller {
    pub uid: u32,
    /// Account name, or the number where the account is gone.
    pub name: String,
    /// `None`: an account that has no business here.
    pub role: Option<Role>,
}

impl Caller {
    /// Asks the bus whose call `header` is.
    pub async fn of(connection: &Connection, header: &Header<'_>) -> Result<Self, Failure> {
        let sender = header.sender().ok_or_else(|| {
            Failure::new(
                FailureKind::Denied,
                "Kallet har ingen avsender",
                "The call has no sender",
            )
        })?;
        let bus = zbus::fdo::DBusProxy::new(connection).await?;
        let credentials = bus
            .get_connection_credentials(sender.clone().into())
            .await
            .map_err(|error| Failure::from(zbus::Error::from(error)))?;
        let uid = credentials.unix_user_id().ok_or_else(|| {
            Failure::new(
                FailureKind::Denied,
                "Bussen kjenner ikke avsenderen",
                "The bus does not know the sender",
            )
        })?;
        let groups = credentials.unix_group_ids().cloned().unwrap_or_default();
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let names: Vec<String> = groups
            .into_iter()
            .filter_map(|gid| Group::from_gid(Gid::from_raw(gid)).ok().flatten())
            .map(|group| group.name)
            .collect();
        Ok(Self {
            uid,
            name: user.map_or_else(|| uid.to_string(), |user| user.name),
            role: role_of(uid, &names),
        })
    }

    /// The account that this process runs as: for a client that shows what its operator may. The services have the
    /// last word.
    pub fn this_process() -> Self {
        let uid = nix::unistd::geteuid();
        let mut gids = nix::unistd::getgroups().unwrap_or_default();
        gids.push(nix::unistd::getegid());
        let names: Vec<String> = gids
            .into_iter()
            .filter_map(|gid| Group::from_gid(gid).ok().flatten())
            .map(|group| group.name)
            .collect();
        let user = User::from_uid(uid).ok().flatten();
        Self {
            uid: uid.as_raw(),
            name: user.map_or_else(|| uid.to_string(), |user| user.name),
            role: role_of(uid.as_raw(), &names),
        }
    }

    /// Refuses unless the caller's role may do `verb`.
    pub fn require(&self, verb: Verb) -> Result<(), Failure> {
        let needs = verb.needs();
        if self.role.is_some_and(|role| role >= needs) {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Denied,
            format!(
                "{} har ikke lov til dette ({}): det krever gruppen {}",
                self.name,
                verb.name(),
                role::group(needs)
            ),
            format!(
                "{} may not do this ({}): it needs the group {}",
                self.name,
                verb.name(),
                role::group(needs)
            ),
        ))
    }

    /// Refuses unless it is this service of ours, or root.
    pub fn require_account(&self, account: &str) -> Result<(), Failure> {
        if self.uid == 0 || self.name == account {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Denied,
            format!("{} har ikke lov til dette: det er for {account}", self.name),
            format!("{} may not do this: it is for {account}", self.name),
        ))
    }
}

fn role_of(uid: u32, groups: &[String]) -> Option<Role> {
    if uid == 0 {
        return Some(Role::Admin);
    }
    [Role::Admin, Role::Operator, Role::Viewer]
        .into_iter()
        .find(|role| groups.iter().any(|group| group == role::group(*role)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_group_gives_the_role() {
        let groups = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            role_of(1000, &groups(&["varde-viewer", "varde-admin"])),
            Some(Role::Admin)
        );
        assert_eq!(
            role_of(1000, &groups(&["users", "varde-operator"])),
            Some(Role::Operator)
        );
        assert_eq!(role_of(1000, &groups(&["users"])), None);
        assert_eq!(role_of(0, &[]), Some(Role::Admin));
    }

    /// What each role may do, written out: no role, viewer, operator, admin.
    const MAY: [(&str, [bool; 4]); 57] = [
        ("vm.read", [false, true, true, true]),
        ("vm.start", [false, false, true, true]),
        ("vm.shutdown", [false, false, true, true]),
        ("vm.force-off", [false, false, true, true]),
        ("vm.pause", [false, false, true, true]),
        ("vm.resume", [false, false, true, true]),
        ("vm.console", [false, false, true, true]),
        ("snapshot.take", [false, false, true, true]),
        ("snapshot.rollback", [false, false, true, true]),
        ("snapshot.commit", [false, false, true, true]),
        ("snapshot.cancel", [false, false, true, true]),
        ("site.read", [false, true, true, true]),
        ("site.check", [false, true, true, true]),
        ("site.apply", [false, false, false, true]),
        ("site.rollback", [false, false, false, true]),
        ("site.confirm", [false, false, false, true]),
        ("site.take-back", [false, false, false, true]),
        ("audit.read", [false, true, true, true]),
        ("host.read", [false, true, true, true]),
        ("host.log", [false, true, true, true]),
        ("db.read", [false, true, true, true]),
        ("db.restart", [false, false, true, true]),
        ("db.skip", [false, false, true, true]),
        ("db.hold", [false, false, true, true]),
        ("db.cancel", [false, false, true, true]),
        ("db.credential", [false, false, false, true]),
        ("phone.read", [false, true, true, true]),
        ("phone.numbers", [false, false, true, true]),
        ("phone.test", [false, false, true, true]),
        ("phone.clear", [false, false, true, true]),
        ("phone.restart", [false, false, true, true]),
        ("phone.credential", [false, false, false, true]),
        ("phone.recording", [false, false, true, true]),
        ("rehearsal.read", [false, true, true, true]),
        ("rehearsal.outcome", [false, false, true, true]),
        ("rehearsal.begin", [false, false, true, true]),
        ("rehearsal.discard", [false, false, true, true]),
        ("rehearsal.promote", [false, false, false, true]),
        ("rehearsal.take-back", [false, false, false, true]),
        ("desktop.read", [false, true, true, true]),
        ("desktop.stop", [false, false, true, true]),
        ("desktop.renew", [false, false, true, true]),
        ("access.read", [false, true, true, true]),
        ("access.origin", [false, false, true, true]),
        ("access.enrol", [false, false, true, true]),
        ("access.forget", [false, false, true, true]),
        ("access.end-session", [false, false, true, true]),
        ("access.certificate", [false, false, false, true]),
        ("tunnel.read", [false, true, true, true]),
        ("tunnel.key", [false, false, false, true]),
        ("update.read", [false, true, true, true]),
        ("update.mark-read", [false, false, true, true]),
        ("update.fetch", [false, false, false, true]),
        ("update.install", [false, false, false, true]),
        ("update.take-back", [false, false, false, true]),
        ("host.reboot", [false, false, false, true]),
        ("host.power-off", [false, false, false, true]),
    ];

    #[test]
    fn each_role_may_do_what_it_may_and_nothing_else() {
        let roles = [None, Some(Role::Viewer), Some(Role::Operator), Some(Role::Admin)];
        assert_eq!(MAY.len(), role::TABLE.len(), "a verb is missing here");
        for (verb, _, name) in role::TABLE {
            let (_, may) = MAY
                .iter()
                .find(|(known, _)| *known == name)
                .unwrap_or_else(|| panic!("{name} is missing here"));
            for (role, allowed) in roles.into_iter().zip(may) {
                let caller = Caller {
                    uid: 1000,
                    name: "kari".into(),
                    role,
                };
                match caller.require(verb) {
                    Ok(()) => assert!(allowed, "{role:?} may {name}"),
                    Err(failure) => {
                        assert!(!allowed, "{role:?} may not {name}");
                        assert_eq!(failure.kind, FailureKind::Denied);
                        assert!(failure.text.nb.contains(role::group(verb.needs())), "{failure}");
                    }
                }
            }
        }
    }
}
