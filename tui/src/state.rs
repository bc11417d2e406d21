//! All that the console knows. Events change it, pages draw it, and it can be written down and read again.

use serde::{Deserialize, Serialize};
use varde_bus::audit::Record;
use varde_bus::dbrestart::DatabaseStatus;
use varde_bus::host::HostStatus;
use varde_bus::hypervisor::{VmStatus, VmUsage};
use varde_bus::site::{Generation, SiteSummary, TrialStatus};
use varde_bus::snapshot::{Snapshot, Storage};
use varde_bus::telephony::TelephonyStatus;
use varde_bus::{Failure, Language, Role, Text};

use crate::dialog::Dialog;
use crate::lock::Lock;
use crate::page::{
    AccessPage, DatabasesPage, LogPage, MachinesPage, OverviewPage, PageId, RecordPage, RehearsalsPage,
    SitePage, TelephonyPage, access, rehearsals,
};
use crate::terminal::Characters;
use crate::words::{Words, both};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub user: User,
    pub display: Display,
    /// The operator's own choice; without one the site's language is shown.
    pub language: Option<Language>,
    /// When the last event came: milliseconds since 1970, UTC.
    pub now: i64,
    /// When the last key came.
    pub last_key: i64,
    pub data: Data,
    pub page: PageId,
    pub overview: OverviewPage,
    pub machines: MachinesPage,
    pub site: SitePage,
    pub log: LogPage,
    pub record: RecordPage,
    pub database: DatabasesPage,
    pub telephony: TelephonyPage,
    pub rehearsals: RehearsalsPage,
    pub access: AccessPage,
    /// The last one is on top and gets the keys.
    pub dialogs: Vec<Dialog>,
    pub lock: Option<Lock>,
    pub notice: Option<Notice>,
    /// The guest whose console has the terminal.
    pub attached: Option<String>,
    /// What happened before this session has been asked for.
    pub greeted: bool,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    /// What the groups of the account give; the services have the last word.
    pub role: Option<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Display {
    pub columns: u16,
    pub rows: u16,
    pub characters: Characters,
    pub colours: bool,
    /// Plain lines in place of a screen: [`crate::lines`].
    #[serde(default)]
    pub lines: bool,
}

/// One line over the footer: what came of the last action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub good: bool,
    /// It may have been done or not.
    #[serde(default)]
    pub unknown: bool,
    pub text: Text,
}

/// What the services said last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    pub bus: Bus,
    pub vms: Loaded<Vec<VmStatus>>,
    pub host: Loaded<HostStatus>,
    /// When the appliance came up; kept still, so that the screen is.
    pub boot: i64,
    pub site: Loaded<SiteSummary>,
    pub history: Loaded<Vec<Generation>>,
    pub trial: Loaded<TrialStatus>,
    pub records: Loaded<Vec<Record>>,
    pub databases: Loaded<Vec<DatabaseStatus>>,
    pub telephony: Loaded<TelephonyStatus>,
    pub usage: Option<Usage>,
    pub snapshots: Loaded<Vec<Snapshot>>,
    pub rehearsals: Loaded<rehearsals::Told>,
    pub access: Loaded<access::Told>,
    pub update: Loaded<varde_bus::update::UpdateStatus>,
    /// The disk that machines' disks lie on.
    pub storage: Storage,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bus {
    #[default]
    Connecting,
    Up,
    Down(Failure),
}

/// Use of one machine, and how busy it was between two answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub vm: String,
    pub at: i64,
    pub usage: VmUsage,
    /// Percent of one processor; unknown until the second answer.
    pub percent: Option<u64>,
}

/// Something that a service tells, with what is known of its freshness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded<T> {
    pub value: Option<T>,
    /// When the value came.
    pub at: i64,
    /// A question is under way.
    pub asked: bool,
    /// Why there is nothing newer.
    pub trouble: Option<Failure>,
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self {
            value: None,
            at: 0,
            asked: false,
            trouble: None,
        }
    }
}

