//! What keys do, from the first to the last of an operator's errands, through a fake of the services.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use support::{Console, fixtures, refusal};
use varde_bus::hypervisor::VmState;
use varde_bus::snapshot::{Progress, SnapshotState, Storage};
use varde_bus::{Action, Language, Role, Text};
use varde_console::event::{Answer, Ask, Event, Service, Unlock};

fn console() -> Console {
    Console::new(Language::Nb)
}

#[test]
fn what_is_wrong_stands_first_with_its_reason_and_its_cost() {
    let console = console();
    let screen = console.screen();
    let line = |text: &str| screen.lines().position(|line| line.contains(text));
    assert!(line("krasjet").is_some_and(|at| at < 4), "{screen}");
    console.sees("QEMU ble avsluttet av signal 9 (SIGKILL)");
    console.sees("150 000 kr");
    console.sees("demoanlegget som følger med");
    assert!(line("krasjet") < line("Siste hendelser"), "{screen}");
}

#[test]
fn a_crash_is_on_the_screen_with_the_signal_that_tells_it() {
    let mut console = console();
    let mut vm = support::fixtures::vm("web", "Innbyggerportal", VmState::Crashed);
    vm.reason = varde_bus::Text::new("QEMU ga opp: 1", "QEMU gave up: 1");
    console.event(Event::VmChanged(vm));
    console.sees("QEMU ga opp: 1");
}

#[test]
fn the_health_code_says_what_the_screen_says() {
    let mut console = console();
    console.press("H");
    let screen = console.screen();
    let code = screen
        .lines()
        .find(|line| line.trim().split(' ').count() == 7)
        .unwrap();
    let health = varde_bus::health::Health::decoded(code).unwrap();
    assert_eq!(health.machines, [1, 1, 1, 0, 1]);
    assert_eq!(health.silent, [false; 5]);
    console.sees("! maskiner: 1 krasjet, 0 blokkert");
    console.press("<esc>");
    console.event(Event::Service {
        service: Service::Audit,
        up: false,
    });
    console.press("H");
    console.sees("! tjenesten for hendelsesloggen svarer ikke");
}

#[test]
fn enter_on_the_overview_opens_the_machine_in_trouble() {
    let mut console = console();
    console.press("<enter>");
    console.sees("Journal, database");
    console.sees("tcp 5432");
}

#[test]
fn a_machine_is_started_only_after_a_yes() {
    let mut console = console();
    console.press("2s<enter>");
    assert_eq!(console.fake.performed, []);
    console.press("s<down><enter>");
    assert_eq!(
        console.fake.performed,
        [Action::StartVm {
            vm: "journal".into(),
            why: String::new()
        }]
    );
    console.sees("Utført");
}

#[test]
fn force_off_needs_a_typed_reason() {
    let mut console = console();
    console.press("2<down>f<enter><down><enter>");
    assert_eq!(console.fake.performed, []);
    console.sees("Skriv hvorfor først.");
    console.press("den henger<enter><down><enter>");
    assert_eq!(
        console.fake.performed,
        [Action::ForceOffVm {
            vm: "web".into(),
            why: "den henger".into()
        }]
    );
}

#[test]
fn a_refusal_is_said_in_the_words_of_the_service() {
    let mut console = console();
    console.fake.fail = Some(refusal());
    console.press("2d<down><down><enter>");
    console.sees("Avslått med vilje");
}

#[test]
fn pause_and_resume_are_one_key() {
    let mut console = console();
    console.press("2<down>p<down><enter>");
    assert!(matches!(console.fake.performed[..], [Action::PauseVm { .. }]));
    console.event(Event::VmChanged(support::fixtures::vm(
        "web",
        "Portal",
        VmState::Paused,
    )));
    console.press("p<down><enter>");
    assert!(matches!(console.fake.performed[..], [_, Action::ResumeVm { .. }]));
}

