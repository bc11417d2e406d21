//! Why somebody is not let in, in words for that person; and what is wrong with the service's own files.

use std::path::PathBuf;

use varde_bus::{Failure, FailureKind, Text};

/// Why a person's request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Name, password, or that there is such a person: which of them is nobody's business.
    Wrong,
    /// The second factor.
    WrongCode,
    /// The operator's code for enrolment.
    WrongEnrolment,
    /// Too many tries; seconds until the next may be made.
    TooMany(u64),
    /// The step before took too long, or was never made.
    Stale,
    /// The session is over, or never was.
    NoSession,
    /// The device has not shown that it has the session's key.
    NoProof,
    /// A ticket that is used, too old or somebody else's.
    NoTicket,
    /// The person has no such desktop or session.
    NotYours,
    Password(Weak),
    /// More devices than a person may have, or no address left.
    TooManyDevices,
    /// What has to be kept could not be: nobody is let in on something that could be forgotten.
    NotKept,
}

/// What is wrong with a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weak {
    Short,
    Long,
    Name,
}

impl Refusal {
    pub fn text(self) -> Text {
        match self {
            Self::Wrong => Text::new(
                "Navnet eller passordet er feil. Har du ikke logget inn her før, trenger du en kode fra driften",
                "The name or the password is wrong. If you have not logged in here before, you need a code from the operators",
            ),
            Self::WrongCode => Text::new(
                "Koden er feil eller alt brukt. Vent til telefonen viser en ny, og se om klokken på den går rett",
                "The code is wrong or already used. Wait until the phone shows a new one, and see whether its clock is right",
            ),
            Self::WrongEnrolment => Text::new(
                "Navnet eller koden er feil, eller koden er for gammel. Be driften om en ny",
                "The name or the code is wrong, or the code is too old. Ask the operators for a new one",
            ),
            Self::TooMany(seconds) => Text::new(
                format!("For mange forsøk. Prøv igjen om {}", span_nb(seconds)),
                format!("Too many tries. Try again in {}", span_en(seconds)),
            ),
            Self::Stale => Text::new(
                "Det tok for lang tid. Begynn på nytt",
                "It took too long. Begin again",
            ),
            Self::NoSession => Text::new(
                "Økten er over. Logg inn på nytt",
                "The session is over. Log in again",
            ),
            Self::NoProof => Text::new(
                "Denne nettleseren er ikke den som logget inn. Logg inn på nytt",
                "This browser is not the one that logged in. Log in again",
            ),
            Self::NoTicket => Text::new(
                "Billetten til pulten er brukt eller for gammel. Åpne pulten på nytt",
                "The ticket to the desktop is used or too old. Open the desktop again",
            ),
            Self::NotYours => Text::new("Det er ikke ditt", "It is not yours"),
            Self::TooManyDevices => Text::new(
                "Du har så mange enheter som du kan ha, eller det er ingen adresser igjen. Fjern en du ikke bruker",
                "You have as many devices as you can have, or there are no addresses left. Remove one that you do not use",
            ),
            Self::Password(Weak::Short) => Text::new(
                "Passordet er for kort: minst 12 tegn. Flere ord på rad er lett å huske",
                "The password is too short: at least 12 characters. Some words in a row are easy to remember",
            ),
            Self::Password(Weak::Long) => Text::new(
                "Passordet er for langt: høyst 256 byte",
                "The password is too long: at most 256 bytes",
            ),
            Self::Password(Weak::Name) => Text::new(
                "Passordet kan ikke være navnet ditt om igjen",
                "The password cannot be your name over again",
            ),
            Self::NotKept => Text::new(
                "Innloggingen kunne ikke lagres, så den gjelder ikke. Si fra til driften: disken kan være full",
                "The log-in could not be kept, so it does not count. Tell the operators: the disk may be full",
            ),
        }
    }

    /// A stranger at the door, rather than somebody who took too long.
    pub fn is_denial(self) -> bool {
        matches!(
            self,
            Self::Wrong
                | Self::WrongCode
                | Self::WrongEnrolment
                | Self::TooMany(_)
                | Self::NoProof
                | Self::NoTicket
        )
    }
}

fn span_nb(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{} sekunder", seconds.max(1)),
        _ => format!("{} minutter", seconds.div_ceil(60)),
    }
}

fn span_en(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{} seconds", seconds.max(1)),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::NoSession | Refusal::NoProof => FailureKind::Denied,
            Refusal::Password(_) => FailureKind::Invalid,
            Refusal::NotKept => FailureKind::Failed,
            _ => FailureKind::Refused,
        };
        Self {
            kind,
            text: refusal.text(),
        }
    }
}

/// What is wrong with the service's own files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} could not be {what}: {source}", path.display())]
    File {
        path: PathBuf,
        what: &'static str,
        source: std::io::Error,
    },
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
}
