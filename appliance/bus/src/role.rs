//! Which role may do what: one table.

use varde_site::Role;

/// Everything that a caller can ask of a service, as far as permission goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    ReadVm,
    StartVm,
    ShutDownVm,
    ForceOffVm,
    PauseVm,
    ResumeVm,
    EnterVmConsole,
    TakeSnapshot,
    RollBackSnapshot,
    MergeSnapshot,
    CancelMerge,
    ReadSite,
    CheckSite,
    ApplySite,
    RollBackSite,
    ConfirmSite,
    TakeBackSite,
    ReadAudit,
    ReadHost,
    ReadLog,
    ReadDatabase,
    RestartDatabase,
    SkipDatabase,
    HoldDatabase,
    CancelDatabase,
    SetDatabaseCredential,
    ReadTelephony,
    /// To see numbers from outside the site whole.
    ReadNumbers,
    TestCall,
    ClearCall,
    RestartChannel,
    SetTelephonyCredential,
    ReadRecording,
    ReadRehearsal,
    /// To see what guests said in it.
    ReadOutcome,
    Rehearse,
    DiscardRehearsal,
    Promote,
    TakeBackPromotion,
    ReadDesktop,
    EndDesktop,
    RenewDesktop,
    ReadAccess,
    /// To see where persons come from.
    ReadOrigin,
    Enrol,
    Forget,
    EndSession,
    SetCertificate,
    ReadTunnel,
    ChangeTunnelKey,
    ReadUpdate,
    MarkUpdateRead,
    FetchUpdate,
    InstallUpdate,
    TakeBackUpdate,
    Reboot,
    PowerOff,
}

/// The verb, the least role that may do it, and the name under which it is recorded.
pub const TABLE: [(Verb, Role, &str); 57] = [
    (Verb::ReadVm, Role::Viewer, "vm.read"),
    (Verb::StartVm, Role::Operator, "vm.start"),
    (Verb::ShutDownVm, Role::Operator, "vm.shutdown"),
    (Verb::ForceOffVm, Role::Operator, "vm.force-off"),
    (Verb::PauseVm, Role::Operator, "vm.pause"),
    (Verb::ResumeVm, Role::Operator, "vm.resume"),
    (Verb::EnterVmConsole, Role::Operator, "vm.console"),
    (Verb::TakeSnapshot, Role::Operator, "snapshot.take"),
    (Verb::RollBackSnapshot, Role::Operator, "snapshot.rollback"),
    (Verb::MergeSnapshot, Role::Operator, "snapshot.commit"),
    (Verb::CancelMerge, Role::Operator, "snapshot.cancel"),
    (Verb::ReadSite, Role::Viewer, "site.read"),
    (Verb::CheckSite, Role::Viewer, "site.check"),
    (Verb::ApplySite, Role::Admin, "site.apply"),
    (Verb::RollBackSite, Role::Admin, "site.rollback"),
    (Verb::ConfirmSite, Role::Admin, "site.confirm"),
    (Verb::TakeBackSite, Role::Admin, "site.take-back"),
    (Verb::ReadAudit, Role::Viewer, "audit.read"),
    (Verb::ReadHost, Role::Viewer, "host.read"),
    (Verb::ReadLog, Role::Viewer, "host.log"),
    (Verb::ReadDatabase, Role::Viewer, "db.read"),
    (Verb::RestartDatabase, Role::Operator, "db.restart"),
    (Verb::SkipDatabase, Role::Operator, "db.skip"),
    (Verb::HoldDatabase, Role::Operator, "db.hold"),
    (Verb::CancelDatabase, Role::Operator, "db.cancel"),
    (Verb::SetDatabaseCredential, Role::Admin, "db.credential"),
    (Verb::ReadTelephony, Role::Viewer, "phone.read"),
    (Verb::ReadNumbers, Role::Operator, "phone.numbers"),
    (Verb::TestCall, Role::Operator, "phone.test"),
    (Verb::ClearCall, Role::Operator, "phone.clear"),
    (Verb::RestartChannel, Role::Operator, "phone.restart"),
    (Verb::SetTelephonyCredential, Role::Admin, "phone.credential"),
    (Verb::ReadRecording, Role::Operator, "phone.recording"),
    (Verb::ReadRehearsal, Role::Viewer, "rehearsal.read"),
    (Verb::ReadOutcome, Role::Operator, "rehearsal.outcome"),
    (Verb::Rehearse, Role::Operator, "rehearsal.begin"),
    (Verb::DiscardRehearsal, Role::Operator, "rehearsal.discard"),
    (Verb::Promote, Role::Admin, "rehearsal.promote"),
    (Verb::TakeBackPromotion, Role::Admin, "rehearsal.take-back"),
    (Verb::ReadDesktop, Role::Viewer, "desktop.read"),
    (Verb::EndDesktop, Role::Operator, "desktop.stop"),
    (Verb::RenewDesktop, Role::Operator, "desktop.renew"),
    (Verb::ReadAccess, Role::Viewer, "access.read"),
    (Verb::ReadOrigin, Role::Operator, "access.origin"),
    (Verb::Enrol, Role::Operator, "access.enrol"),
    (Verb::Forget, Role::Operator, "access.forget"),
    (Verb::EndSession, Role::Operator, "access.end-session"),
    (Verb::SetCertificate, Role::Admin, "access.certificate"),
    (Verb::ReadTunnel, Role::Viewer, "tunnel.read"),
    (Verb::ChangeTunnelKey, Role::Admin, "tunnel.key"),
    (Verb::ReadUpdate, Role::Viewer, "update.read"),
    (Verb::MarkUpdateRead, Role::Operator, "update.mark-read"),
    (Verb::FetchUpdate, Role::Admin, "update.fetch"),
    (Verb::InstallUpdate, Role::Admin, "update.install"),
    (Verb::TakeBackUpdate, Role::Admin, "update.take-back"),
    (Verb::Reboot, Role::Admin, "host.reboot"),
    (Verb::PowerOff, Role::Admin, "host.power-off"),
];

impl Verb {
    fn row(self) -> (Role, &'static str) {
        TABLE
            .iter()
            .find(|(verb, ..)| *verb == self)
            .map(|(_, role, name)| (*role, *name))
            .expect("TABLE has a row for each verb; a test holds it to that")
    }

    /// The least role that may do it.
    pub fn needs(self) -> Role {
        self.row().0
    }

    /// Its name in the record, such as `vm.start`.
    pub fn name(self) -> &'static str {
        self.row().1
    }
}

/// The Unix group that a role is.
pub fn group(role: Role) -> &'static str {
    match role {
        Role::Viewer => "varde-viewer",
        Role::Operator => "varde-operator",
        Role::Admin => "varde-admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_one_row_for_each_verb_in_the_order_of_the_enum() {
        for (place, (verb, ..)) in TABLE.iter().enumerate() {
            assert_eq!(*verb as usize, place, "{verb:?}");
        }
        assert_eq!(
            TABLE.len(),
            Verb::PowerOff as usize + 1,
            "a verb after the last row has no row"
        );
    }
}
