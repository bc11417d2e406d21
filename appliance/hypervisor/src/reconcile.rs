//! From one generation to the next: which machines are new, changed or gone.

use std::collections::{BTreeMap, BTreeSet};

use varde_site::Vm;

/// What a generation asks of the set of machines, in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Add(Vm),
    /// It may run as it was; what is declared takes effect at its next start.
    Change(Vm),
    /// It goes on running until it is shut down.
    Remove(String),
}

/// `known` is what was declared last, `None` for a machine that was no longer declared but runs on.
pub fn steps(known: &BTreeMap<&str, Option<&Vm>>, declared: &[Vm]) -> Vec<Step> {
    let names: BTreeSet<&str> = declared.iter().map(|vm| vm.name.as_str()).collect();
    let mut steps: Vec<Step> = known
        .iter()
        .filter(|(name, vm)| vm.is_some() && !names.contains(*name))
        .map(|(name, _)| Step::Remove((*name).to_owned()))
        .collect();
    for vm in declared {
        match known.get(vm.name.as_str()) {
            None => steps.push(Step::Add(vm.clone())),
            Some(Some(before)) if *before == vm => {}
            Some(_) => steps.push(Step::Change(vm.clone())),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::vm;

    #[test]
    fn the_same_generation_again_asks_for_nothing() {
        let db = vm("db");
        let known = BTreeMap::from([("db", Some(&db))]);
        assert_eq!(steps(&known, std::slice::from_ref(&db)), []);
    }

    #[test]
    fn new_changed_gone_and_returning_machines_are_told_apart() {
        let (db, web, old) = (vm("db"), vm("web"), vm("old"));
        let mut larger = db.clone();
        larger.memory *= 2;
        let known = BTreeMap::from([("db", Some(&db)), ("old", Some(&old)), ("back", None)]);
        assert_eq!(
            steps(&known, &[larger.clone(), web.clone(), vm("back")]),
            [
                Step::Remove("old".into()),
                Step::Change(larger),
                Step::Add(web),
                Step::Change(vm("back")),
            ]
        );
    }

    #[test]
    fn a_machine_that_is_gone_already_is_not_removed_twice() {
        let known = BTreeMap::from([("old", None)]);
        assert_eq!(steps(&known, &[]), []);
    }
}
