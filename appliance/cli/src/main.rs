//! `varde`: everything that the console does, for scripts.
//!
//! [`args`] says what can be typed, a file a noun does it through [`varde_bus::Client`], [`output`] prints it: for
//! people in 80 columns, or with `--json` in the shape of the bus types. Exit codes: 0 done, 1 refused or failed,
//! 2 wrong usage.

mod access;
mod args;
mod attach;
mod audit;
mod db;
mod desktop;
mod error;
mod generate;
mod help;
mod host;
mod language;
mod output;
mod phone;
mod rehearse;
mod secret;
mod site;
mod snapshot;
mod support;
mod table;
mod tunnel;
mod update;
mod vm;
mod wait;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use varde_bus::{Client, Language};

use crate::args::{Arguments, Noun, SupportVerb};
use crate::error::Error;
use crate::output::Output;

/// What a verb needs: the services and the way out.
struct Context {
    client: Client,
    output: Output,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&in_the_right_language(error)),
    };
    let mut output = Output {
        json: arguments.json,
        language: Language::default(),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.failed(&Error::io("start", "the runtime", error)),
    };
    let done = runtime.block_on(async {
        match arguments.noun {
            Noun::Completions { shell } => return generate::completions(shell),
            Noun::Man { folder } => return generate::manual(folder.as_deref()),
            _ => {}
        }
        let chosen = arguments.lang.or_else(language::of_the_session);
        output.language = chosen.unwrap_or_default();
        if let Noun::Support(SupportVerb::Decode { code }) = &arguments.noun {
            return support::decode(&output, &code.concat());
        }
        let client = Client::connect().await?;
        if chosen.is_none() && !output.json {
            output.language = language::of_the_site(&client).await;
        }
        let output = output.clone();
        run(arguments.noun, &Context { client, output }).await
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.failed(&error),
    }
}

/// Help in Norwegian where that is the language; what is wrong with the words typed stays as clap says it.
fn in_the_right_language(said: clap::Error) -> clap::Error {
    let help = matches!(
        said.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if !help || language::of_help() == Language::En {
        return said;
    }
    help::norwegian(Arguments::command())
        .try_get_matches()
        .err()
        .unwrap_or(said)
}

async fn run(noun: Noun, context: &Context) -> Result<(), Error> {
    match noun {
        Noun::Status => host::status(context).await,
        Noun::Vm(verb) => vm::run(context, verb).await,
        Noun::Snapshot(verb) => snapshot::run(context, verb).await,
        Noun::Rehearse(verb) => rehearse::run(context, verb).await,
        Noun::Db(verb) => db::run(context, verb).await,
        Noun::Phone(verb) => phone::run(context, verb).await,
        Noun::Access(verb) => access::run(context, verb).await,
        Noun::Tunnel(verb) => tunnel::run(context, verb).await,
        Noun::Update(verb) => update::run(context, verb).await,
        Noun::Desktop(verb) => desktop::run(context, verb).await,
        Noun::Site(verb) => site::run(context, verb).await,
        Noun::Log(query) => host::log(context, query).await,
        Noun::Audit(verb) => audit::run(context, verb).await,
        Noun::Support(verb) => support::run(context, verb).await,
        Noun::Reboot(why) => host::reboot(context, why.why).await,
        Noun::Poweroff(why) => host::power_off(context, why.why).await,
        Noun::Completions { shell } => generate::completions(shell),
        Noun::Man { folder } => generate::manual(folder.as_deref()),
    }
}
