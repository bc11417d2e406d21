//! How the daemon has work done on a machine's files: it writes the order down, the unit `varde-disk@NAME` carries it
//! out as the machine's own user, and writes down how far it is and how it ended. Without the daemon the order stays
//! undone, and what was begun is finished or undone at the machine's start.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use varde_bus::{Failure, FailureKind};
use varde_disks::{Executor, Order, Told};
use varde_site::Text;

use crate::Error;
use crate::daemon::now;
use crate::notes;
use crate::paths::Paths;
use crate::unit::Units;

/// How long the unit waits for somebody else who works on the disks.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Longer than what a report says.
const LONGEST: u64 = 1 << 16;

#[derive(Debug, Serialize, Deserialize)]
struct Errand {
    /// Tells the report on this order from one on an earlier order.
    number: i64,
    order: Order,
}

#[derive(Debug, Serialize, Deserialize)]
struct Report {
    number: i64,
    /// Hundredths of a percent of the disk that is being merged.
    progress: u32,
    ended: bool,
    /// Why it was not done; `None` when it was.
    failure: Option<Text>,
}

/// The unit's side: does what is written down for this machine.
pub fn carry_out(vm: &str, paths: &Paths) -> Result<(), Error> {
    let Some(Errand { number, order }) = notes::read(&paths.errand(vm)) else {
        return Err(Error::Usage(format!("no order is written down for {vm}")));
    };
    let report = |progress, ended, failure: Option<Text>| {
        let report = Report {
            number,
            progress,
            ended,
            failure,
        };
        notes::write(&paths.errand_report(vm), &report)
    };
    report(0, false, None)?;
    let mut told = 0;
    let mut tell = |what| {
        if let Told::Progress(progress) = what
            && progress != told
        {
            told = progress;
            // What could not be told is told the next time.
            let _ = report(progress, false, None);
        }
    };
    let result = Executor::new(&paths.disks(vm), &paths.qemu_img, PATIENCE, &mut tell)
        .and_then(|mut executor| executor.obey(&order));
    let failure = result.as_ref().err().map(varde_disks::Error::text);
    report(0, true, failure)?;
    result.map_err(Error::from)
}

/// The daemon's side: has it done, and says how it ended.
pub async fn send(vm: &str, order: &Order, units: &dyn Units, paths: &Paths) -> Result<(), Failure> {
    let number = now();
    let errand = Errand {
        number,
        order: order.clone(),
    };
    notes::write(&paths.errand(vm), &errand)?;
    let ended = units.work(vm).await;
    match read(&paths.errand_report(vm)) {
        Some(report) if report.number == number && report.ended => match report.failure {
            None => Ok(()),
            Some(text) => Err(Failure {
                kind: FailureKind::Refused,
                text,
            }),
        },
        // The unit did not come so far as to say anything, or was ended.
        _ => Err(ended.err().unwrap_or_else(|| {
            Failure::new(
                FailureKind::Failed,
                format!("Arbeidet med diskene til {vm} ble avbrutt. Det fullføres eller angres av seg selv"),
                format!("The work on the disks of {vm} was interrupted. It finishes or undoes itself"),
            )
        })),
    }
}

/// Hundredths of a percent of the merge of one disk that is under way.
pub fn progress(vm: &str, paths: &Paths) -> u32 {
    read(&paths.errand_report(vm)).map_or(0, |report| report.progress.min(10_000))
}

/// The directory is the machine's: what lies there may be a link, a pipe that never ends, or without end.
fn read(path: &Path) -> Option<Report> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}
