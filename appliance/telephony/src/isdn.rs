//! Between what Q.931 says of a call and what the exchange does: elements and setups (ETSI TS 183 036 for what the
//! neutral side must carry).

use varde_dss1::{
    BearerCapability, Capability, Cause, Element, Elements, Indication, Location, Number, NumberType, Plan,
    Presentation, Progress, ProgressDescription, Screening,
};
use varde_exchange::{Bearer, Calling, Setup, Signal, canonical};
use varde_lapd::Side;

/// The digits that a number is dialled by, from whichever type it has.
fn dialled(number: &Number) -> String {
    match number.kind {
        NumberType::International => format!("00{}", number.digits),
        _ => number.digits.clone(),
    }
}

/// What a SETUP asks for.
pub fn setup(elements: &Elements, country: &str) -> Setup {
    let called = elements
        .called_number()
        .map_or_else(|| elements.digits().into(), dialled);
    let calling = elements.calling_numbers().next().map(|number| Calling {
        number: canonical(&dialled(number), country),
        hidden: number.is_restricted(),
    });
    Setup {
        called,
        complete: elements.is_sending_complete(),
        calling,
        bearer: match elements.bearer().map(|bearer| bearer.capability) {
            Some(Capability::AUDIO) => Bearer::Audio,
            Some(Capability::UNRESTRICTED_DIGITAL | Capability::RESTRICTED_DIGITAL) => Bearer::Digital,
            _ => Bearer::Speech,
        },
        diverted: elements
            .redirecting_number()
            .map(|number| canonical(&dialled(number), country)),
        hops: None,
        emergency: None,
        test: None,
    }
}

/// A number with its type, as the other end of a line reads it.
fn typed(number: &str) -> Number {
    let (kind, digits) = match number.strip_prefix("00") {
        Some(abroad) => (NumberType::International, abroad),
        // Short numbers are of no public plan.
        None if number.len() >= 8 => (NumberType::National, number),
        None => (NumberType::Unknown, number),
    };
    Number {
        kind,
        plan: if kind == NumberType::Unknown {
            Plan::UNKNOWN
        } else {
            Plan::ISDN
        },
        presentation: None,
        reason: None,
        digits: digits.into(),
    }
}

/// The calling number on a line. A network says no secret number to those it serves; a network that is told one keeps
/// it secret (EN 300 092, EN 300 093).
fn calling(calling: &Calling, side: Side) -> Number {
    let screening = match side {
        Side::Network => Screening::Network,
        Side::User => Screening::UserNotScreened,
    };
    if !calling.hidden {
        return Number {
            presentation: Some((Presentation::Allowed, screening)),
            ..typed(&calling.number)
        };
    }
    let digits = if side == Side::Network {
        ""
    } else {
        &calling.number
    };
    Number {
        presentation: Some((Presentation::Restricted, screening)),
        ..typed(digits)
    }
}

/// The SETUP of a call to a line on which the appliance is that side.
pub fn elements(setup: &Setup, side: Side) -> Elements {
    let bearer = match setup.bearer {
        Bearer::Speech => BearerCapability::speech(),
        Bearer::Audio => BearerCapability::audio(),
        Bearer::Digital => BearerCapability::digital(),
    };
    let mut elements = Elements::from([
        Element::BearerCapability(bearer),
        Element::CalledNumber(Number::dialled(&setup.called)),
        Element::SendingComplete,
    ]);
    if let Some(number) = &setup.calling {
        elements.push(Element::CallingNumber(calling(number, side)));
    }
    if let Some(diverted) = &setup.diverted {
        elements.push(Element::RedirectingNumber(typed(diverted)));
    }
    elements
}

/// Something is to be heard in the B channel (progress indicator 8).
pub fn in_band(location: Location) -> Elements {
    Elements::from([Element::Progress(Progress {
        location,
        description: ProgressDescription::IN_BAND,
    })])
}

/// The number of who answered.
pub fn connected(number: Option<&String>) -> Elements {
    let number = number.map(|number| {
        Element::ConnectedNumber(Number {
            presentation: Some((Presentation::Allowed, Screening::Network)),
            ..typed(number)
        })
    });
    Elements::from(number.into_iter().collect::<Vec<_>>())
}

/// What an indication is to the exchange; nothing if it is nothing to it.
pub fn signal(indication: Indication, elements: &Elements, country: &str) -> Option<Signal> {
    let cause = elements.cause().unwrap_or(Cause::NORMAL_UNSPECIFIED);
    Some(match indication {
        Indication::SetupAcknowledge | Indication::Proceeding | Indication::Progress => {
            if elements.is_in_band() {
                Signal::Progress
            } else {
                Signal::Proceeding
            }
        }
        Indication::Alerting => Signal::Alerting {
            in_band: elements.is_in_band(),
        },
        Indication::Connect => Signal::Answered {
            connected: elements
                .connected_number()
                .filter(|number| !number.is_restricted())
                .map(|number| canonical(&dialled(number), country)),
        },
        Indication::Information => Signal::Digits {
            digits: elements.digits().into(),
            complete: elements.is_sending_complete(),
        },
        Indication::DiallingEnd => Signal::Digits {
            digits: String::new(),
            complete: true,
        },
        Indication::Disconnect | Indication::Clearing => Signal::Disconnected(cause),
        Indication::Released => Signal::Released(cause),
        Indication::Setup | Indication::ConnectAcknowledge | Indication::Notify | Indication::Facility => {
            return None;
        }
    })
}
