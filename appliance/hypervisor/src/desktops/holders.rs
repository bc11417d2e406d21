//! Who has which floating desktop.

use std::collections::BTreeMap;

use varde_site::{DesktopPool, Desktops};

/// Machine by machine, the person who has it.
pub type Holders = BTreeMap<String, String>;

/// The machine that a person gets: the own one, the one of before, or one that nobody has. `None`: all are taken.
pub fn pick(pool: &DesktopPool, person: &str, holders: &Holders) -> Option<String> {
    let Desktops::Floating(count) = pool.desktops else {
        return Some(pool.machine_name(person));
    };
    let mut machines = (1..=count).map(|number| pool.machine_name(&number.to_string()));
    machines
        .clone()
        .find(|machine| holders.get(machine).is_some_and(|holder| holder == person))
        .or_else(|| machines.find(|machine| !holders.contains_key(machine)))
}

/// Whose a machine is: by its name, or because the person has it now.
pub fn holder(pool: &DesktopPool, machine: &str, holders: &Holders) -> Option<String> {
    match pool.desktops {
        Desktops::Floating(_) => holders.get(machine).cloned(),
        Desktops::Own | Desktops::Fresh => machine
            .strip_prefix(&pool.name)?
            .strip_prefix('-')
            .map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(desktops: Desktops) -> DesktopPool {
        DesktopPool {
            name: "kontor".into(),
            title: String::new(),
            image: String::new(),
            zone: String::new(),
            cpus: 1,
            memory: 0,
            disk: 0,
            desktops,
            persons: vec!["*".into()],
            park: 60,
        }
    }

    #[test]
    fn a_floating_desktop_goes_to_one_person_at_a_time_and_back_to_the_same() {
        let pool = pool(Desktops::Floating(2));
        let mut holders = Holders::new();
        for (person, machine) in [("anne", "kontor-1"), ("per", "kontor-2")] {
            assert_eq!(pick(&pool, person, &holders).as_deref(), Some(machine));
            holders.insert(machine.into(), person.into());
        }
        assert_eq!(pick(&pool, "anne", &holders).as_deref(), Some("kontor-1"));
        assert_eq!(pick(&pool, "ola", &holders), None);
        assert_eq!(holder(&pool, "kontor-2", &holders).as_deref(), Some("per"));
        assert_eq!(holder(&pool, "kontor-3", &holders), None);
    }

    #[test]
    fn an_own_desktop_is_its_persons_by_its_name() {
        let pool = pool(Desktops::Own);
        let none = Holders::new();
        assert_eq!(pick(&pool, "anne-lie", &none).as_deref(), Some("kontor-anne-lie"));
        assert_eq!(
            holder(&pool, "kontor-anne-lie", &none).as_deref(),
            Some("anne-lie")
        );
    }
}
