//! Who calls, whom, and what of it may be shown: RFC 3323, 3325, 5806.

use crate::api::{Diversion, Identity, Outgoing};
use crate::message::{Address, Message, quoted, user_part};

/// The most diversions that are read and written.
const MOST_DIVERSIONS: usize = 10;

/// What the caller says of itself.
pub(crate) fn calling(invite: &Message) -> Identity {
    invite.from().map(of_address).unwrap_or_default()
}

fn of_address(address: Address) -> Identity {
    Identity {
        number: address.uri.user,
        display: address.display,
    }
}

/// What a trunk vouches for. Of a SIP and a tel address, the first.
pub(crate) fn asserted(message: &Message) -> Option<Identity> {
    message
        .values("P-Asserted-Identity")
        .find_map(|value| Address::parse(value).ok())
        .map(of_address)
}

pub(crate) fn is_private(message: &Message) -> bool {
    let asks = message
        .all("Privacy")
        .flat_map(|value| value.split([';', ',']))
        .any(|one| matches!(one.trim().to_ascii_lowercase().as_str(), "id" | "user" | "header"));
    let anonymous = message
        .from()
        .is_ok_and(|from| from.uri.host.eq_ignore_ascii_case("anonymous.invalid"));
    asks || anonymous
}

pub(crate) fn diversions(message: &Message) -> Vec<Diversion> {
    message
        .values("Diversion")
        .filter_map(|value| Address::parse(value).ok())
        .map(|address| Diversion {
            number: address.uri.user,
            reason: address.params.get("reason").unwrap_or("unknown").into(),
        })
        .take(MOST_DIVERSIONS)
        .collect()
}

/// The number that was dialled. A trunk that we register with sends calls to the name that we registered; To has the
/// number then.
pub(crate) fn called(invite: &Message, registered_as: Option<&str>) -> String {
    let to = invite.to().map(|to| to.uri.user).unwrap_or_default();
    match crate::message::Uri::parse(invite.uri()) {
        Ok(uri) if uri.user.is_empty() || Some(uri.user.as_str()) == registered_as => to,
        Ok(uri) => uri.user,
        Err(_) => to,
    }
}

/// From without its tag.
pub(crate) fn from(call: &Outgoing, host: &str) -> String {
    if call.private {
        return "\"Anonymous\" <sip:anonymous@anonymous.invalid>".into();
    }
    address(&call.calling, host)
}

fn address(identity: &Identity, host: &str) -> String {
    let uri = format!("<sip:{}@{host}>", user_part(&identity.number));
    match &identity.display {
        Some(display) => format!("{} {uri}", quoted(display)),
        None => uri,
    }
}

/// Adds what is said of the caller beside From, and what the exchange wants said besides.
pub(crate) fn add(call: &Outgoing, host: &str, invite: &mut Message) {
    if let Some(asserted) = &call.asserted {
        invite.push("P-Asserted-Identity", address(asserted, host));
    }
    if call.private {
        invite.push("Privacy", "id");
    }
    for diversion in call.diversions.iter().take(MOST_DIVERSIONS) {
        let reason: String = diversion
            .reason
            .chars()
            .filter(|char| char.is_ascii_alphanumeric() || *char == '-')
            .collect();
        invite.push(
            "Diversion",
            format!("<sip:{}@{host}>;reason={reason}", user_part(&diversion.number)),
        );
    }
    for (name, value) in &call.extra {
        // Only names that a header can have: a value cannot end its line, see `Message::to_bytes`.
        if !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            invite.push(name.clone(), value.clone());
        }
    }
}

/// Reason with a cause by Q.850 (RFC 3326).
pub(crate) fn reason(cause: u8) -> String {
    format!("Q.850;cause={cause}")
}

/// Where a redirection points.
pub(crate) fn moved_to(response: &Message) -> Option<String> {
    if response.status()? / 100 != 3 {
        return None;
    }
    let contact = response.values("Contact").next()?;
    Address::parse(contact).ok().map(|address| address.uri.user)
}

/// The parameters of RAck: which provisional response (RFC 3262 §7.2).
pub(crate) fn rack(message: &Message) -> Option<(u32, u32)> {
    let mut parts = message.header("RAck")?.split_whitespace();
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;

    fn invite() -> Message {
        Message::request(Method::Invite, "sip:33440000@h")
            .with("From", "\"Ordføreren\" <sip:210@h>;tag=1")
            .with("To", "<sip:33440001@h>")
    }

    #[test]
    fn a_number_that_is_withheld_is_known_by_header_and_by_name() {
        assert!(!is_private(&invite()));
        assert!(!is_private(&invite().with("Privacy", "none")));
        assert!(is_private(&invite().with("Privacy", "id;critical")));
        let mut anonymous = invite();
        anonymous.set("From", "Anonymous <sip:anonymous@anonymous.invalid>;tag=1");
        assert!(is_private(&anonymous));
    }

    #[test]
    fn a_trunk_that_we_register_with_has_the_number_in_to() {
        assert_eq!(called(&invite(), None), "33440000");
        assert_eq!(called(&invite(), Some("33440000")), "33440001");
    }

    #[test]
    fn what_is_written_of_a_caller_is_read_again() {
        let call = Outgoing {
            to: crate::api::Party::Trunk("t".into()),
            called: "1".into(),
            calling: Identity {
                number: "210".into(),
                display: Some("Kari \"K\"".into()),
            },
            asserted: Some(Identity::number("+4733440000")),
            private: true,
            diversions: vec![Diversion {
                number: "211".into(),
                reason: "user-busy".into(),
            }],
            sdp: String::new(),
            emergency: false,
            extra: vec![
                ("Priority".into(), "emergency".into()),
                ("Bad name".into(), "x".into()),
            ],
            hops: 70,
            ring_for: std::time::Duration::ZERO,
        };
        let mut message = invite();
        message.set("From", from(&call, "h"));
        add(&call, "h", &mut message);
        let message = Message::parse(
            &message
                .with("Via", "SIP/2.0/UDP h")
                .with("Call-ID", "1")
                .with("CSeq", "1 INVITE")
                .to_bytes(),
        )
        .unwrap();
        assert!(is_private(&message));
        assert_eq!(asserted(&message), Some(Identity::number("+4733440000")));
        assert_eq!(calling(&message).number, "anonymous");
        assert_eq!(diversions(&message), call.diversions);
        assert_eq!(message.header("Priority"), Some("emergency"));
        assert_eq!(message.header("Bad name"), None);
    }
}
