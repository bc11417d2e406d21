//! The one layer through which the console, the command line and the tests act on the appliance.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Connection;

use crate::Failure;
use crate::access::AccessProxy;
use crate::audit::AuditProxy;
use crate::dbrestart::DbRestartProxy;
use crate::desktop::DesktopsProxy;
use crate::host::HostProxy;
use crate::hypervisor::HypervisorProxy;
use crate::rehearsal::RehearsalsProxy;
use crate::role::Verb;
use crate::site::SiteProxy;
use crate::telephony::TelephonyProxy;
use crate::tunnel::TunnelProxy;
use crate::update::UpdateProxy;

/// A change that somebody asks for, as data: it can be recorded and replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    StartVm {
        vm: String,
        why: String,
    },
    ShutDownVm {
        vm: String,
        why: String,
    },
    ForceOffVm {
        vm: String,
        why: String,
    },
    PauseVm {
        vm: String,
        why: String,
    },
    ResumeVm {
        vm: String,
        why: String,
    },
    TakeSnapshot {
        vms: Vec<String>,
        /// Seconds; 0 for the usual.
        keep: u64,
        /// Bytes; 0 for the usual.
        budget: u64,
        why: String,
    },
    RollBackSnapshot {
        snapshot: String,
        why: String,
    },
    MergeSnapshot {
        snapshot: String,
        quiet: bool,
        why: String,
    },
    CancelMerge {
        snapshot: String,
        why: String,
    },
    /// On trial for so many seconds, or for good for 0.
    ApplySite {
        toml: String,
        why: String,
        within: u32,
    },
    RollBackSite {
        generation: u64,
        why: String,
        within: u32,
    },
    ConfirmSite {
        generation: u64,
        why: String,
    },
    TakeBackSite {
        why: String,
    },
    /// At a moment (milliseconds since 1970, UTC), or at once for 0.
    RestartDatabase {
        database: String,
        at: i64,
        why: String,
    },
    SkipDatabase {
        database: String,
        why: String,
    },
    HoldDatabase {
        database: String,
        hold: bool,
        why: String,
    },
    CancelDatabase {
        database: String,
        why: String,
    },
    /// Over the target named, or by the routes where it is empty.
    TestCall {
        number: String,
        target: String,
        why: String,
    },
    TestEmergency {
        why: String,
    },
    ClearCall {
        call: u64,
        why: String,
    },
    /// All channels of the line for 0.
    RestartChannel {
        line: String,
        channel: u8,
        why: String,
    },
    Rehearse {
        recipe: String,
        why: String,
    },
    DiscardRehearsal {
        rehearsal: String,
        why: String,
    },
    Promote {
        rehearsal: String,
        why: String,
    },
    TakeBackPromotion {
        rehearsal: String,
        why: String,
    },
    EndDesktop {
        desktop: String,
        why: String,
    },
    RenewDesktop {
        desktop: String,
        why: String,
    },
    Enrol {
        person: String,
        why: String,
    },
    Forget {
        person: String,
        why: String,
    },
    EndSession {
        session: String,
        why: String,
    },
    /// The newest release of the site's source.
    FetchUpdate {
        why: String,
    },
    /// What is on the stick, or was `fetched`; `even_so` an older version too, or one in quarantine.
    InstallUpdate {
        fetched: bool,
        even_so: bool,
        why: String,
    },
    TakeBackUpdate {
        why: String,
    },
    MarkUpdateRead {
        why: String,
    },
    Reboot {
        why: String,
    },
    PowerOff {
        why: String,
    },
}

