//! What two ends agree on about audio: offers and answers (RFC 3264) in session descriptions (RFC 8866).
//!
//! The policy is short. Audio is G.711 over RTP/AVP, A-law before µ-law, 20 ms in a packet unless the peer asks for
//! something else, push buttons as RFC 4733 has them if both can. Of several media in an offer the first audio that suits
//! is taken; the others are refused in the answer, each in its place. An answer names one codec. Hold is `sendonly` or
//! `inactive`, or the address 0.0.0.0 of old (RFC 3264 §8.4). What does not suit is refused with the reason.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sdp_types::{Attribute, Connection, Media, Origin, Session, Time};

use crate::SdpError;
use crate::g711::Codec;

/// No honest description is longer.
const LONGEST: usize = 16 * 1024;
/// The payload type of events in our offers: what most of the world uses.
const EVENTS: u8 = 101;
/// Milliseconds of audio in a packet, unless the peer asks for something else.
const PTIME: u8 = 20;
const AUDIO: &str = "audio";
const PROTOCOL: &str = "RTP/AVP";

/// Which way audio goes, as seen from the one who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same, as seen from the other end.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.name().eq_ignore_ascii_case(name))
    }
}

/// Our end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Where RTP is to be sent; RTCP is the port above.
    pub address: SocketAddr,
    /// The same for all descriptions of a call.
    pub session: u64,
    /// One more with each description that differs from the one before.
    pub version: u64,
    /// What we want to do.
    pub direction: Direction,
}

/// What both ends have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Where RTP is to go. The unspecified address if nothing is to go anywhere.
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    /// What is sent. What comes may be either codec.
    pub codec: Codec,
    /// Payload type of events that are sent, if the peer takes them.
    pub events_out: Option<u8>,
    /// Payload type of events that come.
    pub events_in: Option<u8>,
    /// Milliseconds of audio in a packet that is sent.
    pub ptime: u8,
    /// Which way audio goes, seen from us.
    pub direction: Direction,
}

/// What a peer's description says of the audio that suits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Audio {
    /// Place among the media.
    place: usize,
    rtp: SocketAddr,
    rtcp: SocketAddr,
    codec: Codec,
    events: Option<u8>,
    ptime: u8,
    /// Seen from the peer.
    direction: Direction,
}

/// Our offer.
pub fn offer(local: &Local) -> String {
    let formats = [
        (Codec::Pcma.payload_type(), Codec::Pcma.name()),
        (Codec::Pcmu.payload_type(), Codec::Pcmu.name()),
    ];
    write(
        local,
        vec![describe(
            local.address.port(),
            &formats,
            Some(EVENTS),
            PTIME,
            local.direction,
        )],
    )
}

/// Our next offer in a call, after a description of ours: with as many media as that, because what was refused once keeps
/// its place (RFC 3264 §8).
pub fn offer_again(local: &Local, ours: &str) -> Result<String, SdpError> {
    let mut session = parse(ours.as_bytes())?;
    let audio = session.medias.iter().position(|media| media.port != 0);
    let offered = parse(offer(local).as_bytes())?.medias.pop();
    match (audio, offered) {
        (Some(place), Some(offered)) => session.medias[place] = offered,
        _ => return Err(SdpError::NoAudio),
    }
    Ok(write(local, session.medias))
}

/// What the answer to our offer agrees on. `local` is what was offered.
pub fn accept(local: &Local, answer: &[u8]) -> Result<Agreed, SdpError> {
    let session = parse(answer)?;
    let audio = choose(&session, false).map_err(|error| match error {
        SdpError::NoAudio if session.medias.iter().any(is_audio) => SdpError::AudioRefused,
        error => error,
    })?;
    Ok(agree(local, &audio, EVENTS))
}

/// The answer to an offer, and what it agrees on.
pub fn answer(local: &Local, offer: &[u8]) -> Result<(String, Agreed), SdpError> {
    let session = parse(offer)?;
    let audio = choose(&session, true)?;
    let agreed = agree(local, &audio, audio.events.unwrap_or(EVENTS));
    let formats = [(audio.codec.payload_type(), audio.codec.name())];
    let medias = session.medias.into_iter().enumerate().map(|(place, media)| {
        if place == audio.place {
            describe(
                local.address.port(),
                &formats,
                audio.events,
                audio.ptime,
                agreed.direction,
            )
        } else {
            refuse(media)
        }
    });
    Ok((write(local, medias.collect()), agreed))
}

