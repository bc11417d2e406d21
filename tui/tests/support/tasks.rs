//! What an operator does most, from the overview to the end of it: keys to press, and what must have come of them.

use varde_bus::dbrestart::DatabaseState;
use varde_bus::{Action, Language};
use varde_console::event::{Answer, Ask, Event};

use super::{Console, fixtures, telephony};

pub struct Task {
    pub title: &'static str,
    /// The same as a command, where there is one; what it prints is not counted.
    pub command: &'static str,
    /// What there is to be done, before the operator looks.
    pub given: fn(&mut Console),
    pub keys: &'static str,
    /// Whether it is done.
    pub done: fn(&Console) -> bool,
}

const WHY: &str = "feil";

pub const TASKS: [Task; 10] = [
    Task {
        title: "see what is wrong, and with what",
        command: "varde status",
        given: |_| {},
        keys: "<enter>",
        done: |console| console.screen().contains("tcp 5432"),
    },
    Task {
        title: "start a machine",
        command: "varde vm start journal --why feil",
        given: |_| {},
        keys: "2s<down><enter>",
        done: |console| matches!(&console.fake.performed[..], [Action::StartVm { vm, .. }] if vm == "journal"),
    },
    Task {
        title: "force a machine off, with a reason",
        command: "varde vm kill web --why feil",
        given: |_| {},
        keys: "2<down>ffeil<enter><down><enter>",
        done: |console| matches!(&console.fake.performed[..], [Action::ForceOffVm { vm, why }] if vm == "web" && why == WHY),
    },
    Task {
        title: "read a machine's own log",
        command: "varde log --unit varde-vm@journal.service",
        given: |_| {},
        keys: "2l",
        done: |console| console.screen().contains("varde-vm@journal.service"),
    },
    Task {
        title: "go back to a snapshot, having read its price",
        command: "varde snapshot rollback web-3 --why feil",
        given: |_| {},
        keys: "2<down>rfeil<enter><down><enter>",
        done: |console| matches!(&console.fake.performed[..], [Action::RollBackSnapshot { snapshot, .. }] if snapshot == "web-3"),
    },
    Task {
        title: "see why a database restart was put off, and ask for one now",
        command: "varde db restart journal --why feil",
        given: |console| {
            let database = fixtures::database("journal", DatabaseState::Ready);
            console.event(Event::DatabaseChanged(database));
        },
        keys: "6sfeil<down><down><enter>",
        done: |console| matches!(&console.fake.performed[..], [Action::RestartDatabase { database, .. }] if database == "journal"),
    },
    Task {
        title: "make a test call",
        command: "varde phone test 35003099 --why feil",
        given: |console| {
            console.fake.telephony = true;
            console.event(Event::Answered {
                ask: Ask::Telephony,
                answer: Ok(Answer::Telephony(telephony::status(true))),
            });
        },
        keys: "7t35003099<enter>feil<down><down><enter>",
        done: |console| matches!(&console.fake.performed[..], [Action::TestCall { number, .. }] if number == "35003099"),
    },
    Task {
        title: "take the last change of the site back",
        command: "varde site rollback 1 --why feil",
        given: |_| {},
        keys: "3<down>r<enter>feil<enter><down><enter>",
        done: |console| {
            matches!(
                console.fake.performed[..],
                [Action::RollBackSite { generation: 1, .. }]
            )
        },
    },
    Task {
        title: "find the errors in the log",
        command: "varde log --priority 3",
        given: |_| {},
        keys: "4p<up><up><up><enter>",
        done: |console| console.screen().contains("line 150 of"),
    },
    Task {
        title: "read why a version came back, and mark it as read",
        command: "varde update mark-read",
        given: |console| {
            console.fake.update = fixtures::came_back();
            console.event(Event::UpdateChanged);
        },
        keys: "U<enter>qU<down><enter>",
        done: |console| matches!(console.fake.performed[..], [Action::MarkUpdateRead { .. }]),
    },
];

impl Task {
    /// A console on which there is something to be done.
    pub fn console(&self, language: Language) -> Console {
        let mut console = Console::new(language);
        (self.given)(&mut console);
        console
    }
}