impl Action {
    /// What permission it needs.
    pub fn verb(&self) -> Verb {
        match self {
            Self::StartVm { .. } => Verb::StartVm,
            Self::ShutDownVm { .. } => Verb::ShutDownVm,
            Self::ForceOffVm { .. } => Verb::ForceOffVm,
            Self::PauseVm { .. } => Verb::PauseVm,
            Self::ResumeVm { .. } => Verb::ResumeVm,
            Self::TakeSnapshot { .. } => Verb::TakeSnapshot,
            Self::RollBackSnapshot { .. } => Verb::RollBackSnapshot,
            Self::MergeSnapshot { .. } => Verb::MergeSnapshot,
            Self::CancelMerge { .. } => Verb::CancelMerge,
            Self::ApplySite { .. } => Verb::ApplySite,
            Self::RollBackSite { .. } => Verb::RollBackSite,
            Self::ConfirmSite { .. } => Verb::ConfirmSite,
            Self::TakeBackSite { .. } => Verb::TakeBackSite,
            Self::RestartDatabase { .. } => Verb::RestartDatabase,
            Self::SkipDatabase { .. } => Verb::SkipDatabase,
            Self::HoldDatabase { .. } => Verb::HoldDatabase,
            Self::CancelDatabase { .. } => Verb::CancelDatabase,
            Self::TestCall { .. } | Self::TestEmergency { .. } => Verb::TestCall,
            Self::ClearCall { .. } => Verb::ClearCall,
            Self::RestartChannel { .. } => Verb::RestartChannel,
            Self::Rehearse { .. } => Verb::Rehearse,
            Self::DiscardRehearsal { .. } => Verb::DiscardRehearsal,
            Self::Promote { .. } => Verb::Promote,
            Self::TakeBackPromotion { .. } => Verb::TakeBackPromotion,
            Self::EndDesktop { .. } => Verb::EndDesktop,
            Self::RenewDesktop { .. } => Verb::RenewDesktop,
            Self::Enrol { .. } => Verb::Enrol,
            Self::Forget { .. } => Verb::Forget,
            Self::EndSession { .. } => Verb::EndSession,
            Self::FetchUpdate { .. } => Verb::FetchUpdate,
            Self::InstallUpdate { .. } => Verb::InstallUpdate,
            Self::TakeBackUpdate { .. } => Verb::TakeBackUpdate,
            Self::MarkUpdateRead { .. } => Verb::MarkUpdateRead,
            Self::Reboot { .. } => Verb::Reboot,
            Self::PowerOff { .. } => Verb::PowerOff,
        }
    }
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub text: Text,
    /// The generation that is active because of it.
    pub generation: Option<u64>,
    /// The calls that were made for it.
    pub calls: Vec<u64>,
}

/// No answer after this long counts as unknown. Long enough for what answers last: a generation that is being put to
/// use, and a check of years of records.
const PATIENCE: Duration = Duration::from_mins(2);

/// A connection to the services. Reading goes through the proxies, changing through [`Client::perform`].
#[derive(Clone, Debug)]
pub struct Client {
    pub connection: Connection,
    pub hypervisor: HypervisorProxy<'static>,
    pub site: SiteProxy<'static>,
    pub audit: AuditProxy<'static>,
    pub host: HostProxy<'static>,
    pub dbrestart: DbRestartProxy<'static>,
    pub telephony: TelephonyProxy<'static>,
    pub rehearsals: RehearsalsProxy<'static>,
    pub desktops: DesktopsProxy<'static>,
    pub access: AccessProxy<'static>,
    pub tunnel: TunnelProxy<'static>,
    pub update: UpdateProxy<'static>,
}

impl Client {
    /// Connects to the system bus, or to the one that `DBUS_SYSTEM_BUS_ADDRESS` names.
    pub async fn connect() -> Result<Self, Failure> {
        let connection = zbus::connection::Builder::system()
            .method_timeout(PATIENCE)
            .build()
            .await?;
        Self::over(connection).await
    }

    pub async fn over(connection: Connection) -> Result<Self, Failure> {
        Ok(Self {
            hypervisor: HypervisorProxy::new(&connection).await?,
            site: SiteProxy::new(&connection).await?,
            audit: AuditProxy::new(&connection).await?,
            host: HostProxy::new(&connection).await?,
            dbrestart: DbRestartProxy::new(&connection).await?,
            telephony: TelephonyProxy::new(&connection).await?,
            rehearsals: RehearsalsProxy::new(&connection).await?,
            desktops: DesktopsProxy::new(&connection).await?,
            access: AccessProxy::new(&connection).await?,
            tunnel: TunnelProxy::new(&connection).await?,
            update: UpdateProxy::new(&connection).await?,
            connection,
        })
    }

