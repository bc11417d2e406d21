//! A SIP message (RFC 3261 §7): what is read of any bytes, and the same written again.
//!
//! Reading is strict where two readers could see two messages (framing, a header twice that may be there once), and
//! lenient where it harms nobody (line ends, folded lines, compact names, text that is not UTF-8).

mod address;
mod multipart;
mod parse;
mod write;

pub use address::{Address, Params, Uri, quoted, user_part};
pub use parse::{Framed, frame};
pub use write::phrase;

use std::borrow::Cow;

use crate::error::Malformed;

/// The largest message that is read or kept: a datagram can be no larger.
pub const MAX_MESSAGE: usize = 65_535;
/// The largest start line with all headers.
pub const MAX_HEAD: usize = 16_384;
/// The most headers of a message.
pub const MAX_HEADERS: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
    Prack,
    Update,
    Info,
    /// Anything else: refused, except that what it is called is needed for the refusal, which copies CSeq as it is.
    Other,
}

impl Method {
    pub const ALLOWED: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE";

    pub fn name(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Info => "INFO",
            Self::Other => "OTHER",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "REGISTER" => Self::Register,
            "OPTIONS" => Self::Options,
            "PRACK" => Self::Prack,
            "UPDATE" => Self::Update,
            "INFO" => Self::Info,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    Request {
        method: Method,
        name: Cow<'static, str>,
        uri: String,
    },
    Response {
        status: u16,
        phrase: String,
    },
}

/// A message, with its headers in order. Names are in their long form, one value is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub start: Start,
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn request(method: Method, uri: impl Into<String>) -> Self {
        Self {
            start: Start::Request {
                method,
                name: method.name().into(),
                uri: uri.into(),
            },
            headers: Vec::with_capacity(16),
            body: Vec::new(),
        }
    }

    /// The response to a request, with what §8.2.6.2 copies.
    pub fn response(request: &Message, status: u16, phrase: &str) -> Self {
        let mut headers = Vec::with_capacity(12);
        for (name, value) in &request.headers {
            if matches!(name.as_ref(), "Via" | "From" | "To" | "Call-ID" | "CSeq") {
                headers.push((name.clone(), value.clone()));
            }
        }
        Self {
            start: Start::Response {
                status,
                phrase: phrase.into(),
            },
            headers,
            body: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    #[must_use]
    pub fn with_body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.push("Content-Type", kind);
        self.body = body.into();
        self
    }

    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.headers.push((name.into(), value.into()));
    }

    /// Sets a header that is there once.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        if let Some((_, old)) = self.headers.iter_mut().find(|(known, _)| known == name) {
            *old = value.into();
        } else {
            self.push(name, value);
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Every header of this name, in order, one value a line as it came.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The values of a header that may be a list, over all its lines.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.all(name).flat_map(parse::split_list)
    }

    /// Whether a list of tokens, such as Supported, has this one.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    pub fn method(&self) -> Option<Method> {
        match &self.start {
            Start::Request { method, .. } => Some(*method),
            Start::Response { .. } => None,
        }
    }

    pub fn status(&self) -> Option<u16> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    pub fn uri(&self) -> &str {
        match &self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => "",
        }
    }

    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> Result<(u32, Method), Malformed> {
        let value = self.header("CSeq").ok_or(Malformed::Missing("CSeq"))?;
        let (number, method) = value.split_once([' ', '\t']).ok_or(Malformed::Header("CSeq"))?;
        let number = number.parse().map_err(|_| Malformed::Header("CSeq"))?;
        // §8.1.1.5: less than 2**31.
        if number >= 1 << 31 {
            return Err(Malformed::Header("CSeq"));
        }
        Ok((number, Method::of(method.trim())))
    }

    pub fn from(&self) -> Result<Address, Malformed> {
        Address::parse(self.header("From").ok_or(Malformed::Missing("From"))?)
    }

    pub fn to(&self) -> Result<Address, Malformed> {
        Address::parse(self.header("To").ok_or(Malformed::Missing("To"))?)
    }

    pub fn from_tag(&self) -> Option<String> {
        self.from().ok()?.params.take("tag")
    }

    pub fn to_tag(&self) -> Option<String> {
        self.to().ok()?.params.take("tag")
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, Malformed> {
        let top = self.values("Via").next().ok_or(Malformed::Missing("Via"))?;
        Via::parse(top)
    }

    /// The session description: the body as text, or that of several parts which is one.
    pub fn sdp(&self) -> Option<String> {
        if self.body.is_empty() {
            return None;
        }
        let kind = self.header("Content-Type").unwrap_or_default();
        let (kind, params) = kind.split_once(';').unwrap_or((kind, ""));
        let kind = kind.trim().to_ascii_lowercase();
        if kind.starts_with("multipart/") {
            return multipart::sdp(params, &self.body);
        }
        if kind != "application/sdp" {
            return None;
        }
        String::from_utf8(self.body.clone()).ok()
    }

    /// Seconds in a header such as Expires, and what follows a semicolon.
    pub fn seconds(&self, name: &str) -> Option<(u32, Params)> {
        let value = self.header(name)?;
        let (number, params) = value.split_once(';').unwrap_or((value, ""));
        Some((number.trim().parse().ok()?, Params::parse(params)))
    }

    /// The cause by Q.850 in a Reason header (RFC 3326).
    pub fn q850(&self) -> Option<u8> {
        self.values("Reason").find_map(|value| {
            let (protocol, params) = value.split_once(';')?;
            if !protocol.trim().eq_ignore_ascii_case("Q.850") {
                return None;
            }
            let cause: u8 = Params::parse(params).get("cause")?.trim().parse().ok()?;
            (cause < 128).then_some(cause)
        })
    }
}

/// A Via header: where the answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    pub transport: String,
    pub host: String,
    pub port: Option<u16>,
    pub params: Params,
}

impl Via {
    fn parse(value: &str) -> Result<Self, Malformed> {
        const BAD: Malformed = Malformed::Header("Via");
        let (protocol, rest) = value.trim().split_once([' ', '\t']).ok_or(BAD)?;
        let transport = protocol.rsplit('/').next().unwrap_or_default().trim();
        let (sent_by, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = address::host_and_port(sent_by.trim()).ok_or(BAD)?;
        Ok(Self {
            transport: transport.to_ascii_uppercase(),
            host,
            port,
            params: Params::parse(params),
        })
    }

    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }
}

#[cfg(test)]
mod tests;