#[test]
fn the_guest_console_opens_after_it_has_been_said_how_to_leave() {
    let mut console = console();
    console.press("2<down>c");
    console.sees("Ctrl-]");
    console.press("<down><enter>");
    assert_eq!(console.fake.attached, ["web"]);
    assert_eq!(console.state.attached.as_deref(), Some("web"));
}

#[test]
fn plain_pasted_text_does_nothing_on_any_page() {
    // As it comes where the terminal does not mark pastes: letters, blanks, tabs and line ends.
    let text: Vec<char> = "sdfpclKPqre mv\r\n\tf grunn\rd ja\rq\rP\rr\r".chars().collect();
    for page in ["1", "2", "2<enter>", "3", "4", "5"] {
        let mut console = console();
        console.press(page);
        for character in &text {
            let key = match character {
                '\r' | '\n' => "<enter>".to_owned(),
                '\t' => "<tab>".to_owned(),
                other => other.to_string(),
            };
            console.press(&key);
        }
        assert_eq!(console.fake.performed, [], "page {page}");
        assert!(
            console.fake.attached.is_empty() && !console.fake.logged_out,
            "page {page}"
        );
    }
}

#[test]
fn a_marked_paste_goes_into_fields_and_nowhere_else() {
    let mut console = console();
    console.press("2");
    let before = console.screen();
    console.event(Event::Paste("qs\nf".into()));
    assert_eq!(console.screen(), before);
    console.press("f");
    console.event(Event::Paste("en\ngrunn".into()));
    console.sees(": en grunn");
    assert_eq!(console.fake.performed, []);
}

#[test]
fn a_generation_is_rolled_back_to_after_its_difference_was_seen() {
    let mut console = console();
    console.press("3<down>r");
    console.sees("+memory = \"1G\"");
    console.press("<enter>feil minne<enter><down><enter>");
    assert_eq!(
        console.fake.performed,
        [Action::RollBackSite {
            within: 0,
            generation: 1,
            why: "feil minne".into()
        }]
    );
}

#[test]
fn the_active_generation_cannot_be_rolled_back_to() {
    let mut console = console();
    console.press("3r");
    console.sees("Generasjon 2 er den aktive");
}

#[test]
fn a_file_from_media_is_checked_and_compared_before_it_is_applied() {
    let mut console = console();
    console.press("3m<enter>");
    console.sees("Ny generasjon: dette endres");
    console.press("<enter><down><down><enter>");
    assert!(
        matches!(&console.fake.performed[..], [Action::ApplySite { toml, .. }] if toml == support::fixtures::SITE_TOML)
    );
}

#[test]
fn a_pasted_site_with_a_fault_is_refused_with_its_place_and_can_be_mended() {
    let mut console = console();
    console.press("3e");
    for _ in 0..11 {
        console.press("<ctrl-k>");
    }
    console.event(Event::Paste("[site]\r\n".replace('\r', "")));
    console.press("<ctrl-d>");
    console.sees("linje 1, tegn 1: «version» mangler");
    console.press("<esc><up><up>version = 1<enter><ctrl-d><enter><down><down><enter>");
    assert!(
        matches!(&console.fake.performed[..], [Action::ApplySite { toml, .. }] if toml.starts_with("version = 1\n[site]\n")),
        "{:?}",
        console.fake.performed
    );
}

#[test]
fn what_was_written_is_not_lost_by_one_key() {
    let mut console = console();
    console.press("3ex<esc><enter>");
    console.sees("site.toml, linje 1");
    console.press("<esc><down><enter>");
    console.sees("Generasjon");
    assert_eq!(console.fake.performed, []);
}

