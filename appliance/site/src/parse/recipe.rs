//! `[[recipe]]`, `[[recipe.step]]` and `[[recipe.check]]`

use super::names::{self, LONGEST};
use super::quantity;
use super::reader::{At, Key, Reader, Table, Wrong, key};
use super::references::Names;
use super::vm::VmEntry;
use super::words::{clip, instead_of};
use crate::rehearsal::LONGEST_CLONED;
use crate::{GuestCommand, Recipe, Text};

pub(super) const KEYS: &[Key] = &[
    key("name", "\"journal-17-6\""),
    key("title", "\"Journalen til PostgreSQL 17.6\""),
    key("group", "\"journal\""),
    key("watch", "\"10 min\""),
    key("step", "[[recipe.step]]"),
    key("check", "[[recipe.check]]"),
];

pub(super) const COMMAND_KEYS: &[Key] = &[
    key("vm", "\"journal-db\""),
    key("run", "\"apt-get -y install postgresql-17\""),
    key("within", "\"10 min\""),
];

/// Seconds where the file says nothing.
const WATCH: u64 = 600;
const STEP: u64 = 600;
const CHECK: u64 = 60;

/// A recipe as far as it could be read.
pub(super) struct RecipeEntry<'a> {
    name: Option<At<String>>,
    group: Option<At<String>>,
    /// The machines that its commands name.
    vms: Vec<At<&'a str>>,
    pub(super) recipe: Option<Recipe>,
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, root: &Table<'a, '_>) -> Vec<RecipeEntry<'a>> {
    root.tables(reader, "recipe", "[[recipe]]", KEYS)
        .iter()
        .map(|table| recipe(reader, table))
        .collect()
}

fn recipe<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>) -> RecipeEntry<'a> {
    for key in ["name", "title", "group", "step"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::name(text, LONGEST));
    let title = table.parsed(reader, "title", |text| names::title(text, 40));
    let group = table.parsed(reader, "group", |text| names::name(text, LONGEST));
    let watch = table.parsed(reader, "watch", |text| quantity::time(text, &(10..=24 * 3600)));
    let mut vms = Vec::new();
    let steps = table.tables(reader, "step", "[[recipe.step]]", COMMAND_KEYS);
    let steps = commands(reader, &steps, STEP, &mut vms);
    let checks = table.tables(reader, "check", "[[recipe.check]]", COMMAND_KEYS);
    let checks = commands(reader, &checks, CHECK, &mut vms);
    let recipe = match (&name, title, &group) {
        (Some(name), Some(title), Some(group)) => Some(Recipe {
            name: name.value.clone(),
            title: title.value,
            group: group.value.clone(),
            watch: watch.map_or(WATCH, |at| at.value),
            steps,
            checks,
        }),
        _ => None,
    };
    RecipeEntry {
        name,
        group,
        vms,
        recipe,
    }
}

fn commands<'a>(
    reader: &mut Reader<'_>,
    tables: &[Table<'a, '_>],
    usual: u64,
    vms: &mut Vec<At<&'a str>>,
) -> Vec<GuestCommand> {
    let mut commands = Vec::new();
    for table in tables {
        for key in ["vm", "run"] {
            table.require(reader, key);
        }
        let vm = table.text(reader, "vm");
        let run = table.parsed(reader, "run", command);
        let within = table.parsed(reader, "within", |text| quantity::time(text, &(1..=12 * 3600)));
        vms.extend(vm);
        if let (Some(vm), Some(run)) = (vm, run) {
            commands.push(GuestCommand {
                vm: vm.value.to_owned(),
                run: run.value,
                within: within.map_or(usual, |at| at.value),
            });
        }
    }
    commands
}

fn command(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new("Kommandoen er tom", "The command is empty"));
    }
    if text.contains('\0') {
        return Err(Wrong::new(
            "Kommandoen inneholder tegnet NUL",
            "The command contains the character NUL",
        ));
    }
    Ok(text.to_owned())
}