fn agree(local: &Local, audio: &Audio, events_in: u8) -> Agreed {
    Agreed {
        rtp: audio.rtp,
        rtcp: audio.rtcp,
        codec: audio.codec,
        events_out: audio.events,
        events_in: audio.events.map(|_| events_in),
        ptime: audio.ptime,
        direction: local.direction.and(audio.direction.reversed()),
    }
}

fn parse(description: &[u8]) -> Result<Session, SdpError> {
    if description.len() > LONGEST {
        return Err(SdpError::TooLong(description.len()));
    }
    Session::parse(description).map_err(|error| SdpError::Syntax(error.to_string()))
}

/// The first audio that suits, or why the first does not.
fn choose(session: &Session, is_offer: bool) -> Result<Audio, SdpError> {
    let mut reason = None;
    for (place, media) in session.medias.iter().enumerate() {
        if !is_audio(media) || media.port == 0 {
            continue;
        }
        match read(session, place, media, is_offer) {
            Ok(audio) => return Ok(audio),
            Err(error) => reason = reason.or(Some(error)),
        }
    }
    Err(reason.unwrap_or(SdpError::NoAudio))
}

fn is_audio(media: &Media) -> bool {
    media.media.eq_ignore_ascii_case(AUDIO)
}

/// Reads one audio. Of an offer A-law is preferred, of an answer what the peer prefers.
fn read(session: &Session, place: usize, media: &Media, is_offer: bool) -> Result<Audio, SdpError> {
    if !media.proto.eq_ignore_ascii_case(PROTOCOL) {
        return Err(SdpError::Protocol(media.proto.clone()));
    }
    let formats: Vec<u8> = media
        .fmt
        .split_ascii_whitespace()
        .filter_map(|format| format.parse().ok())
        .collect();
    let codecs: Vec<Codec> = formats
        .iter()
        .filter_map(|format| codec(media, *format))
        .collect();
    let preferred = codecs.iter().find(|codec| is_offer && **codec == Codec::Pcma);
    let codec = *preferred
        .or(codecs.first())
        .ok_or_else(|| SdpError::Codec(names(media)))?;
    let events = formats.iter().copied().find(|format| {
        *format < 128
            && mapped(media, *format).is_some_and(|name| name.eq_ignore_ascii_case("telephone-event/8000"))
    });

    let connection = media.connections.first().or(session.connection.as_ref());
    let ip = address(connection)?;
    let rtp = SocketAddr::new(ip, media.port);
    let said = value(session, media, Direction::of_name);
    let direction = match said.unwrap_or(Direction::SendRecv) {
        said if ip.is_unspecified() => said.and(Direction::SendOnly),
        said => said,
    };
    Ok(Audio {
        place,
        rtp,
        rtcp: rtcp(media, rtp),
        codec,
        events,
        ptime: ptime(session, media),
        direction,
    })
}

/// The name and rate that a payload type stands for, if the description says.
fn mapped(media: &Media, format: u8) -> Option<&str> {
    let maps = media
        .attributes
        .iter()
        .filter(|attribute| attribute.attribute.eq_ignore_ascii_case("rtpmap"));
    maps.filter_map(|attribute| attribute.value.as_deref()?.split_once(' '))
        .find(|(number, _)| number.parse() == Ok(format))
        .map(|(_, name)| name.trim())
}

fn codec(media: &Media, format: u8) -> Option<Codec> {
    let codec = Codec::of_payload_type(format)?;
    let Some(name) = mapped(media, format) else {
        return Some(codec);
    };
    let (name, rate) = name.split_once('/')?;
    (name.eq_ignore_ascii_case(codec.name()) && matches!(rate, "8000" | "8000/1")).then_some(codec)
}

