//! What the bridge tells operators, in both languages.

use varde_exchange::Notice;
use varde_sip::{Alarm, Party, TrunkTrouble};
use varde_site::Text;

/// A place as operators in Norway call it.
fn place_nb(place: &str) -> String {
    match place.split_once(' ') {
        Some(("line", name)) => format!("linjen {name}"),
        Some(("trunk", name)) => format!("trunken {name}"),
        Some(("extension", number)) => format!("telefonen {number}"),
        _ => place.into(),
    }
}

/// Why a trunk is down.
pub fn trunk(name: &str, host: &str, trouble: Option<&TrunkTrouble>) -> Text {
    let (nb, en) = match trouble {
        None | Some(TrunkTrouble::Silent) => {
            (format!("{host} svarer ikke"), format!("{host} does not answer"))
        }
        Some(TrunkTrouble::NoAddress) => (
            format!("{host} har ingen adresse. Sjekk navnet, eller skriv en IPv4-adresse"),
            format!("{host} has no address. Check the name, or write an IPv4 address"),
        ),
        Some(TrunkTrouble::Refuses(status)) => (
            format!("{host} avviser med SIP-status {status}"),
            format!("{host} refuses with SIP status {status}"),
        ),
        Some(TrunkTrouble::RegistrationRefused(status)) => (
            format!("{host} avviser kontoen med SIP-status {status}. Sjekk user, domain og hemmeligheten"),
            format!("{host} refuses the account with SIP status {status}. Check user, domain and the secret"),
        ),
        Some(TrunkTrouble::NoListener) => (
            "listen har ikke det transport sier".into(),
            "listen does not have what transport says".into(),
        ),
    };
    Text::new(
        format!("Trunken {name}: {nb}. Samtalene går andre veier"),
        format!("Trunk {name}: {en}. Calls go other ways"),
    )
}

/// What strangers try.
pub fn alarm(alarm: &Alarm) -> Text {
    match alarm {
        Alarm::SourceBlocked { source, lasts } => Text::new(
            format!(
                "{source} er stengt ute fra SIP i {} s: for mange forsøk uten å vise hvem det er",
                lasts.as_secs()
            ),
            format!(
                "{source} is shut out of SIP for {} s: too many attempts without proving who it is",
                lasts.as_secs()
            ),
        ),
        Alarm::AccountGuessed { account, lasts } => Text::new(
            format!(
                "Noen gjetter passordet til {account}. I {} s høres bare adresser som har vist hvem de er",
                lasts.as_secs()
            ),
            format!(
                "Somebody guesses the secret of {account}. For {} s only addresses that have proved themselves are heard",
                lasts.as_secs()
            ),
        ),
        Alarm::LegLimit { party } => {
            let (Party::Account(name) | Party::Trunk(name)) = party;
            Text::new(
                format!("{name} har så mange samtaler som den kan ha"),
                format!("{name} has as many calls as it may have"),
            )
        }
    }
}

pub fn notice(notice: &Notice) -> Text {
    match notice {
        Notice::Limit { account, prefix } => Text::new(
            format!(
                "Samtaler fra {} til numre på {prefix} er stoppet: grensen mot misbruk er nådd",
                place_nb(account)
            ),
            format!(
                "Calls from {account} to numbers with {prefix} are stopped: the limit against fraud is reached"
            ),
        ),
        Notice::Overload | Notice::Shed => Text::new(
            "Nye samtaler avvises: det er flere enn sentralen kan ta",
            "New calls are turned away: there are more than the exchange can take",
        ),
        Notice::Preempted { call, place } => Text::new(
            format!(
                "Samtale {call} er brutt for å gi plass til et nødanrop på {}",
                place_nb(place)
            ),
            format!("Call {call} was ended to make room for an emergency call on {place}"),
        ),
        Notice::EmergencyFailed { call, cause } => Text::new(
            format!("Nødanrop {call} kom ikke fram: {}", cause.name_nb()),
            format!("Emergency call {call} did not get through: {}", cause.name()),
        ),
        Notice::GivenUp { leg, place } => Text::new(
            format!("Etappen {leg} på {} svarte ikke på nedkoblingen", place_nb(place)),
            format!("Leg {leg} on {place} did not answer its release"),
        ),
        Notice::Place { place, usable: true } => Text::new(
            format!("Det kan ringes over {} igjen", place_nb(place)),
            format!("Calls can use {place} again"),
        ),
        Notice::Place { place, usable: false } => Text::new(
            format!("Det kan ikke ringes over {}", place_nb(place)),
            format!("Calls cannot use {place}"),
        ),
    }
}
