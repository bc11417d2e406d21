//! `varde status`, `varde log`, `varde reboot`, `varde poweroff`: the appliance itself.

use serde_json::json;
use varde_bus::host::{HostStatus, LogQuery, Severity};
use varde_bus::{Action, Failure};

use crate::Context;
use crate::args::Log;
use crate::error::Error;
use crate::output::Output;
use crate::{site, vm};

/// Prints what the services say, and then fails where one of them did not answer: this is what is typed when
/// something is wrong.
pub async fn status(context: &Context) -> Result<(), Error> {
    let client = &context.client;
    let mut failure = None;
    let host = kept(client.host.status().await, &mut failure);
    let site = kept(client.site.summary().await, &mut failure);
    let trial = kept(client.site.trial().await, &mut failure);
    let machines = kept(client.hypervisor.list().await, &mut failure);
    context.output.answer(
        &json!({ "host": host, "site": site, "trial": trial, "vms": machines }),
        |output| {
            let mut text = String::new();
            if let Some(host) = &host {
                text += &problems(output, host);
            }
            if let Some(site) = &site {
                for problem in [&site.problem, &site.taken_back] {
                    if !problem.is_empty() {
                        text += &format!("! {}\n", output.text(problem));
                    }
                }
                if let Some(trial) = trial.as_ref().filter(|trial| trial.generation != 0) {
                    text += &site::shown(output, trial);
                }
                text += &format!(
                    "{} – {} ({} {})\n",
                    site.name,
                    site.title,
                    output.word("generasjon", "generation"),
                    site.generation
                );
            }
            if let Some(host) = &host {
                text += &appliance(output, host);
            }
            if let Some(machines) = &machines {
                text += "\n";
                text += &vm::overview(output, machines);
            }
            text
        },
    )?;
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// The answer, or nothing and why; the first failure is the one that is told.
fn kept<T>(answer: Result<T, impl Into<Failure>>, failure: &mut Option<Failure>) -> Option<T> {
    match answer {
        Ok(value) => Some(value),
        Err(error) => {
            failure.get_or_insert_with(|| error.into());
            None
        }
    }
}

fn problems(output: &Output, host: &HostStatus) -> String {
    let mut text = String::new();
    for problem in &host.problems {
        let mark = match problem.severity {
            Severity::Critical => "!!",
            Severity::Warning => "!",
            Severity::Notice => "-",
        };
        text += &format!(
            "{mark} {}\n   {}\n",
            output.text(&problem.text),
            output.text(&problem.remedy)
        );
    }
    text
}

fn appliance(output: &Output, host: &HostStatus) -> String {
    let used =
        |total: u64, available: u64| format!("{} / {}", bytes(total.saturating_sub(available)), bytes(total));
    format!(
        "{}: {} {}, {}, {} {} min\n{}: {:.2} ({} {})   {}: {}   {}: {}\n",
        output.word("vert", "host"),
        host.hostname,
        host.version,
        host.accelerator,
        output.word("oppe", "up"),
        host.uptime / 60,
        output.word("last", "load"),
        host.load,
        host.cpus,
        output.word("prosessorer", "processors"),
        output.word("minne", "memory"),
        used(host.memory_total, host.memory_available),
        output.word("data", "data"),
        used(host.data_total, host.data_available),
    )
}

pub async fn log(context: &Context, log: Log) -> Result<(), Error> {
    let query = LogQuery {
        unit: log.unit,
        text: log.grep,
        priority: log.priority,
        this_boot: log.boot,
        before: String::new(),
        count: log.lines,
    };
    let lines = context.client.host.log(&query).await.map_err(Failure::from)?;
    context.output.answer(&lines, |_| {
        // The newest come first from the service; people read downwards.
        let in_order = lines.iter().rev();
        in_order
            .map(|line| format!("{} {}: {}\n", moment(line.when), line.unit, line.message))
            .collect()
    })
}

pub async fn reboot(context: &Context, why: String) -> Result<(), Error> {
    let done = context.client.perform(&Action::Reboot { why }).await?;
    context.output.done(&done)
}

pub async fn power_off(context: &Context, why: String) -> Result<(), Error> {
    let done = context.client.perform(&Action::PowerOff { why }).await?;
    context.output.done(&done)
}

/// A moment in the appliance's own time zone, to the second. Empty for never.
pub fn moment(milliseconds: i64) -> String {
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(when) if milliseconds > 0 => when
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        _ => String::new(),
    }
}

/// A size in the largest binary unit that leaves at least 1, to one decimal.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let place = (count.max(1).ilog2() / 10).min(4) as usize;
    let unit = 1_u128 << (10 * place);
    let tenths = u128::from(count) * 10 / unit;
    if tenths.is_multiple_of(10) {
        format!("{} {}", tenths / 10, UNITS[place])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(512 << 20), "512 MiB");
        assert_eq!(bytes(1_610_612_736), "1.5 GiB");
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
    }
}
