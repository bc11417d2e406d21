//! `varde`: everything that the console does, for scripts.
//!
//! [`args`] says what can be typed, a file a noun does it through [`varde_bus::Client`], [`output`] prints it: for
//! people in 80 columns, or with `--json` in the shape of the bus types. Exit codes: 0 done, 1 refused or failed,
//! 2 wrong usage.

mod args;
mod attach;
mod audit;
mod error;
mod generate;
mod host;
mod output;
mod site;
mod table;
mod vm;
mod wait;

use std::process::ExitCode;

use clap::Parser;
use varde_bus::{Client, Language};

use crate::args::{Arguments, Noun};
use crate::error::Error;
use crate::output::Output;

/// What a verb needs: the services and the way out.
struct Context {
    client: Client,
    output: Output,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output {
        json: arguments.json,
        language: arguments.lang.unwrap_or_else(language_of_the_session),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.failed(&Error::io("start", "the runtime", error)),
    };
    match runtime.block_on(run(arguments.noun, output.clone())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.failed(&error),
    }
}

async fn run(noun: Noun, output: Output) -> Result<(), Error> {
    if let Noun::Generate(what) = noun {
        return generate::run(&what);
    }
    let context = Context {
        client: Client::connect().await?,
        output,
    };
    match noun {
        Noun::Status => host::status(&context).await,
        Noun::Vm(verb) => vm::run(&context, verb).await,
        Noun::Site(verb) => site::run(&context, verb).await,
        Noun::Log(query) => host::log(&context, query).await,
        Noun::Audit(verb) => audit::run(&context, verb).await,
        Noun::Reboot(why) => host::reboot(&context, why.why).await,
        Noun::Poweroff(why) => host::power_off(&context, why.why).await,
        Noun::Generate(what) => generate::run(&what),
    }
}

/// Norwegian unless the session asks for another language.
fn language_of_the_session() -> Language {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match set("LC_ALL")
        .or_else(|| set("LC_MESSAGES"))
        .or_else(|| set("LANG"))
    {
        Some(locale) if locale.starts_with("en") => Language::En,
        _ => Language::Nb,
    }
}