/// Recipes against the machines.
pub(super) fn check(reader: &mut Reader<'_>, recipes: &[RecipeEntry<'_>], vms: &[VmEntry<'_>]) {
    let mut names = Names::default();
    // Of a machine that has faults of its own it is not known what else it would be.
    let known = vms.iter().all(|entry| entry.vm.is_some());
    for entry in recipes {
        if let Some(name) = &entry.name {
            names.add(reader, "[[recipe]]", name);
        }
        let Some(group) = entry.group.as_ref().filter(|_| known) else {
            continue;
        };
        let read = vms.iter().filter_map(|entry| entry.vm.as_ref());
        let of_group: Vec<&str> = read
            .clone()
            .filter(|vm| vm.group == group.value)
            .map(|vm| vm.name.as_str())
            .collect();
        if of_group.is_empty() {
            let groups: Vec<&str> = read.map(|vm| vm.group.as_str()).collect();
            reader.fault(
                group.at,
                Text::new(
                    format!("Ingen maskin er i gruppen «{}»", clip(&group.value)),
                    format!("No machine is in the group \"{}\"", clip(&group.value)),
                ),
                instead_of(&group.value, &groups),
            );
            continue;
        }
        for long in of_group.iter().filter(|name| name.len() > LONGEST_CLONED) {
            reader.fault(
                group.at,
                Text::new(
                    format!("«{long}» har for langt navn til å øves på: høyst {LONGEST_CLONED} tegn"),
                    format!("\"{long}\" has too long a name to be rehearsed on: at most {LONGEST_CLONED} characters"),
                ),
                Text::new("Gi maskinen et kortere navn", "Give the machine a shorter name"),
            );
        }
        for vm in entry.vms.iter().filter(|vm| !of_group.contains(&vm.value)) {
            reader.fault(
                vm.at,
                Text::new(
                    format!(
                        "Ingen maskin i gruppen «{}» heter «{}»",
                        group.value,
                        clip(vm.value)
                    ),
                    format!(
                        "No machine of the group \"{}\" is called \"{}\"",
                        group.value,
                        clip(vm.value)
                    ),
                ),
                instead_of(vm.value, &of_group),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    const DEMO: &str = include_str!("../../../../image/demo/site.toml");

    fn with(recipe: &str) -> Result<crate::Site, Vec<String>> {
        // The demo has recipes of its own, which would stand in the way.
        let plain = DEMO.split_once("[[recipe]]").map_or(DEMO, |(plain, _)| plain);
        parse(&format!("{plain}\n{recipe}")).map_err(|findings| {
            let said = |finding: &crate::Finding| format!("{} | {}", finding.text.en, finding.remedy.en);
            findings.iter().map(said).collect()
        })
    }

    fn of(group: &str, vm: &str) -> String {
        format!(
            "[[recipe]]\nname = \"a\"\ntitle = \"A\"\ngroup = \"{group}\"\n\
             [[recipe.step]]\nvm = \"{vm}\"\nrun = \"true\"\n"
        )
    }

    #[test]
    fn a_recipe_has_bounds_where_the_file_gives_none() {
        let group = crate::parse(DEMO).unwrap().vms[0].group.clone();
        let vm = crate::parse(DEMO).unwrap().vms[0].name.clone();
        let site = with(&of(&group, &vm)).unwrap();
        let recipe = &site.recipes[0];
        assert_eq!((recipe.watch, recipe.steps[0].within), (600, 600));
        assert!(recipe.checks.is_empty());
    }

    #[test]
    fn a_recipe_for_nobody_or_for_a_machine_of_another_group_is_refused_with_the_name_that_was_meant() {
        let demo = crate::parse(DEMO).unwrap();
        let (group, vm) = (&demo.vms[0].group, &demo.vms[0].name);
        let said = with(&of("ingen", vm)).unwrap_err();
        assert!(
            said[0].starts_with("No machine is in the group \"ingen\""),
            "{said:?}"
        );
        let said = with(&of(group, &format!("{vm}x"))).unwrap_err();
        assert!(said[0].contains(&format!("Did you mean \"{vm}\"?")), "{said:?}");
        let twice = format!("{}{}", of(group, vm), of(group, vm));
        let said = with(&twice).unwrap_err();
        assert!(said[0].contains("is used before"), "{said:?}");
    }

    #[test]
    fn a_recipe_without_steps_or_with_an_empty_command_is_refused() {
        let demo = crate::parse(DEMO).unwrap();
        let (group, vm) = (&demo.vms[0].group, &demo.vms[0].name);
        let said = with(&of(group, vm).replace("\"true\"", "\" \"")).unwrap_err();
        assert!(said[0].contains("The command is empty"), "{said:?}");
        let headless = of(group, vm);
        let (headless, _) = headless.split_once("[[recipe.step]]").unwrap();
        let said = with(headless).unwrap_err();
        assert!(said[0].contains("lacks \"step\""), "{said:?}");
    }
}
