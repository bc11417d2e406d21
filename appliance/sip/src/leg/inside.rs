//! Requests within a dialog, ours and the peer's: BYE, PRACK, and what changes the session.

use std::time::Duration;

use crate::api::{Event, Flow, Why};
use crate::client::Told;
use crate::core::Core;
use crate::message::{Message, Method};
use crate::session::{self, Session};

use super::{Leg, Offer, capabilities, response_of};

impl Leg {
    /// A request of the peer within this leg's dialog, or one of its early dialogs. Its transaction is `server`.
    pub fn on_request(&mut self, core: &mut Core, now: Duration, server: u64, request: &Message, flow: Flow) {
        let Some(method) = request.method() else { return };
        let own = self.dialog.as_ref().is_some_and(|dialog| dialog.owns(request));
        let dialog = if own {
            self.dialog.as_mut()
        } else {
            self.early_dialog(request)
        };
        let Some(dialog) = dialog else {
            reply(core, now, server, request, 481);
            return;
        };
        let number = request.cseq().map_or(0, |(number, _)| number);
        if number <= dialog.remote_cseq {
            // §12.2.2: out of order.
            reply(core, now, server, request, 500);
            return;
        }
        dialog.remote_cseq = number;
        dialog.refreshed_by(request, flow);
        match method {
            Method::Bye => self.on_bye(core, now, server, request),
            Method::Prack => {
                let status = self.on_prack(request);
                reply(core, now, server, request, status);
                if status == 200 {
                    self.after_prack(core, now);
                }
            }
            Method::Options => reply(core, now, server, request, 200),
            // Some phones send key presses so, beside RFC 4733 or instead. What we cannot use is not answered as if.
            Method::Info => {
                let status = if request.body.is_empty() { 200 } else { 415 };
                reply(core, now, server, request, status);
            }
            Method::Invite | Method::Update => self.on_change(core, now, server, request, method),
            _ => reply(core, now, server, request, 405),
        }
    }

    fn on_bye(&mut self, core: &mut Core, now: Duration, server: u64, bye: &Message) {
        reply(core, now, server, bye, 200);
        let cause = bye.q850();
        if self.inward.is_some() {
            // §15: a caller may end an early dialog so.
            self.refuse(core, now, 487, None);
            self.end(core, Why::Cancelled, cause);
            return;
        }
        match std::mem::replace(&mut self.offer, Offer::None) {
            Offer::Theirs { server, template, .. } => {
                core.respond(now, server, &response_of(&template, 487));
            }
            Offer::Ack { server, .. } => core.confirmed(now, server),
            Offer::None | Offer::Ours(_) => {}
        }
        self.bye_after_ack = None;
        if !self.answered {
            self.give_up_calls(core, now, None);
        }
        self.end(core, Why::HungUp, cause);
    }

    /// A re-INVITE or UPDATE: a refresh of the session, or other media.
    fn on_change(&mut self, core: &mut Core, now: Duration, server: u64, request: &Message, method: Method) {
        if !self.open {
            reply(core, now, server, request, 481);
            return;
        }
        if let Some(least) = session::too_short(&core.timers, request) {
            let response = core.response(request, 422).with("Min-SE", least.to_string());
            core.respond(now, server, &response);
            return;
        }
        let sdp = request.sdp();
        if !request.body.is_empty() && sdp.is_none() {
            reply(core, now, server, request, 415);
            return;
        }
        let mut template = Message::response(request, 200, "OK");
        for route in request.all("Record-Route") {
            template.push("Record-Route", route);
        }
        if let Some(dialog) = &self.dialog {
            template.push("Contact", dialog.contact.clone());
        }
        template.push("Server", core.product.clone());
        if method == Method::Update && sdp.is_none() {
            let mut response = template;
            capabilities(&mut response);
            let session = session::agree(&core.timers, now, request, &mut response);
            if self.answered {
                self.session = session;
            }
            core.respond(now, server, &response);
            return;
        }
        // RFC 3311 §5.2, RFC 3261 §14.2: one offer at a time.
        match self.offer {
            Offer::None if self.answered || self.inward.is_none() => {}
            Offer::Ours(_) => {
                reply(core, now, server, request, 491);
                return;
            }
            _ => {
                reply(core, now, server, request, 500);
                return;
            }
        }
        if method == Method::Invite {
            if !self.answered {
                reply(core, now, server, request, 500);
                return;
            }
            core.respond(
                now,
                server,
                &response_of(&Message::response(request, 100, "Trying"), 100),
            );
        }
        self.offer = Offer::Theirs {
            server,
            template,
            request: Box::new(request.clone()),
        };
        let leg = self.id;
        self.tell(core, Event::Offer { leg, sdp });
    }

    pub(super) fn answer_offer(&mut self, core: &mut Core, now: Duration, sdp: String) {
        if !matches!(self.offer, Offer::Theirs { .. }) {
            return;
        }
        let Offer::Theirs {
            server,
            template,
            request,
        } = std::mem::replace(&mut self.offer, Offer::None)
        else {
            return;
        };
        let mut response = template;
        capabilities(&mut response);
        let session = session::agree(&core.timers, now, &request, &mut response);
        if self.answered {
            self.session = session;
        }
        self.local_sdp.clone_from(&sdp);
        core.respond(now, server, &response.with_body("application/sdp", sdp));
        if request.method() == Some(Method::Invite) {
            self.offer = Offer::Ack {
                server,
                ours: request.body.is_empty(),
                cseq: request.cseq().map_or(0, |(number, _)| number),
            };
        }
    }

