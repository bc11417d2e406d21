//! `varde access`: who may come in from a device of their own, and who is in.

use std::path::Path;

use varde_bus::access::{PersonStatus, PortalStatus, SessionStatus};
use varde_bus::{Action, Failure, FailureKind, Language, Text};

use crate::Context;
use crate::args::AccessVerb;
use crate::error::Error;
use crate::host::moment;
use crate::table::table;

/// Larger than any chain of certificates.
const LONGEST: u64 = 1 << 16;

pub async fn run(context: &Context, verb: AccessVerb) -> Result<(), Error> {
    let action = match verb {
        AccessVerb::Portal => return portal(context).await,
        AccessVerb::Persons => return persons(context).await,
        AccessVerb::Sessions => return sessions(context).await,
        AccessVerb::Enrol { person, why } => return enrol(context, &person, &why).await,
        AccessVerb::Certificate { chain, key, why } => {
            return certificate(context, &chain, &key, &why).await;
        }
        AccessVerb::Forget { person, why } => Action::Forget { person, why },
        AccessVerb::End { session, why } => Action::EndSession { session, why },
    };
    let done = context.client.perform(&action).await?;
    context.output.done(&done)
}

async fn portal(context: &Context) -> Result<(), Error> {
    let portal = context.client.access.portal().await.map_err(Failure::from)?;
    context.output.answer(&portal, |output| {
        if !portal.declared {
            let text = output.word(
                "Anlegget har ingen [portal] i site.toml",
                "The site has no [portal] in site.toml",
            );
            return format!("{text}\n");
        }
        let mut text: String = portal
            .troubles
            .iter()
            .map(|trouble| format!("{}\n", output.text(trouble)))
            .collect();
        for (name, value) in about(&portal, output.language) {
            text += &format!("{name:<15} {value}\n");
        }
        text
    })
}

fn about(portal: &PortalStatus, language: Language) -> [(&'static str, String); 4] {
    let word = |nb: &'static str, en: &'static str| match language {
        Language::Nb => nb,
        Language::En => en,
    };
    let made = if portal.self_made {
        word("laget her: nettlesere advarer", "made here: browsers warn of it")
    } else {
        word("gitt av driften", "given by operators")
    };
    [
        (word("adresse", "address"), portal.address.clone()),
        (word("sertifikat", "certificate"), made.to_owned()),
        (
            word("gyldig til", "valid until"),
            moment(portal.certificate_until),
        ),
        (word("fingeravtrykk", "fingerprint"), portal.fingerprint.clone()),
    ]
}

async fn persons(context: &Context) -> Result<(), Error> {
    let persons = context.client.access.persons().await.map_err(Failure::from)?;
    context.output.answer(&persons, |output| {
        let row = |person: &PersonStatus| {
            let how = match (person.enrolled, person.code_until) {
                (true, _) => output.word("ja", "yes").to_owned(),
                (false, 0) => output.word("nei", "no").to_owned(),
                (false, until) => format!("{} {}", output.word("kode til", "code until"), moment(until)),
            };
            [
                person.name.clone(),
                how,
                person.recovery.to_string(),
                person.sessions.to_string(),
                moment(person.last_login),
                person.pools.join(" "),
            ]
        };
        let rows: Vec<_> = persons.iter().map(row).collect();
        let heads = match output.language {
            Language::Nb => ["NAVN", "INNMELDT", "KODER", "ØKTER", "SIST INNE", "PULTER"],
            Language::En => ["NAME", "ENROLLED", "CODES", "SESSIONS", "LAST IN", "DESKTOPS"],
        };
        table(heads, &rows)
    })
}

async fn sessions(context: &Context) -> Result<(), Error> {
    let sessions = context.client.access.sessions().await.map_err(Failure::from)?;
    context.output.answer(&sessions, |output| {
        let row = |session: &SessionStatus| {
            [
                session.id.clone(),
                session.person.clone(),
                session.from.clone(),
                moment(session.began),
                moment(session.seen),
                session.desktops.join(" "),
            ]
        };
        let rows: Vec<_> = sessions.iter().map(row).collect();
        let heads = match output.language {
            Language::Nb => ["ØKT", "PERSON", "FRA", "BEGYNTE", "SIST SETT", "PULTER"],
            Language::En => ["SESSION", "PERSON", "FROM", "BEGAN", "LAST SEEN", "DESKTOPS"],
        };
        table(heads, &rows)
    })
}

async fn enrol(context: &Context, person: &str, why: &str) -> Result<(), Error> {
    let code = context
        .client
        .access
        .enrol(person, why)
        .await
        .map_err(Failure::from)?;
    context.output.answer(&code, |output| {
        format!(
            "{} {}\n{} {}\n",
            output.word("Kode:", "Code:"),
            code.code,
            output.word("Gjelder til", "Holds until"),
            moment(code.until)
        )
    })
}

async fn certificate(context: &Context, chain: &Path, key: &Path, why: &str) -> Result<(), Error> {
    let (chain, key) = (read(chain)?, read(key)?);
    context
        .client
        .access
        .set_certificate(&chain, &key, why)
        .await
        .map_err(Failure::from)?;
    context.output.said(&Text::new(
        "Portalen har fått sertifikatet",
        "The portal has the certificate",
    ))
}

fn read(path: &Path) -> Result<String, Error> {
    let read = || {
        if std::fs::metadata(path)?.len() > LONGEST {
            return Err(std::io::Error::other("it is too large"));
        }
        std::fs::read_to_string(path)
    };
    read().map_err(|error| {
        Failure::new(
            FailureKind::Invalid,
            format!("{} kan ikke leses: {error}", path.display()),
            format!("{} cannot be read: {error}", path.display()),
        )
        .into()
    })
}
