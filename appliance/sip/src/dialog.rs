//! Dialogs (RFC 3261 §12): what both ends of a leg know of each other, and the requests made within it.

use crate::api::{Flow, Transport};
use crate::core::{Core, tag_text};
use crate::message::{Address, Message, Method, Uri};

#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub call_id: String,
    /// From of our requests, with the tag.
    pub local: String,
    /// To of our requests, with the tag once there is one.
    pub remote: String,
    pub remote_tag: Option<String>,
    /// Where our requests go.
    pub target: String,
    pub route: Vec<String>,
    pub cseq: u32,
    pub remote_cseq: u32,
    pub flow: Flow,
    /// Whether requests take the flow whatever the target says: phones may be behind an address translator.
    pub pinned: bool,
    pub contact: String,
}

impl Dialog {
    /// Of a call that somebody makes to us.
    pub fn called(
        core: &Core,
        invite: &Message,
        flow: Flow,
        tag: u64,
        pinned: bool,
        user: &str,
    ) -> Option<Self> {
        let to = invite.header("To")?;
        Some(Self {
            call_id: invite.call_id().into(),
            local: format!("{to};tag={}", tag_text(tag)),
            remote: invite.header("From")?.into(),
            remote_tag: invite.from_tag(),
            target: contact_of(invite)?,
            route: invite.values("Record-Route").map(str::to_owned).collect(),
            cseq: 0,
            remote_cseq: invite.cseq().ok()?.0,
            flow,
            pinned,
            contact: core.contact(&flow, user),
        })
    }

    /// The dialog that a response makes of a call of ours (§12.1.2).
    pub fn confirmed_by(&self, response: &Message) -> Self {
        let mut dialog = self.clone();
        dialog.remote = response.header("To").unwrap_or(&self.remote).into();
        dialog.remote_tag = response.to_tag();
        if let Some(target) = contact_of(response) {
            dialog.target = target;
        }
        let mut route: Vec<String> = response.values("Record-Route").map(str::to_owned).collect();
        route.reverse();
        dialog.route = route;
        dialog
    }

    /// Whether a request belongs to this dialog.
    pub fn owns(&self, request: &Message) -> bool {
        request.call_id() == self.call_id && request.from_tag() == self.remote_tag
    }

    /// The next request.
    pub fn request(&mut self, method: Method) -> Message {
        self.cseq += 1;
        let cseq = self.cseq;
        let mut request = self.numbered(method, cseq);
        if !matches!(method, Method::Bye) {
            request.push("Contact", self.contact.clone());
        }
        request
    }

    /// A request with the number of another: ACK has that of its INVITE.
    pub fn numbered(&self, method: Method, cseq: u32) -> Message {
        let mut request = Message::request(method, self.target.clone())
            .with("Max-Forwards", "70")
            .with("From", self.local.clone())
            .with("To", self.remote.clone())
            .with("Call-ID", self.call_id.clone())
            .with("CSeq", format!("{cseq} {}", method.name()));
        for route in &self.route {
            request.push("Route", route.clone());
        }
        request
    }

    /// The way of the next request: to the first route or the target if that is an address, else back where the other
    /// end's messages come from.
    pub fn way(&self, core: &Core) -> Flow {
        if self.pinned {
            return self.flow;
        }
        let next = match self.route.first() {
            Some(route) => Address::parse(route).map(|address| address.uri),
            None => Uri::parse(&self.target),
        };
        let Ok(uri) = next else {
            return self.flow;
        };
        let transport = match uri
            .params
            .get("transport")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("tcp") => Transport::Tcp,
            Some("tls") => Transport::Tls,
            Some("udp") | None => Transport::Udp,
            Some(_) => return self.flow,
        };
        // A connection that is there is better than one that would have to be made.
        let connected = core.streams.contains(&(self.flow.transport, self.flow.remote));
        if transport != self.flow.transport || connected {
            return self.flow;
        }
        let Ok(ip) = uri.host.parse() else {
            return self.flow;
        };
        let port = if transport == Transport::Tls { 5061 } else { 5060 };
        let remote = std::net::SocketAddr::new(ip, uri.port.unwrap_or(port));
        if remote.is_ipv4() != self.flow.local.is_ipv4() {
            return self.flow;
        }
        core.flow_to(transport, remote, Some(self.flow.local.ip()))
            .unwrap_or(self.flow)
    }

    /// Takes what a request of the other end changes.
    pub fn refreshed_by(&mut self, request: &Message, flow: Flow) {
        if matches!(request.method(), Some(Method::Invite | Method::Update))
            && let Some(target) = contact_of(request)
        {
            self.target = target;
        }
        if self.pinned {
            self.flow = flow;
        }
    }
}

pub(crate) fn contact_of(message: &Message) -> Option<String> {
    let contact = message.values("Contact").next()?;
    Address::parse(contact).ok().map(|address| address.raw_uri)
}