/// What a peer offered instead, for the reason.
fn names(media: &Media) -> String {
    let names = media.fmt.split_ascii_whitespace().take(8).map(|format| {
        let name = format.parse().ok().and_then(|format| mapped(media, format));
        name.unwrap_or(format)
            .chars()
            .filter(|c| !c.is_control())
            .take(32)
            .collect::<String>()
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The first attribute that `read` understands: of the media, else of the session.
fn value<T>(session: &Session, media: &Media, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut attributes = media.attributes.iter().chain(&session.attributes);
    attributes.find_map(|attribute| read(&attribute.attribute))
}

fn address(connection: Option<&Connection>) -> Result<IpAddr, SdpError> {
    let said = connection.map_or("none", |connection| connection.connection_address.as_str());
    let ip: IpAddr = said
        .parse()
        .map_err(|_| SdpError::Address(said.chars().take(64).collect()))?;
    if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(SdpError::Address(said.to_owned()));
    }
    Ok(ip)
}

/// RTCP goes to the port above, unless the description says another (RFC 3605).
fn rtcp(media: &Media, rtp: SocketAddr) -> SocketAddr {
    let above = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    let Some(Some(said)) = media.get_first_attribute_value("rtcp") else {
        return above;
    };
    let mut words = said.split_ascii_whitespace();
    let Some(port) = words
        .next()
        .and_then(|port| port.parse().ok())
        .filter(|port| *port != 0)
    else {
        return above;
    };
    let ip = words
        .nth(2)
        .and_then(|ip| ip.parse().ok())
        .filter(|ip: &IpAddr| !ip.is_multicast());
    SocketAddr::new(ip.unwrap_or(rtp.ip()), port)
}

/// What the peer asks for, if it is tens of milliseconds up to 60; else 20.
fn ptime(session: &Session, media: &Media) -> u8 {
    let said = |name| {
        let value = media
            .get_first_attribute_value(name)
            .or_else(|| session.get_first_attribute_value(name))?;
        value?.trim().parse::<u8>().ok()
    };
    let longest = said("maxptime").unwrap_or(60).clamp(10, 60);
    let asked = said("ptime").filter(|ptime| ptime % 10 == 0 && (10..=60).contains(ptime));
    asked.unwrap_or(PTIME).min(longest / 10 * 10)
}

fn describe(port: u16, codecs: &[(u8, &str)], events: Option<u8>, ptime: u8, direction: Direction) -> Media {
    let mut formats: Vec<String> = codecs.iter().map(|(format, _)| format.to_string()).collect();
    let mut attributes: Vec<Attribute> = codecs
        .iter()
        .map(|(format, name)| Attribute::with_value("rtpmap", format!("{format} {name}/8000")))
        .collect();
    if let Some(events) = events {
        formats.push(events.to_string());
        attributes.push(Attribute::with_value(
            "rtpmap",
            format!("{events} telephone-event/8000"),
        ));
        attributes.push(Attribute::with_value("fmtp", format!("{events} 0-15")));
    }
    attributes.push(Attribute::with_value("ptime", ptime));
    attributes.push(Attribute::new(direction.name()));
    Media {
        attributes,
        ..media(AUDIO, port, PROTOCOL, formats.join(" "))
    }
}

/// The same media with port 0, which refuses it (RFC 3264 §6).
fn refuse(refused: Media) -> Media {
    media(&refused.media, 0, &refused.proto, refused.fmt)
}

fn media(media: &str, port: u16, proto: &str, fmt: String) -> Media {
    Media {
        media: media.to_owned(),
        port,
        num_ports: None,
        proto: proto.to_owned(),
        fmt,
        media_title: None,
        connections: vec![],
        bandwidths: vec![],
        key: None,
        attributes: vec![],
    }
}

fn write(local: &Local, medias: Vec<Media>) -> String {
    let ip = local.address.ip();
    let mut session = Session::new(Origin::with_ip_addr(local.session, local.version, ip), "-");
    session.connection = Some(Connection::from_ip_addr(ip));
    session.times = vec![Time::new(0, 0)];
    session.medias = medias;
    let mut description = Vec::new();
    // Writing into memory does not fail, and what is written is text.
    let _ = session.write(&mut description);
    String::from_utf8_lossy(&description).into_owned()
}
