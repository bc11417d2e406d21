//! Why an action was not done, in the operator's words, as it travels over the bus.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::DBusError;
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
impl DBusError for Failure {
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
        match &error {
            zbus::Error::MethodError(name, description, reply) => {
                let description = description.as_deref().unwrap_or_default();
                let Some(kind) = FailureKind::from_name(name.as_str()) else {
                    return of_the_bus(name.as_str(), description);
                };
                let text = match reply.body().deserialize::<(String, String)>() {
                    Ok((en, nb)) => Text::new(nb, en),
                    Err(_) => Text::same(description),
                };
                Self { kind, text }
            }
            // zbus has an own variant for each error of the bus's own specification.
            zbus::Error::FDO(error) => match &**error {
                zbus::fdo::Error::ZBus(error) => error.clone().into(),
                error => of_the_bus(error.name().as_str(), error.description().unwrap_or_default()),
            },
            zbus::Error::InputOutput(cause) if cause.kind() == std::io::ErrorKind::TimedOut => {
                Self::new(FailureKind::Unknown, LATE.0, LATE.1)
            }
            _ => Self::new(
                FailureKind::Failed,
                format!("Fikk ikke snakket med tjenesten: {error}"),
                format!("Could not talk to the service: {error}"),
            ),
        }
    }
}

/// An error of the bus or of a service that is not ours, by its name.
fn of_the_bus(name: &str, description: &str) -> Failure {
    let (kind, nb, en) = match name {
        "org.freedesktop.DBus.Error.AccessDenied"
        | "org.freedesktop.DBus.Error.AuthFailed"
        | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" => (
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
    Failure::new(
        kind,
        format!("{nb} ({name}: {description})"),
        format!("{en} ({name}: {description})"),
    )
}

#[cfg(test)]
mod tests {
    use zbus::fdo;

    use super::*;

    #[test]
    fn what_the_bus_says_of_a_call_is_not_taken_for_a_failed_action() {
        let kind = |error: fdo::Error| Failure::from(zbus::Error::from(error)).kind;
        assert_eq!(kind(fdo::Error::NoReply("gone".into())), FailureKind::Unknown);
        assert_eq!(kind(fdo::Error::TimedOut("late".into())), FailureKind::Unknown);
        assert_eq!(
            kind(fdo::Error::AccessDenied("policy".into())),
            FailureKind::Denied
        );
        assert_eq!(kind(fdo::Error::UnknownMethod("x".into())), FailureKind::Failed);
        let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
        assert_eq!(Failure::from(zbus::Error::from(late)).kind, FailureKind::Unknown);
        let gone = Failure::from(zbus::Error::from(fdo::Error::ServiceUnknown(
            "no.varde.Site1".into(),
        )));
        assert!(gone.text.nb.starts_with("Tjenesten kjører ikke"), "{gone}");
    }
}