#[test]
fn the_log_filters_by_text_unit_and_priority_and_goes_back_in_time() {
    let mut console = console();
    console.press("4");
    console.sees("line 200 of the journal, æøå");
    console.press("<home>");
    console.sees("line 100 of");
    console.press("<home>");
    console.sees("line 1 of");
    console.press("/line 77<enter>");
    console.sees("line 77 of");
    console.misses("line 76 of");
    console.press("xuvarde-vm@journal.service<enter>");
    console.misses("varde-hypervisord:");
    console.press("xp<up><up><up><enter>");
    console.sees("line 150 of");
    console.misses("line 149 of");
}

#[test]
fn a_machine_leads_to_its_own_log() {
    let mut console = console();
    console.press("2l");
    console.sees("enhet varde-vm@journal.service");
}

#[test]
fn a_change_and_its_outcome_are_one_row_of_the_record() {
    let mut console = console();
    console.press("5");
    console.sees("ola: start av ovelse - mislyktes");
    console.press("<down><down><enter>");
    console.sees("Not enough memory");
    console.press("<esc>v");
    console.sees("Kjeden er hel: 6 innførsler");
}

#[test]
fn a_viewer_is_told_what_a_key_needs_and_nothing_is_asked() {
    let mut console = console();
    console.state.user.role = Some(Role::Viewer);
    console.press("2s");
    console.sees("Dette krever gruppen varde-operator");
    console.press("3e");
    console.sees("Dette krever gruppen varde-admin");
    console.press("P");
    console.sees("Dette krever gruppen varde-admin");
}

#[test]
fn power_off_names_what_runs_and_asks_why() {
    let mut console = console();
    console.press("P<down><enter>");
    console.sees("2 virtuelle maskiner kjører og blir slått av i god orden: web, arkiv.");
    console.press("flytting<enter><down><enter>");
    assert_eq!(
        console.fake.performed,
        [Action::PowerOff {
            why: "flytting".into()
        }]
    );
}

#[test]
fn the_console_locks_when_idle_keeps_the_page_and_takes_the_password() {
    let mut console = console();
    console.press("2<down>");
    let page = console.screen();
    console.pass(600_000);
    console.sees("Konsollen er låst av kari");
    console.misses("Innbyggerportal");
    console.press("feil<enter>");
    console.sees("Feil passord.");
    console.press("riktig<enter>");
    assert_eq!(console.screen(), page);
}

#[test]
fn keys_keep_the_lock_away() {
    let mut console = console();
    for _ in 0..20 {
        console.pass(590_000);
        console.press("<tab>");
    }
    console.misses("låst");
    console.pass(600_000);
    console.sees("låst");
}

#[test]
fn wrong_passwords_have_to_wait() {
    let mut console = console();
    console.press("Ka<enter>b<enter>c<enter>");
    console.sees("Neste forsøk kan gjøres klokken 02:14:10.");
    // Right, but too early.
    console.press("riktig<enter>");
    console.sees("låst");
    console.pass(5_000);
    console.misses("Neste forsøk");
    console.press("<enter>");
    console.misses("låst");
}

#[test]
fn a_password_that_cannot_be_checked_opens_nothing() {
    let mut console = console();
    console.press("K");
    console.event(Event::Unlocked(Unlock::Unchecked("helper is gone".into())));
    console.sees("helper is gone");
    console.sees("låst");
}

#[test]
fn a_half_made_decision_does_not_outlive_the_lock() {
    let mut console = console();
    console.press("2ftom<enter><down>");
    console.pass(600_000);
    console.press("riktig<enter>");
    console.press("<enter>");
    assert_eq!(console.fake.performed, []);
}

#[test]
fn a_clock_that_is_set_does_not_lock_the_console() {
    let mut console = console();
    console.at += 86_400_000;
    console.event(Event::ClockMoved(86_400_000));
    console.pass(1_000);
    console.misses("låst");
}

#[test]
fn the_language_changes_by_a_key_and_every_page_with_it() {
    let mut console = console();
    console.sees("Galt nå");
    console.press("L");
    console.sees("Wrong now");
    console.press("2");
    console.sees("crashed");
}