    pub(super) fn refuse_offer(&mut self, core: &mut Core, now: Duration, status: u16) {
        if let Offer::Theirs { server, template, .. } = &self.offer {
            core.respond(now, *server, &response_of(template, status));
            self.offer = Offer::None;
        }
    }

    /// Offers other media: by re-INVITE, which every peer takes.
    pub(super) fn make_offer(&mut self, core: &mut Core, now: Duration, sdp: String) {
        let leg = self.id;
        if !self.answered || !self.has_no_offer() {
            self.tell(core, Event::OfferRefused { leg, status: 491 });
            return;
        }
        let Some(dialog) = &mut self.dialog else { return };
        let mut request = dialog.request(Method::Invite);
        session::ask(&core.timers, &mut request, None);
        capabilities(&mut request);
        let request = request.with_body("application/sdp", sdp.clone());
        if let Some(client) = self.send_inside(core, now, request) {
            self.offer = Offer::Ours(client);
            self.local_sdp = sdp;
        }
    }

    /// The outcome of a request of ours within the dialog.
    pub(super) fn on_inside_response(
        &mut self,
        core: &mut Core,
        now: Duration,
        id: u64,
        told: &Told,
        response: &Message,
    ) {
        let status = response.status().unwrap_or_default();
        if told.method == Method::Invite && status < 300 {
            self.acknowledge_inside(core, now, id, response);
        }
        if !told.first {
            return;
        }
        if matches!(status, 401 | 407) && self.prove_inside(core, now, id, told.request.clone(), response) {
            return;
        }
        let refresh = self.refresh == Some(id);
        if refresh {
            self.refresh = None;
        }
        let mut offered = false;
        if matches!(self.offer, Offer::Ours(client) if client == id) {
            self.offer = Offer::None;
            offered = !refresh;
        }
        if matches!(told.method, Method::Bye | Method::Prack) || !self.open {
            return;
        }
        let leg = self.id;
        match status {
            200..300 => {
                if offered {
                    let sdp = response.sdp();
                    self.tell(core, Event::OfferAnswered { leg, sdp });
                }
                // An answer to OPTIONS has no word of the session: ask again in time.
                self.session = session::agreed(&core.timers, now, response);
            }
            // §12.2.1.2: the call is gone at the other end.
            408 | 481 => self.lost(core, now),
            _ => {
                if offered {
                    self.tell(core, Event::OfferRefused { leg, status });
                } else if told.method == Method::Update && matches!(status, 405 | 501) {
                    self.update = false;
                }
                if refresh {
                    // Somebody is there. 491: both at once, soon again (§14.1).
                    self.session = match (status, told.method) {
                        (491, _) => Session::Refresh(now + Duration::from_secs(3)),
                        (_, Method::Update) if !self.update => Session::Refresh(now),
                        _ => Session::Ask(now + core.timers.session / 2),
                    };
                }
            }
        }
    }

    fn acknowledge_inside(&mut self, core: &mut Core, now: Duration, id: u64, response: &Message) {
        let Some(dialog) = &mut self.dialog else { return };
        let Ok((cseq, _)) = response.cseq() else { return };
        if let Some(target) = crate::dialog::contact_of(response) {
            dialog.target = target;
        }
        let ack = dialog.numbered(Method::Ack, cseq);
        let way = dialog.way(core);
        let tag = dialog.remote_tag.clone();
        core.acknowledge(now, id, way, ack, tag);
    }

    /// Sends a challenged request once more, with proof.
    fn prove_inside(
        &mut self,
        core: &mut Core,
        now: Duration,
        id: u64,
        request: Option<Message>,
        challenge: &Message,
    ) -> bool {
        let (Some(mut request), Some(login), Some(dialog)) = (request, self.login.clone(), &mut self.dialog)
        else {
            return false;
        };
        if request.header("Authorization").is_some() || request.header("Proxy-Authorization").is_some() {
            return false;
        }
        let Some(method) = request.method() else {
            return false;
        };
        let cnonce = core.tokens.text();
        let Some((name, value)) = crate::digest::answer(
            challenge,
            &login.user,
            &login.secret,
            method.name(),
            request.uri(),
            &cnonce,
        ) else {
            return false;
        };
        dialog.cseq += 1;
        request.set("CSeq", format!("{} {}", dialog.cseq, method.name()));
        request
            .headers
            .retain(|(name, _)| name != "Via" && name != "User-Agent");
        request.push(name, value);
        let again = self.send_inside(core, now, request);
        if self.refresh == Some(id) {
            self.refresh = again;
        }
        if let (Offer::Ours(client), Some(again)) = (&mut self.offer, again)
            && *client == id
        {
            *client = again;
        }
        true
    }
}

fn reply(core: &mut Core, now: Duration, server: u64, request: &Message, status: u16) {
    let mut response = core.response(request, status);
    if status == 405 || request.method() == Some(Method::Options) {
        response.push("Allow", Method::ALLOWED);
    }
    if status == 500 || status == 491 {
        response.push("Retry-After", "1");
    }
    core.respond(now, server, &response);
}
