//! One RTP session: everything between a peer's datagrams and what the exchange wants to know, without IO.
//!
//! Datagrams and time come in; what is to be sent, and [`Event`]s, go out. A session does not know what its audio is
//! bridged with: what it has taken ([`Taken`]) is given to another session to send ([`Session::pass`]), or played into a
//! channel ([`Taken::audio`]).

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use crate::Refused;
use crate::event::{Press, Recogniser, Sender};
use crate::g711::Codec;
use crate::outgoing::Outgoing;
use crate::reception::{Loss, Place, Reception};
use crate::rtcp::{self, AboutUs, OurSent, Report};
use crate::rtp::{self, HEAD, Packet};
use crate::sdp::Agreed;
use crate::source::Source;
use crate::statistics::{PeerReport, Statistics};
use crate::taken::{Kind, Taken, tones};
use crate::tone::{self, Player, Tone};
use crate::watch::{Notice, Watch};

/// Comfort noise (RFC 3389).
const COMFORT_NOISE: u8 = 13;
/// From one report to the next (RFC 3550 §6.2: never less).
const BETWEEN_REPORTS: Duration = Duration::from_secs(5);
/// What we make ourselves goes out in packets of 20 ms.
pub const STEP: Duration = Duration::from_millis(20);
/// Samples in 20 ms.
const SAMPLES: usize = 160;

/// What happens in a session that the exchange wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer has pressed a button.
    Pressed(Press),
    /// Audio goes one way only, or both again.
    Noticed(Notice),
}

/// Random numbers of a session (RFC 3550 §5.1, RFC 7022).
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub name: u64,
}

#[derive(Debug)]
pub struct Session {
    name: String,
    /// Time since 1970 when the clock of all calls here was 0.
    epoch: Duration,
    agreed: Option<Agreed>,
    source: Option<Source>,
    stream: u32,
    reception: Option<(u32, Reception)>,
    recogniser: Recogniser,
    outgoing: Outgoing,
    presses: Sender,
    /// Timestamp of the press that is being sent.
    pressed_at: u32,
    tone: Option<Player>,
    /// When the next 20 ms of our own are due.
    due: Option<Duration>,
    watch: Watch,
    next_report: Duration,
    /// The peer's last report of its own stream: its time there and here, its packets, and ours of it by then.
    peer_sent: Option<(u32, Duration, u32, u32)>,
    peer_report: Option<PeerReport>,
    /// Where the peer's reports come from, if it is the peer.
    reports_from: Option<SocketAddr>,
    refused: u64,
    /// Packets of streams before this one.
    received_before: u64,
    lost_before: u64,
}

impl Session {
    pub fn new(seed: Seed, epoch: Duration) -> Self {
        Self {
            name: format!("{:016x}", seed.name),
            epoch,
            agreed: None,
            source: None,
            stream: 0,
            reception: None,
            recogniser: Recogniser::default(),
            outgoing: Outgoing::new(seed.ssrc, seed.sequence, seed.timestamp),
            presses: Sender::default(),
            pressed_at: 0,
            tone: None,
            due: None,
            watch: Watch::default(),
            next_report: Duration::ZERO,
            peer_sent: None,
            peer_report: None,
            reports_from: None,
            refused: 0,
            received_before: 0,
            lost_before: 0,
        }
    }

    /// Something has been agreed on, or something else.
    pub fn agree(&mut self, now: Duration, agreed: Agreed) {
        match &mut self.source {
            Some(source) => source.agree(agreed.rtp),
            None => self.source = Some(Source::new(agreed.rtp)),
        }
        if self.agreed.is_none() {
            // Soon, so that a peer that does not hear us is noticed soon.
            self.next_report = now + BETWEEN_REPORTS / 2;
        }
        if self.agreed.is_some_and(|before| before.rtcp != agreed.rtcp) {
            self.reports_from = None;
        }
        self.watch.expect(now, agreed.direction.receives());
        self.agreed = Some(agreed);
    }

    pub fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// Milliseconds of audio in a packet that is sent.
    pub fn ptime(&self) -> u8 {
        self.agreed.map_or(20, |agreed| agreed.ptime)
    }

