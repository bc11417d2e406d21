//! What systemd has told of each unit, numbered in the order in which it was told.

use std::collections::HashMap;

use zbus::{OwnedObjectPath, OwnedVariant, Structure, Variant};

use crate::unit::{Activity, Exit, UnitView};

#[derive(Debug, Default)]
pub struct Views {
    units: HashMap<String, UnitView>,
    last: u64,
}

impl Views {
    /// As it was last told; number 0 if nothing was.
    pub fn view(&self, vm: &str) -> UnitView {
        self.units.get(vm).cloned().unwrap_or_default()
    }

    /// Everything of a unit.
    pub fn put(&mut self, vm: &str, view: UnitView) -> UnitView {
        self.last += 1;
        let view = UnitView {
            number: self.last,
            ..view
        };
        self.units.insert(vm.to_owned(), view.clone());
        view
    }

    /// What changed of it.
    pub fn change(&mut self, vm: &str, changed: &HashMap<String, OwnedVariant>) -> UnitView {
        let mut view = self.view(vm);
        merge(&mut view, changed);
        self.put(vm, view)
    }
}

/// Puts what systemd tells into what is known.
pub fn merge(view: &mut UnitView, properties: &HashMap<String, OwnedVariant>) {
    fn get<T: TryFrom<Variant<'static>>>(
        properties: &HashMap<String, OwnedVariant>,
        name: &str,
    ) -> Option<T> {
        T::try_from(properties.get(name)?.try_clone().ok()?.into()).ok()
    }
    if let Some(name) = get::<String>(properties, "ActiveState") {
        view.activity = Activity::from_name(&name);
        // Off with a job that waits its turn: it is about to start.
        let job = get::<Structure<'static>>(properties, "Job")
            .and_then(|job| <(u32, OwnedObjectPath)>::try_from(job).ok());
        if view.activity.is_off() && job.is_some_and(|(number, _)| number != 0) {
            view.activity = Activity::Activating;
        }
    }
    if let Some(bytes) = get::<Vec<u8>>(properties, "InvocationID")
        && !bytes.is_empty()
    {
        view.invocation = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    if let Some(pid) = get(properties, "MainPID") {
        view.pid = pid;
    }
    if let Some(result) = get(properties, "Result") {
        view.result = result;
    }
    if let Some(status) = get::<i32>(properties, "ExecMainStatus")
        && let Some(code) = get::<i32>(properties, "ExecMainCode")
    {
        // CLD_EXITED, CLD_KILLED, CLD_DUMPED of sigaction(2); 0 while it runs.
        view.exit = match code {
            1 => Some(Exit::Code(status)),
            2 | 3 => Some(Exit::Signal(status)),
            _ => None,
        };
    }
    for (name, time) in [
        ("ActiveEnterTimestamp", &mut view.up_since),
        ("InactiveEnterTimestamp", &mut view.down_since),
    ] {
        if let Some(microseconds) = get::<u64>(properties, name) {
            *time = i64::try_from(microseconds / 1000).unwrap_or(0);
        }
    }
}
