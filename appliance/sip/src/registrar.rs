//! Where phones are: the contacts of each account, until they expire (RFC 3261 §10.3).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::api::{Event, Flow};
use crate::config::{Account, Limits};
use crate::core::{Core, Due};
use crate::message::{Address, Message};

#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub uri: String,
    /// Where it registered from. Calls go back that way: it may be behind an address translator.
    pub flow: Flow,
    expires: Duration,
    call_id: String,
    cseq: u32,
}

#[derive(Default)]
pub(crate) struct Registrar {
    contacts: HashMap<String, Vec<Contact>>,
    addresses: HashSet<IpAddr>,
    due: Option<Duration>,
}

/// Why a registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Malformed,
    /// Asked for less than the least, which is this many seconds.
    TooBrief(u64),
    /// Older than what is known.
    OutOfOrder,
}

/// What a REGISTER asks for one contact. No URI: for all (`*`).
struct Wish {
    uri: Option<String>,
    expires: Duration,
}

impl Registrar {
    /// The contacts of an account that have not expired.
    pub fn contacts(&self, now: Duration, account: &str) -> Vec<Contact> {
        let contacts = self.contacts.get(account).map_or(&[][..], Vec::as_slice);
        contacts
            .iter()
            .filter(|contact| contact.expires > now)
            .cloned()
            .collect()
    }

    /// Whether a phone is registered from this address.
    pub fn knows(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Does what a REGISTER that proved itself asks, and lists the contacts in its response.
    pub fn register(
        &mut self,
        core: &mut Core,
        now: Duration,
        account: &Account,
        limits: &Limits,
        request: &Message,
        flow: Flow,
    ) -> Result<Vec<String>, Refusal> {
        let wishes = wishes(request, limits)?;
        let (cseq, _) = request.cseq().map_err(|_| Refusal::Malformed)?;
        let call_id = request.call_id();
        let contacts = self.contacts.entry(account.name.clone()).or_default();
        contacts.retain(|contact| contact.expires > now);
        let before = contacts.len();
        // §10.3 step 7: all or nothing.
        for contact in contacts.iter() {
            let meant = wishes
                .iter()
                .any(|wish| wish.uri.as_ref().is_none_or(|uri| *uri == contact.uri));
            if meant && contact.call_id == call_id && contact.cseq >= cseq {
                return Err(Refusal::OutOfOrder);
            }
        }
        let mut registered = false;
        for wish in wishes {
            let Some(uri) = wish.uri else {
                contacts.clear();
                continue;
            };
            contacts.retain(|contact| contact.uri != uri);
            if wish.expires.is_zero() {
                continue;
            }
            registered = true;
            contacts.push(Contact {
                uri,
                flow,
                expires: now + wish.expires,
                call_id: call_id.into(),
                cseq,
            });
            let most = account.max_contacts.max(1);
            if contacts.len() > most {
                contacts.drain(..contacts.len() - most);
            }
        }
        let listed = contacts
            .iter()
            .map(|contact| {
                format!(
                    "<{}>;expires={}",
                    contact.uri,
                    contact.expires.saturating_sub(now).as_secs()
                )
            })
            .collect();
        let count = contacts.len();
        let name = account.name.clone();
        if registered {
            core.events.push_back(Event::Registered {
                account: name,
                flow,
                contacts: count,
            });
        } else if count < before {
            core.events.push_back(Event::Unregistered {
                account: name,
                contacts: count,
            });
        }
        self.rearm(core);
        Ok(listed)
    }

    /// Forgets contacts for which `gone` holds, and says so.
    fn forget(&mut self, core: &mut Core, gone: impl Fn(&str, &Contact) -> bool) {
        self.contacts.retain(|account, contacts| {
            let before = contacts.len();
            contacts.retain(|contact| !gone(account, contact));
            if contacts.len() < before {
                core.events.push_back(Event::Unregistered {
                    account: account.clone(),
                    contacts: contacts.len(),
                });
            }
            !contacts.is_empty()
        });
        self.rearm(core);
    }

    pub fn expire(&mut self, core: &mut Core, now: Duration) {
        self.forget(core, |_, contact| contact.expires <= now);
    }

    /// A connection is gone, and nobody behind it can be called.
    pub fn closed(&mut self, core: &mut Core, flow: &Flow) {
        self.forget(core, |_, contact| {
            contact.flow.transport == flow.transport && contact.flow.remote == flow.remote
        });
    }

    pub fn keep_accounts(&mut self, core: &mut Core, exists: impl Fn(&str) -> bool) {
        self.forget(core, |account, _| !exists(account));
    }

    fn rearm(&mut self, core: &mut Core) {
        let all = self.contacts.values().flatten();
        self.addresses = all.map(|contact| contact.flow.remote.ip()).collect();
        let next = self
            .contacts
            .values()
            .flatten()
            .map(|contact| contact.expires)
            .min();
        core.rearm(Due::Contacts, &mut self.due, next);
    }
}

fn wishes(request: &Message, limits: &Limits) -> Result<Vec<Wish>, Refusal> {
    let general = request.seconds("Expires").map(|(seconds, _)| seconds);
    let mut wishes = Vec::new();
    for value in request.values("Contact") {
        if value == "*" {
            if general != Some(0) {
                return Err(Refusal::Malformed);
            }
            wishes.push(Wish {
                uri: None,
                expires: Duration::ZERO,
            });
            continue;
        }
        let contact = Address::parse(value).map_err(|_| Refusal::Malformed)?;
        let own = match contact.params.get("expires") {
            Some(text) => Some(text.trim().parse::<u32>().map_err(|_| Refusal::Malformed)?),
            None => None,
        };
        let expires = own
            .or(general)
            .map_or(limits.register_max, |seconds| Duration::from_secs(seconds.into()));
        if !expires.is_zero() && expires < limits.register_min {
            return Err(Refusal::TooBrief(limits.register_min.as_secs()));
        }
        wishes.push(Wish {
            uri: Some(contact.raw_uri),
            expires: expires.min(limits.register_max),
        });
    }
    if wishes.iter().any(|wish| wish.uri.is_none()) && wishes.len() > 1 {
        return Err(Refusal::Malformed);
    }
    Ok(wishes)
}