    /// Takes a datagram from the RTP port.
    pub fn receive(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) -> Result<Taken, Refused> {
        let taken = self.take(now, from, datagram);
        self.refused += u64::from(taken.is_err());
        taken
    }

    fn take(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) -> Result<Taken, Refused> {
        let packet = rtp::parse(datagram)?;
        let (agreed, source) = match (&self.agreed, &mut self.source) {
            (Some(agreed), Some(source)) if agreed.direction.receives() => (agreed, source),
            _ => return Err(Refused::NotExpected),
        };
        let is_event = agreed.events_in == Some(packet.payload_type);
        let codec = Codec::of_payload_type(packet.payload_type);
        if !is_event && codec.is_none() && packet.payload_type != COMFORT_NOISE {
            return Err(Refused::PayloadType);
        }
        // Our own stream, sent back to us, is nobody's.
        if packet.ssrc == self.outgoing.ssrc() || !source.accept(now, from, packet.ssrc, packet.sequence) {
            return Err(Refused::Source);
        }
        let place = match &mut self.reception {
            Some((ssrc, reception)) if *ssrc == packet.ssrc => {
                reception.receive(now, packet.sequence, packet.timestamp)
            }
            _ => Place::Anew,
        };
        match place {
            Place::Next | Place::Back => {}
            Place::Far => return Err(Refused::Sequence),
            Place::Anew => self.begin_stream(now, &packet),
        }
        let kind = match codec {
            _ if is_event => {
                let payload = &datagram[packet.payload.clone()];
                Kind::Event(self.recogniser.receive(now, packet.timestamp, payload))
            }
            Some(codec) => Kind::Audio(codec),
            None => Kind::ComfortNoise,
        };
        self.watch.heard(now, kind == Kind::ComfortNoise);
        Ok(Taken {
            stream: self.stream,
            packet,
            kind,
        })
    }

    fn begin_stream(&mut self, now: Duration, first: &Packet) {
        if let Some((_, before)) = &self.reception {
            self.received_before += u64::from(before.received());
            self.lost_before += u64::from(before.lost());
        }
        let mut reception = Reception::new(first.sequence);
        let _ = reception.receive(now, first.sequence, first.timestamp);
        self.reception = Some((first.ssrc, reception));
        self.stream = self.stream.wrapping_add(1);
        self.recogniser = Recogniser::default();
        self.peer_sent = None;
    }