    /// Asks the service, and says what came of it.
    pub async fn perform(&self, action: &Action) -> Result<Done, Failure> {
        let mut generation = None;
        let mut calls = Vec::new();
        let text = match action {
            Action::StartVm { vm, why } => {
                self.hypervisor.start(vm, why).await?;
                Text::new(format!("{vm} starter"), format!("{vm} is starting"))
            }
            Action::ShutDownVm { vm, why } => {
                self.hypervisor.shut_down(vm, why).await?;
                Text::new(format!("{vm} slås av"), format!("{vm} is shutting down"))
            }
            Action::ForceOffVm { vm, why } => {
                self.hypervisor.force_off(vm, why).await?;
                Text::new(
                    format!("Strømmen til {vm} er kuttet"),
                    format!("Power to {vm} is cut"),
                )
            }
            Action::PauseVm { vm, why } => {
                self.hypervisor.pause(vm, why).await?;
                Text::new(format!("{vm} er satt på pause"), format!("{vm} is paused"))
            }
            Action::ResumeVm { vm, why } => {
                self.hypervisor.resume(vm, why).await?;
                Text::new(format!("{vm} går igjen"), format!("{vm} runs again"))
            }
            Action::TakeSnapshot {
                vms,
                keep,
                budget,
                why,
            } => {
                let names: Vec<&str> = vms.iter().map(String::as_str).collect();
                let id = self.hypervisor.take_snapshot(&names, *keep, *budget, why).await?;
                Text::new(
                    format!("Øyeblikksbildet {id} er tatt"),
                    format!("Snapshot {id} is taken"),
                )
            }
            Action::RollBackSnapshot { snapshot, why } => {
                self.hypervisor.roll_back_snapshot(snapshot, why).await?;
                Text::new(
                    format!("Rullet tilbake til {snapshot}"),
                    format!("Rolled back to {snapshot}"),
                )
            }
            Action::MergeSnapshot { snapshot, quiet, why } => {
                self.hypervisor.merge_snapshot(snapshot, *quiet, why).await?;
                if *quiet {
                    Text::new(
                        format!("{snapshot} slås sammen i de stille timene"),
                        format!("{snapshot} is merged in the quiet hours"),
                    )
                } else {
                    Text::new(
                        format!("{snapshot} slås sammen"),
                        format!("{snapshot} is being merged"),
                    )
                }
            }
            Action::CancelMerge { snapshot, why } => {
                self.hypervisor.cancel_merge(snapshot, why).await?;
                Text::new(
                    format!("Sammenslåingen av {snapshot} er avlyst"),
                    format!("The merge of {snapshot} is cancelled"),
                )
            }
            Action::ApplySite { toml, why, within: 0 } => {
                let number = self.site.apply(toml, why).await?;
                generation = Some(number);
                Text::new(
                    format!("Generasjon {number} er tatt i bruk"),
                    format!("Generation {number} is active"),
                )
            }
            Action::ApplySite { toml, why, within } => {
                let number = self.site.apply_on_trial(toml, why, *within).await?;
                generation = Some(number);
                on_trial(number, *within)
            }
            Action::RollBackSite {
                generation: older,
                why,
                within: 0,
            } => {
                let number = self.site.roll_back(*older, why).await?;
                generation = Some(number);
                Text::new(
                    format!("Generasjon {number} er tatt i bruk, lik generasjon {older}"),
                    format!("Generation {number} is active, the same as generation {older}"),
                )
            }
            Action::RollBackSite {
                generation: older,
                why,
                within,
            } => {
                let number = self.site.roll_back_on_trial(*older, why, *within).await?;
                generation = Some(number);
                on_trial(number, *within)
            }
            Action::ConfirmSite {
                generation: number,
                why,
            } => {
                self.site.confirm(*number, why).await?;
                generation = Some(*number);
                Text::new(
                    format!("Generasjon {number} er bekreftet og gjelder for godt"),
                    format!("Generation {number} is confirmed and counts for good"),
                )
            }
            Action::TakeBackSite { why } => {
                let number = self.site.take_back(why).await?;
                generation = Some(number);
                Text::new(
                    format!("Prøven er tatt tilbake; generasjon {number} gjelder igjen"),
                    format!("The trial is taken back; generation {number} counts again"),
                )
            }
            Action::RestartDatabase { database, at, why } => {
                self.dbrestart.restart(database, *at, why).await?;
                if *at == 0 {
                    Text::new(
                        format!("{database} startes på nytt når ingen er i veien"),
                        format!("{database} restarts when nobody is in the way"),
                    )
                } else {
                    Text::new(
                        format!("Omstart av {database} er planlagt"),
                        format!("A restart of {database} is planned"),
                    )
                }
            }
            Action::SkipDatabase { database, why } => {
                self.dbrestart.skip_next(database, why).await?;
                Text::new(
                    format!("Neste omstart av {database} hoppes over"),
                    format!("The next restart of {database} is skipped"),
                )
            }
            Action::HoldDatabase { database, hold, why } => {
                self.dbrestart.hold(database, *hold, why).await?;
                if *hold {
                    Text::new(
                        format!("Omstarter av {database} er stilt i bero"),
                        format!("Restarts of {database} are on hold"),
                    )
                } else {
                    Text::new(
                        format!("Omstarter av {database} går igjen som planlagt"),
                        format!("Restarts of {database} go on as planned"),
                    )
                }
            }
            Action::CancelDatabase { database, why } => {
                self.dbrestart.cancel(database, why).await?;
                Text::new(
                    format!("Omstarten av {database} er avlyst"),
                    format!("The restart of {database} is called off"),
                )
            }
            Action::TestCall { number, target, why } => {
                let call = self.telephony.test_call(number, target, why).await?;
                calls.push(call);
                Text::new(
                    format!("Prøvesamtale {call} til {number} er i gang"),
                    format!("Test call {call} to {number} is under way"),
                )
            }
            Action::TestEmergency { why } => {
                calls = self.telephony.test_emergency(why).await?;
                Text::new(
                    "Prøven av nødruten er i gang",
                    "The test of the emergency route is under way",
                )
            }
            Action::ClearCall { call, why } => {
                self.telephony.clear_call(*call, why).await?;
                Text::new(
                    format!("Samtale {call} kobles ned"),
                    format!("Call {call} is being cleared"),
                )
            }
            Action::RestartChannel { line, channel, why } => {
                self.telephony.restart_channel(line, *channel, why).await?;
                if *channel == 0 {
                    Text::new(
                        format!("Alle kanalene på {line} startes på nytt"),
                        format!("All channels of {line} are being restarted"),
                    )
                } else {
                    Text::new(
                        format!("Kanal {channel} på {line} startes på nytt"),
                        format!("Channel {channel} of {line} is being restarted"),
                    )
                }
            }
            Action::Rehearse { recipe, why } => {
                let name = self.rehearsals.rehearse(recipe, why).await?;
                Text::new(
                    format!("Øvingen {name} på {recipe} er i gang"),
                    format!("The rehearsal {name} of {recipe} is under way"),
                )
            }
            Action::DiscardRehearsal { rehearsal, why } => {
                self.rehearsals.discard(rehearsal, why).await?;
                Text::new(
                    format!("Øvingen {rehearsal} er ryddet bort"),
                    format!("The rehearsal {rehearsal} is discarded"),
                )
            }
            Action::Promote { rehearsal, why } => {
                self.rehearsals.promote(rehearsal, why).await?;
                Text::new(
                    format!("{rehearsal} settes i drift"),
                    format!("{rehearsal} is being promoted"),
                )
            }
            Action::TakeBackPromotion { rehearsal, why } => {
                self.rehearsals.take_back(rehearsal, why).await?;
                Text::new(
                    format!("{rehearsal} tas tilbake"),
                    format!("{rehearsal} is being taken back"),
                )
            }
            Action::EndDesktop { desktop, why } => {
                self.desktops.end(desktop, why).await?;
                Text::new(
                    format!("Pulten {desktop} er avsluttet"),
                    format!("The desktop {desktop} is ended"),
                )
            }
            Action::RenewDesktop { desktop, why } => {
                self.desktops.renew(desktop, why).await?;
                Text::new(
                    format!("Pulten {desktop} lages på nytt"),
                    format!("The desktop {desktop} is made anew"),
                )
            }
            Action::Enrol { person, why } => {
                let code = self.access.enrol(person, why).await?.code;
                Text::new(
                    format!("Kode for {person}, i ett døgn: {code}"),
                    format!("Code for {person}, for one day: {code}"),
                )
            }
            Action::Forget { person, why } => {
                self.access.forget(person, why).await?;
                Text::new(
                    format!("Passord og totrinn for {person} er glemt"),
                    format!("Password and second factor of {person} are forgotten"),
                )
            }
            Action::EndSession { session, why } => {
                self.access.end_session(session, why).await?;
                Text::new(
                    format!("Økten {session} er avsluttet"),
                    format!("The session {session} is ended"),
                )
            }
            Action::FetchUpdate { why } => {
                self.update.fetch(why).await?;
                Text::new(
                    "Den nyeste utgaven hentes; U viser hvor langt det er kommet",
                    "The newest version is being fetched; U shows how far it has come",
                )
            }
            Action::InstallUpdate {
                fetched,
                even_so,
                why,
            } => {
                self.update.install(*fetched, *even_so, why).await?;
                Text::new(
                    "Utgaven skrives ved siden av den som går",
                    "The version is being written beside the one that runs",
                )
            }
            Action::TakeBackUpdate { why } => {
                self.update.take_back(why).await?;
                Text::new(
                    "Den andre utgaven gjøres klar til neste omstart",
                    "The other version is being made ready for the next restart",
                )
            }
            Action::MarkUpdateRead { why } => {
                self.update.mark_read(why).await?;
                Text::new("Merket som lest", "Marked as read")
            }
            Action::Reboot { why } => {
                self.host.reboot(why).await?;
                Text::new("Verten starter på nytt", "The host restarts")
            }
            Action::PowerOff { why } => {
                self.host.power_off(why).await?;
                Text::new("Verten slås av", "The host powers off")
            }
        };
        Ok(Done {
            text,
            generation,
            calls,
        })
    }
}

fn on_trial(number: u64, within: u32) -> Text {
    Text::new(
        format!("Generasjon {number} er på prøve: den tas tilbake om {within} s hvis ingen bekrefter den"),
        format!(
            "Generation {number} is on trial: it is taken back in {within} s unless somebody confirms it"
        ),
    )
}
