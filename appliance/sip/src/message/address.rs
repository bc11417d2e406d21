//! Addresses: `"Name" <sip:user@host:port;param>;param` (RFC 3261 §20.10, §25.1).

use std::fmt::Write as _;

use crate::error::Malformed;

use super::parse::split_outside;

/// Parameters, in order: `;name=value;flag`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Reads what follows the first semicolon.
    pub fn parse(text: &str) -> Self {
        Self::split(text, ';')
    }

    /// Reads a list with commas, as credentials and challenges have it.
    pub fn parse_list(text: &str) -> Self {
        Self::split(text, ',')
    }

    fn split(text: &str, at: char) -> Self {
        Self(
            split_outside(text, at)
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| match part.split_once('=') {
                    Some((name, value)) => (name.trim().into(), Some(unquote(value.trim()))),
                    None => (part.into(), None),
                })
                .collect(),
        )
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value.as_deref())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    pub(crate) fn take(mut self, name: &str) -> Option<String> {
        let at = self
            .0
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name))?;
        self.0.swap_remove(at).1
    }
}

/// The address in a URI: `sip:`, `sips:` or `tel:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// Number or name before the @, without its own parameters and password, percent signs resolved.
    pub user: String,
    pub host: String,
    pub port: Option<u16>,
    pub params: Params,
}

impl Uri {
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        const BAD: Malformed = Malformed::Uri;
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').ok_or(BAD)?;
        if scheme.eq_ignore_ascii_case("tel") {
            let (user, params) = rest.split_once(';').unwrap_or((rest, ""));
            if user.is_empty() {
                return Err(BAD);
            }
            return Ok(Self {
                user: user.into(),
                host: String::new(),
                port: None,
                params: Params::parse(params),
            });
        }
        if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
            return Err(BAD);
        }
        // A user part may hold ; and ?, so the @ is looked for first.
        let (user, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let user = user.split([';', ':']).next().unwrap_or_default();
        let rest = rest.split('?').next().unwrap_or_default();
        let (host, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = host_and_port(host).ok_or(BAD)?;
        Ok(Self {
            user: percent_decoded(user).ok_or(BAD)?,
            host,
            port,
            params: Params::parse(params),
        })
    }
}

/// A URI with the name and the parameters that a header gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub display: Option<String>,
    /// As it was written: it is sent back in the same form.
    pub raw_uri: String,
    pub uri: Uri,
    pub params: Params,
}

impl Address {
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        if let Some(open) = outside_quotes(text, '<') {
            let close = text[open..].find('>').ok_or(Malformed::Uri)? + open;
            let display = unquote(text[..open].trim());
            let raw_uri = text[open + 1..close].trim().to_owned();
            let params = text[close + 1..].trim_start().strip_prefix(';').unwrap_or("");
            return Ok(Self {
                display: (!display.is_empty()).then_some(display),
                uri: Uri::parse(&raw_uri)?,
                raw_uri,
                params: Params::parse(params),
            });
        }
        // Without brackets, parameters belong to the header (§20.10).
        let (raw_uri, params) = text.split_once(';').unwrap_or((text, ""));
        Ok(Self {
            display: None,
            uri: Uri::parse(raw_uri)?,
            raw_uri: raw_uri.trim().to_owned(),
            params: Params::parse(params),
        })
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
pub(super) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let text = text.trim();
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        match rest.trim() {
            "" => (host, None),
            rest => (host, Some(rest.strip_prefix(':')?)),
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host.trim(), Some(port)),
            None => (text, None),
        }
    };
    let fine = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
    let port = match port {
        Some(port) => Some(port.trim().parse().ok()?),
        None => None,
    };
    fine.then(|| (host.to_owned(), port))
}

/// Text as a quoted string, without what would end the line.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars().filter(|char| !char.is_control()) {
        if matches!(char, '"' | '\\') {
            out.push('\\');
        }
        out.push(char);
    }
    out.push('"');
    out
}

/// A number as the user part of an address.
pub fn user_part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let byte = u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
            // A line end in a number has no honest use.
            if byte.is_ascii_control() {
                return None;
            }
            out.push(byte);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.into();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        if char == '\\' {
            out.extend(chars.next());
        } else {
            out.push(char);
        }
    }
    out
}

fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if char == wanted && !quoted => return Some(at),
            _ => {}
        }
    }
    None
}
