//! Who may register and which trunks there are, from `[telephony]` of the site to SIP's words.

use std::time::Duration;

use varde_sip::{Account, Digests, Directory, Limits, Login, Secret};
use varde_site::{self as site, ExtensionPlace, Telephony, Transport};

use crate::Result;
use crate::gate::transport;
use crate::secrets::{Of, Secrets};

/// Phones that an account may have registered at once.
const CONTACTS: usize = 4;
/// Legs beyond those of all calls.
const SPARE: usize = 100;
/// How long a phone is registered at most: after a restart of the service it can be called when it registers again.
const REGISTERED: Duration = Duration::from_mins(10);
/// How long we are registered with a trunk.
const REGISTRATION: Duration = Duration::from_mins(10);

/// The directory of a site. A phone without a secret cannot register, and so is not in it.
pub fn directory(telephony: &Telephony, secrets: &Secrets) -> Directory {
    let accounts = telephony.extensions.iter().filter_map(|extension| {
        let ExtensionPlace::Account(name) = &extension.place else {
            return None;
        };
        Some(Account {
            name: name.clone(),
            secret: Secret::Password(secrets.get(Of::Extension(&extension.number))?),
            max_contacts: CONTACTS,
            // The exchange counts calls; here it is a bound on what a stolen password can do.
            max_legs: usize::try_from(extension.calls).unwrap_or(usize::MAX) * 2,
        })
    });
    let trunks = telephony.trunks.iter().map(|trunk| {
        let secret = secrets.get(Of::Trunk(&trunk.name));
        let login = trunk.user.clone().zip(secret).map(|(user, secret)| Login {
            user,
            secret: Secret::Password(secret),
        });
        let standard = if trunk.transport == Transport::Tls {
            5061
        } else {
            5060
        };
        varde_sip::Trunk {
            name: trunk.name.clone(),
            host: trunk.host.clone(),
            port: trunk.port.unwrap_or(standard),
            transport: transport(trunk.transport),
            sources: Vec::new(),
            domain: Some(trunk.domain.clone()),
            register: (trunk.register && login.is_some()).then_some(REGISTRATION),
            login,
            probe: (trunk.check_every > 0).then(|| Duration::from_secs(trunk.check_every)),
            max_legs: usize::try_from(trunk.calls).unwrap_or(usize::MAX),
        }
    });
    Directory {
        accounts: accounts.collect(),
        trunks: trunks.collect(),
        limits: Limits {
            // Two for each call, and what the exchange has still to turn away: it is the one that counts.
            max_legs: usize::try_from(telephony.calls).unwrap_or(usize::MAX) * 2 + SPARE,
            register_max: REGISTERED,
            ..Limits::default()
        },
        emergency: telephony.emergency.numbers.clone(),
        digests: match telephony.digests {
            site::Digests::Both => Digests::Both,
            site::Digests::Md5 => Digests::Md5,
            site::Digests::Sha256 => Digests::Sha256,
        },
    }
}

/// What TLS needs, if anything speaks it.
pub fn tls(telephony: &Telephony, secrets: &Secrets) -> Result<Option<varde_sip::Tls>> {
    let listens = telephony.listen.iter().map(|listen| listen.transport);
    let trunks = telephony.trunks.iter().map(|trunk| trunk.transport);
    if !listens.chain(trunks).any(|transport| transport == Transport::Tls) {
        return Ok(None);
    }
    secrets.certificate(&telephony.domain).map(Some)
}
