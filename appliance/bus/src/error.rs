//! Why an action was not done, in the operator's words, as it travels over the bus.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::names::ErrorName;

/// What kind of failure; each is a D-Bus error name `no.varde.Error.KIND`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The caller's role may not do this.
    Denied,
    /// What was asked for makes no sense as it stands; nothing was changed.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// The state of things forbids it just now; nothing was changed.
    Refused,
    /// It was tried and did not work.
    Failed,
    /// No answer within the bound: it may have been done or not.
    Unknown,
}

impl FailureKind {
    const ALL: [(Self, &str); 6] = [
        (Self::Denied, "no.varde.Error.Denied"),
        (Self::Invalid, "no.varde.Error.Invalid"),
        (Self::NotFound, "no.varde.Error.NotFound"),
        (Self::Refused, "no.varde.Error.Refused"),
        (Self::Failed, "no.varde.Error.Failed"),
        (Self::Unknown, "no.varde.Error.Unknown"),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("no.varde.Error.Failed", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(kind, _)| *kind)
    }
}

/// A failed or refused action: what was tried, on what, why it failed and what can be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    pub kind: FailureKind,
    pub text: Text,
}

impl Failure {
    pub fn new(kind: FailureKind, nb: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            kind,
            text: Text::new(nb, en),
        }
    }
}

/// How a service answers with a failure.
impl zbus::DBusError for Failure {
    fn create_reply(&self, call: &zbus::message::Header<'_>) -> zbus::Result<zbus::Message> {
        zbus::Message::error(call, self.name()).build(&(&self.text.en, &self.text.nb))
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(self.kind.name())
    }

    fn description(&self) -> Option<&str> {
        Some(&self.text.en)
    }
}

/// No answer within the bound, in both languages.
const LATE: (&str, &str) = (
    "Tjenesten svarte ikke i tide; handlingen kan være utført. Se på tilstanden før du prøver igjen",
    "The service did not answer in time; the action may have been done. Look at the state before trying again",
);

/// How a client reads it back; failures of the bus itself are put in words here.
impl From<zbus::Error> for Failure {
    fn from(error: zbus::Error) -> Self {
        if let zbus::Error::MethodError(name, description, reply) = &error {
            if let Some(kind) = FailureKind::from_name(name.as_str()) {
                let text = match reply.body().deserialize::<(String, String)>() {
                    Ok((en, nb)) => Text::new(nb, en),
                    Err(_) => Text::same(description.clone().unwrap_or_default()),
                };
                return Self { kind, text };
            }
            let detail = description.as_deref().unwrap_or("");
            let (kind, nb, en) = match name.as_str() {
                "org.freedesktop.DBus.Error.AccessDenied" => (
                    FailureKind::Denied,
                    "Systemet avviste kallet",
                    "The system refused the call",
                ),
                "org.freedesktop.DBus.Error.NoReply"
                | "org.freedesktop.DBus.Error.Timeout"
                | "org.freedesktop.DBus.Error.TimedOut" => (FailureKind::Unknown, LATE.0, LATE.1),
                "org.freedesktop.DBus.Error.ServiceUnknown"
                | "org.freedesktop.DBus.Error.NameHasNoOwner"
                | "org.freedesktop.systemd1.NoSuchUnit" => (
                    FailureKind::Failed,
                    "Tjenesten kjører ikke. Se i loggen hvorfor",
                    "The service is not running. The log says why",
                ),
                _ => (FailureKind::Failed, "Kallet mislyktes", "The call failed"),
            };
            return Self::new(
                kind,
                format!("{nb} ({name}: {detail})"),
                format!("{en} ({name}: {detail})"),
            );
        }
        if let zbus::Error::InputOutput(cause) = &error
            && cause.kind() == std::io::ErrorKind::TimedOut
        {
            return Self::new(FailureKind::Unknown, LATE.0, LATE.1);
        }
        Self::new(
            FailureKind::Failed,
            format!("Fikk ikke snakket med tjenesten: {error}"),
            format!("Could not talk to the service: {error}"),
        )
    }
}