#[test]
fn help_lists_the_keys_of_the_page_it_was_called_on() {
    let mut console = console();
    console.press("2?");
    console.sees("Taster på siden Maskiner");
    console.sees("kutt strømmen (krever begrunnelse)");
    console.press("<end>");
    console.sees("tegn skjermen på nytt");
    console.press("<esc>3?");
    console.sees("rull tilbake (viser forskjellen først)");
}

#[test]
fn a_service_that_goes_is_told_in_words_and_comes_back_by_itself() {
    let mut console = console();
    console.event(Event::Service {
        service: Service::Hypervisor,
        up: false,
    });
    console.sees("Hypervisoren svarer ikke: tjenesten stoppet.");
    console.press("2");
    console.sees("web");
    console.event(Event::Service {
        service: Service::Hypervisor,
        up: true,
    });
    console.misses("svarer ikke");
}

#[test]
fn a_service_that_fails_is_asked_again() {
    let mut console = Console::bare(support::vt220(), 80, 24, Some(Language::Nb));
    console.fake.fail = Some(refusal());
    console.event(Event::Connected);
    console.sees("Vertstjenesten svarer ikke: Avslått med vilje.");
    console.fake.fail = None;
    console.pass(5_000);
    console.misses("svarer ikke");
    console.sees("varde-demo");
}

#[test]
fn without_a_bus_the_console_says_so_and_stays() {
    let mut console = console();
    console.event(Event::Lost(refusal()));
    console.sees("Ingen kontakt med systembussen: Avslått med vilje.");
    console.press("2345<tab><left>L");
    console.event(Event::Connected);
    console.press("1");
    console.misses("No contact");
}

#[test]
fn logging_out_asks_first() {
    let mut console = console();
    console.press("q<enter>");
    assert!(!console.fake.logged_out);
    console.press("q<down><enter>");
    assert!(console.fake.logged_out);
}

#[test]
fn a_rollback_says_its_price_and_asks_why_before_it_is_done() {
    let mut console = Console::new(Language::En);
    console.press("2<down>r");
    console.sees("Lost: 34 MiB written since 01:49.");
    console.press("<enter><down><enter>");
    console.sees("Say why first.");
    assert_eq!(console.fake.performed, []);
    console.press("upgrade failed<enter><down><enter>");
    let action = Action::RollBackSnapshot {
        snapshot: "web-3".into(),
        why: "upgrade failed".into(),
    };
    assert_eq!(console.fake.performed, [action]);
}

#[test]
fn a_machine_without_a_snapshot_says_how_to_take_one_and_a_viewer_may_not() {
    let mut console = Console::new(Language::En);
    console.press("2m");
    console.sees("journal has no snapshot; t takes one");
    console.state.user.role = Some(Role::Viewer);
    console.press("t");
    console.sees("varde-operator");
    assert_eq!(console.state.dialogs, []);
}

#[test]
fn a_snapshot_that_has_expired_and_a_disk_that_fills_up_are_on_the_overview() {
    let mut console = Console::new(Language::En);
    let mut snapshots = fixtures::snapshots();
    snapshots[0].problem = Text::new("Utløpt", "Expired; merge it or roll back");
    snapshots[0].state = SnapshotState::Merging;
    snapshots[0].progress = Progress {
        done: 10 << 20,
        total: 40 << 20,
        rate: 5 << 20,
        left: 6,
    };
    let storage = Storage {
        full_at: fixtures::NOW + 3_600_000,
        ..fixtures::STORAGE
    };
    console.event(Event::Answered {
        ask: Ask::Snapshots,
        answer: Ok(Answer::Snapshots(snapshots, storage)),
    });
    console.sees("Snapshot web-3: Expired; merge it or roll back.");
    console.sees("The data disk is full");
    console.press("2<down><enter>");
    console.sees("10 MiB of 40 MiB, 5 MiB/s, 6 s left");
}