    /// Where packets go now, if any may.
    fn destination(&self) -> Option<(SocketAddr, &Agreed)> {
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.direction.sends())?;
        let address = self.source.as_ref()?.address();
        let somewhere = address.port() != 0 && !address.ip().is_unspecified();
        somewhere.then_some((address, agreed))
    }

    /// What is passed on comes from elsewhere now, or is nothing for a while.
    pub fn cut(&mut self) {
        self.outgoing.cut();
    }

    /// Makes of what another session has taken a packet to this one's peer, in place. Gives where it lies and where it
    /// is to go; nothing if it is not to go.
    pub fn pass(
        &mut self,
        now: Duration,
        taken: &Taken,
        datagram: &mut [u8],
    ) -> Option<(SocketAddr, Range<usize>)> {
        if self.makes_its_own() {
            return None;
        }
        let (address, agreed) = self.destination()?;
        let (codec, events) = (agreed.codec, agreed.events_out);
        let mut packet = taken.packet.clone();
        match (taken.kind, events) {
            (Kind::Audio(from), _) => {
                from.convert(codec, &mut datagram[packet.payload.clone()]);
                packet.payload_type = codec.payload_type();
            }
            (Kind::Event(_), Some(events)) => packet.payload_type = events,
            (Kind::Event(Some(part)), None) => {
                let mut space = [0; 800];
                let (timestamp, audio) = tones(part, &mut space);
                Codec::Pcma.convert(codec, audio);
                packet.payload.end = packet.payload.start + audio.len();
                datagram.get_mut(packet.payload.clone())?.copy_from_slice(audio);
                packet.timestamp = timestamp;
                packet.payload_type = codec.payload_type();
            }
            (Kind::Event(None), None) | (Kind::ComfortNoise, _) => return None,
        }
        let head = self.outgoing.pass(now, taken.stream, &packet);
        self.watch.sent(now);
        let start = head.payload.start - HEAD;
        rtp::write_head(&head, &mut datagram[start..head.payload.start]);
        Some((address, start..head.payload.end))
    }

    /// Makes a packet of A-law audio, and writes it. Gives where to.
    pub fn send(&mut self, now: Duration, audio: &[u8], datagram: &mut Vec<u8>) -> Option<SocketAddr> {
        if self.makes_its_own() {
            return None;
        }
        self.write(now, audio, datagram)
    }

    /// Leaves out time of what [`Session::send`] sends.
    pub fn skip(&mut self, now: Duration, samples: u32) {
        self.outgoing.skip(now, samples);
    }

    fn write(&mut self, now: Duration, audio: &[u8], datagram: &mut Vec<u8>) -> Option<SocketAddr> {
        let (address, agreed) = self.destination()?;
        let codec = agreed.codec;
        let samples = u32::try_from(audio.len()).unwrap_or(0);
        let head = self.outgoing.own(now, codec.payload_type(), audio.len(), samples);
        self.watch.sent(now);
        put(&head, audio, datagram);
        Codec::Pcma.convert(codec, &mut datagram[HEAD..]);
        Some(address)
    }

    /// Plays a tone to the peer instead of what is bridged, or no longer.
    pub fn play(&mut self, now: Duration, tone: Option<Tone>) {
        self.tone = tone.map(Player::new);
        self.own_changed(now);
    }

    /// Presses a button, after those that wait, instead of what is bridged. False if that cannot be.
    pub fn press(&mut self, now: Duration, button: char, duration: Duration) -> bool {
        let taken = self.presses.press(button, duration);
        self.own_changed(now);
        taken
    }

    fn own_changed(&mut self, now: Duration) {
        if !self.makes_its_own() {
            self.due = None;
            self.cut();
        } else if self.due.is_none() {
            self.due = Some(now);
        }
    }

    fn makes_its_own(&self) -> bool {
        self.tone.is_some() || self.presses.is_busy()
    }

    /// When the next 20 ms of our own are due.
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Writes the next 20 ms of our own. Gives where to, if anything is to go.
    pub fn make(&mut self, now: Duration, datagram: &mut Vec<u8>) -> Option<SocketAddr> {
        let due = self.due?;
        // Who was kept from it for long does not make up for it.
        self.due = Some(if now > due + 10 * STEP { now } else { due } + STEP);
        let address = self.make_step(now, datagram);
        self.own_changed(now);
        address
    }

    fn make_step(&mut self, now: Duration, datagram: &mut Vec<u8>) -> Option<SocketAddr> {
        let mut audio = [0; SAMPLES];
        if !self.presses.is_busy() {
            self.tone.as_mut()?.play(&mut audio);
            return self.write(now, &audio, datagram);
        }
        let Some(step) = self.presses.step() else {
            self.skip(now, 160);
            return None;
        };
        let (address, agreed) = self.destination()?;
        let Some(events) = agreed.events_out else {
            if step.ended {
                self.skip(now, 160);
                return None;
            }
            tone::button(step.button, step.from, &mut audio);
            return self.write(now, &audio, datagram);
        };
        let head = self.outgoing.own(now, events, step.payload.len(), 160);
        if step.first {
            self.pressed_at = head.timestamp;
        }
        self.watch.sent(now);
        put(
            &Packet {
                marker: step.first,
                timestamp: self.pressed_at,
                ..head
            },
            &step.payload,
            datagram,
        );
        Some(address)
    }

    /// Takes a datagram from the RTCP port.
    pub fn receive_report(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), Refused> {
        let taken = self.take_report(now, from, datagram);
        self.refused += u64::from(taken.is_err());
        taken
    }

    fn take_report(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) -> Result<(), Refused> {
        let source = self.source.as_ref().ok_or(Refused::NotExpected)?;
        let agreed = self.agreed.as_ref().ok_or(Refused::NotExpected)?;
        if from.ip() != source.address().ip() && from != agreed.rtcp {
            return Err(Refused::Source);
        }
        let heard = rtcp::parse(datagram, self.outgoing.ssrc())?;
        let received = match &self.reception {
            Some((ssrc, _)) if *ssrc != heard.ssrc => return Err(Refused::NotRtcp),
            Some((_, reception)) => reception.received(),
            None => 0,
        };
        self.reports_from = Some(from);
        let hidden = heard.sent.map(|sent| {
            let before = self.peer_sent.replace((sent.time, now, sent.packets, received));
            let (_, _, packets, ours) = before.unwrap_or((0, now, 0, 0));
            sent.packets
                .wrapping_sub(packets)
                .saturating_sub(received.wrapping_sub(ours))
        });
        let about_us = heard.about_us.map(|about| {
            self.peer_report = Some(PeerReport {
                lost: about.loss.cumulative,
                fraction_lost: about.loss.fraction,
                jitter: rtcp::jitter(about.loss.jitter),
                round_trip: rtcp::round_trip(rtcp::middle(self.ntp(now)), about),
            });
            (about.loss.highest, self.outgoing.packets())
        });
        self.watch.reported(now, hidden, about_us);
        Ok(())
    }

    fn ntp(&self, now: Duration) -> u64 {
        rtcp::ntp(self.epoch + now)
    }

    /// What is due besides audio: looks after presses and silence, and gives a report to send, and where to.
    pub fn look_after(&mut self, now: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        self.recogniser.check(now);
        self.watch.check(now);
        if now < self.next_report {
            return None;
        }
        self.next_report = now + BETWEEN_REPORTS;
        self.report(now, false)
    }

    /// A report to send, and where to; the last one of a session says so.
    pub fn report(&mut self, now: Duration, bye: bool) -> Option<(SocketAddr, Vec<u8>)> {
        let address = self.reports_from.unwrap_or(self.agreed?.rtcp);
        if address.ip().is_unspecified() || self.agreed?.rtp.ip().is_unspecified() {
            return None;
        }
        let sends = self
            .outgoing
            .last()
            .is_some_and(|last| now <= last + 2 * BETWEEN_REPORTS);
        let sent = sends.then(|| OurSent {
            ntp: self.ntp(now),
            timestamp: self.outgoing.timestamp(now),
            packets: self.outgoing.packets(),
            octets: self.outgoing.octets(),
        });
        let (last_report, since) = self.peer_sent.map_or((0, 0), |(time, at, ..)| {
            (time, rtcp::short(now.saturating_sub(at)))
        });
        let about = self.reception.as_mut().map(|(ssrc, reception)| {
            let loss: Loss = reception.report();
            (
                *ssrc,
                AboutUs {
                    loss,
                    last_report,
                    since,
                },
            )
        });
        let report = Report {
            ssrc: self.outgoing.ssrc(),
            name: &self.name,
            sent,
            about,
            bye,
        };
        Some((address, rtcp::write(&report)))
    }

    /// What has happened that the exchange wants to know.
    pub fn take_events(&mut self) -> impl Iterator<Item = Event> {
        let notices = self.watch.take().map(Event::Noticed);
        std::iter::from_fn(|| self.recogniser.poll_press())
            .map(Event::Pressed)
            .chain(notices)
    }

    pub fn statistics(&self) -> Statistics {
        let reception = self.reception.as_ref().map(|(_, reception)| reception);
        Statistics {
            received: self.received_before + reception.map_or(0, |reception| u64::from(reception.received())),
            lost: self.lost_before + reception.map_or(0, |reception| u64::from(reception.lost())),
            jitter: reception.map_or(Duration::ZERO, Reception::jitter),
            refused: self.refused,
            sent: u64::from(self.outgoing.packets()),
            unsent: 0,
            peer: self.peer_report,
            buffer: None,
            from: self.source.as_ref().map(Source::address),
        }
    }
}

/// Writes a packet.
fn put(head: &Packet, payload: &[u8], datagram: &mut Vec<u8>) {
    datagram.clear();
    datagram.resize(HEAD, 0);
    rtp::write_head(head, datagram);
    datagram.extend_from_slice(payload);
}
