//! Runs a scenario and keeps the evidence if it fails.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use varde_machine::Drive;

use crate::appliance::{Appliance, Writes};
use crate::error::{Context, Error, Result};
use crate::fault;
use crate::outside::Outside;
use crate::shape::{Build, Shape};

/// What a scenario has: appliances.
pub struct Scenario {
    build: Rc<Build>,
    logs: PathBuf,
    appliances: RefCell<Vec<Rc<Appliance>>>,
}

impl Scenario {
    /// An appliance at its login prompt.
    pub fn appliance(&self) -> Result<Rc<Appliance>> {
        self.restored(Shape::default())
    }

    /// An appliance of this shape at its login prompt, from a snapshot.
    pub fn restored(&self, shape: Shape) -> Result<Rc<Appliance>> {
        self.add(|label| Appliance::restored(&self.build, shape, &self.logs, label, Writes::NotLogged, None))
    }

    /// As [`Self::restored`], and each write and flush of its disk is logged from then on: for [`crate::cut`].
    pub fn restored_with_log(&self, shape: Shape) -> Result<Rc<Appliance>> {
        self.add(|label| Appliance::restored(&self.build, shape, &self.logs, label, Writes::Logged, None))
    }

    /// As [`Self::restored`], its network cable in this network.
    pub fn restored_in(&self, outside: &Rc<Outside>, shape: Shape) -> Result<Rc<Appliance>> {
        let outside = Some(Rc::clone(outside));
        self.add(|label| {
            Appliance::restored(&self.build, shape, &self.logs, label, Writes::NotLogged, outside)
        })
    }

    /// A network of its own for [`Self::restored_in`]; `zones` are networks behind the appliance.
    pub fn outside(&self, zones: &[&str]) -> Result<Rc<Outside>> {
        Outside::new(&self.build.toolbox, zones).map(Rc::new)
    }

    /// An appliance of this shape that is switched on for the first time, now.
    pub fn fresh(&self, shape: Shape) -> Result<Rc<Appliance>> {
        self.add(|label| Appliance::fresh(&self.build, shape, &self.logs, label))
    }

    /// A blade, off, whose disk has nothing on it; the installation medium is in this drive.
    pub fn blank(&self, shape: Shape, drive: Drive) -> Result<Rc<Appliance>> {
        self.add(|label| Appliance::blank(&self.build, shape, &self.logs, label, drive))
    }

    /// Lets an appliance go before the end, to make room for another.
    pub fn discard(&self, appliance: Rc<Appliance>) {
        self.appliances
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, &appliance));
        drop(appliance);
    }

    /// What a scenario measures and the report should show: printed, and judged by nobody.
    pub fn report(&self, text: &str) {
        println!("measured: {text}");
    }

    /// How the processor of one of its machines fell over, if that is why it failed.
    fn fault(&self, outcome: &std::thread::Result<Result<()>>) -> Option<String> {
        if let Ok(Err(Error::Fault { registers })) = outcome {
            return Some(registers.clone());
        }
        let appliances = self.appliances.borrow();
        appliances.iter().find_map(|one| {
            let process = one.process().ok()?;
            process
                .faults
                .seen()
                .or_else(|| fault::of_a_guest(&process.shell))
        })
    }

    fn add(&self, make: impl FnOnce(String) -> Result<Appliance>) -> Result<Rc<Appliance>> {
        let mut appliances = self.appliances.borrow_mut();
        let label = format!("appliance{}", appliances.len() + 1);
        let appliance = Rc::new(make(label)?);
        appliances.push(Rc::clone(&appliance));
        Ok(appliance)
    }
}

/// How often a scenario is begun whose emulated machine falls over: see [`crate::fault`].
const TRIES: u32 = 3;

/// Runs a scenario. If it fails, screen, serial log and journal of each of its appliances are kept under
/// `target/varde/test/` and the folder is named; if not, nothing is left.
pub fn scenario(body: impl Fn(&Scenario) -> Result<()>) {
    let name = std::thread::current()
        .name()
        .unwrap_or("scenario")
        .replace("::", ".");
    let logs = evidence_dir().join(&name);
    for tries_left in (0..TRIES).rev() {
        let scenario = begin(&logs).unwrap_or_else(|error| panic!("{error}"));
        let outcome = catch_unwind(AssertUnwindSafe(|| body(&scenario)));
        if let Ok(Ok(())) = &outcome {
            drop(scenario);
            if let Err(error) = std::fs::remove_dir_all(&logs) {
                eprintln!("cannot clear {}: {error}", logs.display());
            }
            return;
        }
        if let (Some(registers), true) = (scenario.fault(&outcome), tries_left > 0) {
            scenario.report(&format!(
                "begun again, because the emulated processor fell over: {registers}"
            ));
            continue;
        }
        for appliance in scenario.appliances.borrow().iter() {
            appliance.keep_evidence();
        }
        eprintln!("screen, serial log and journal are in {}", logs.display());
        match outcome {
            Ok(Err(error)) => panic!("{error}"),
            Err(panic) => resume_unwind(panic),
            Ok(Ok(())) => {}
        }
    }
}

fn begin(logs: &Path) -> Result<Scenario> {
    if logs.exists() {
        std::fs::remove_dir_all(logs).on("clear", logs)?;
    }
    std::fs::create_dir_all(logs).on("create", logs)?;
    Ok(Scenario {
        build: Rc::new(Build::find()?),
        logs: logs.to_owned(),
        appliances: RefCell::default(),
    })
}

/// `VARDE_TEST_OUTPUT`, else `target/varde/test` of the workspace.
fn evidence_dir() -> PathBuf {
    let told = std::env::var_os("VARDE_TEST_OUTPUT").filter(|dir| !dir.is_empty());
    told.map_or_else(
        || {
            let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1);
            workspace.unwrap_or(Path::new(".")).join("target/varde/test")
        },
        PathBuf::from,
    )
}