impl<T> Loaded<T> {
    pub fn take(&mut self, now: i64, answer: Result<T, Failure>) {
        self.asked = false;
        // Also the time of a failure, from which the next attempt is reckoned.
        self.at = now;
        match answer {
            Ok(value) => {
                self.value = Some(value);
                self.trouble = None;
            }
            Err(failure) => self.trouble = Some(failure),
        }
    }
}

impl State {
    pub fn new(user: User, display: Display, language: Option<Language>, now: i64) -> Self {
        Self {
            user,
            display,
            language,
            now,
            last_key: now,
            data: Data::default(),
            page: PageId::Overview,
            overview: OverviewPage::default(),
            machines: MachinesPage::default(),
            site: SitePage::default(),
            log: LogPage::default(),
            record: RecordPage::default(),
            database: DatabasesPage::default(),
            telephony: TelephonyPage::default(),
            rehearsals: RehearsalsPage::default(),
            access: AccessPage::default(),
            dialogs: Vec::new(),
            lock: None,
            notice: None,
            attached: None,
            greeted: false,
        }
    }

    /// The language of the screen: the operator's choice, else the site's, else bokmål.
    pub fn language(&self) -> Language {
        let site = self.data.site.value.as_ref();
        self.language
            .unwrap_or(match site.map(|site| site.language.as_str()) {
                Some("en") => Language::En,
                _ => Language::Nb,
            })
    }

    pub fn words(&self) -> Words {
        Words(self.language())
    }

    /// A text of a service in the language of the screen.
    pub fn say<'a>(&self, text: &'a Text) -> &'a str {
        text.get(self.language())
    }

    pub fn vms(&self) -> &[VmStatus] {
        self.data.vms.value.as_deref().unwrap_or_default()
    }

    /// What is on trial, as far as is known.
    pub fn trial(&self) -> Option<&TrialStatus> {
        self.data
            .trial
            .value
            .as_ref()
            .filter(|trial| trial.generation != 0)
    }

    pub fn databases(&self) -> &[DatabaseStatus] {
        self.data.databases.value.as_deref().unwrap_or_default()
    }

    pub fn has_telephony(&self) -> bool {
        let status = self.data.telephony.value.as_ref();
        status.is_some_and(|status| status.declared)
    }

    pub fn has_recipes(&self) -> bool {
        let told = self.data.rehearsals.value.as_ref();
        told.is_some_and(|told| !told.recipes.is_empty() || !told.rehearsals.is_empty())
    }

    pub fn has_portal(&self) -> bool {
        let told = self.data.access.value.as_ref();
        told.is_some_and(|told| told.portal.declared || told.tunnel.declared)
    }

    /// IANA name of the site's time zone; UTC until it is known.
    pub fn zone(&self) -> &str {
        self.data
            .site
            .value
            .as_ref()
            .map_or("UTC", |site| site.timezone.as_str())
    }

    pub fn may(&self, verb: varde_bus::Verb) -> bool {
        self.user.role.is_some_and(|role| role >= verb.needs())
    }

    /// Whether the operator's role is enough for this; says so on the screen where it is not.
    pub fn allowed(&mut self, verb: varde_bus::Verb) -> bool {
        let may = self.may(verb);
        if !may {
            let group = varde_bus::role::group(verb.needs());
            self.tell(false, both(|words| words.needs_group(group)));
        }
        may
    }

    /// Rows of the body: without header, notice and footer.
    pub fn page_rows(&self) -> u16 {
        self.display.rows.saturating_sub(3)
    }

    /// What stands where nothing has come yet.
    pub fn waiting(&self) -> String {
        let words = self.words();
        match &self.data.bus {
            Bus::Down(failure) => words.bus_down(self.say(&failure.text)),
            Bus::Up | Bus::Connecting => words.loading().to_owned(),
        }
    }

    pub fn tell(&mut self, good: bool, text: Text) {
        self.notice = Some(Notice {
            good,
            unknown: false,
            text,
        });
    }
}
