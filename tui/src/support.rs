//! The health code: how the appliance is, short enough to be read out by phone.

use varde_bus::Text;
use varde_bus::health::{Answers, Health};

use crate::dialog::{Dialog, Kind, Viewer};
use crate::state::{Loaded, State};
use crate::words::both;

/// What a service said, unless it has stopped answering.
fn fresh<T: Clone>(loaded: &Loaded<T>) -> Option<T> {
    loaded.value.clone().filter(|_| loaded.trouble.is_none())
}

/// Shows the code of what is on the screen, and what it says.
pub fn open(state: &mut State) {
    let data = &state.data;
    let answers = Answers {
        host: fresh(&data.host),
        site: fresh(&data.site),
        trial: fresh(&data.trial),
        machines: fresh(&data.vms),
        databases: fresh(&data.databases),
        record: fresh(&data.records).is_some(),
    };
    let health = Health::of(&answers, state.now);
    let mut lines = vec![
        Text::same(health.code()),
        Text::default(),
        both(|words| words.health_decoded().to_owned()),
        Text::default(),
    ];
    lines.extend(health.lines());
    let title = both(|words| words.health_title().to_owned());
    state
        .dialogs
        .push(Dialog::Viewer(Viewer::new(title, lines, Kind::Prose)));
}
