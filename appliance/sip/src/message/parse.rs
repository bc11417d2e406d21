//! Bytes to messages.

use std::borrow::Cow;

use crate::error::Malformed;

use super::{MAX_HEAD, MAX_HEADERS, MAX_MESSAGE, Message, Method, Start};

/// Headers that a message has once; a second one is where two readers would part.
const SINGLE: [&str; 8] = [
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Content-Length",
    "Max-Forwards",
    "Content-Type",
    "Expires",
];

/// What a stream's bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    /// More has to come.
    Partial,
    /// So many bytes of line ends, which keep a connection open (RFC 5626 §4.4.1).
    KeepAlive(usize),
    /// A message of so many bytes.
    Message(usize),
}

/// Where a message ends in a stream (§18.3). An error leaves no way to find the next one: the connection must go.
pub fn frame(bytes: &[u8]) -> Result<Framed, Malformed> {
    let blank = bytes.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    if blank > 0 {
        return Ok(Framed::KeepAlive(blank));
    }
    let Some(head) = head_length(bytes) else {
        return if bytes.len() > MAX_HEAD {
            Err(Malformed::TooLarge)
        } else {
            Ok(Framed::Partial)
        };
    };
    if head > MAX_HEAD {
        return Err(Malformed::TooLarge);
    }
    let mut length = None;
    for line in bytes[..head].split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = line[..colon].trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l") {
            if length.is_some() {
                return Err(Malformed::Twice("Content-Length"));
            }
            length = Some(content_length(&String::from_utf8_lossy(&line[colon + 1..]))?);
        }
    }
    // §18.3: a stream needs it.
    let length = length.ok_or(Malformed::Missing("Content-Length"))?;
    let total = head + length;
    if total > MAX_MESSAGE {
        return Err(Malformed::TooLarge);
    }
    Ok(if bytes.len() < total {
        Framed::Partial
    } else {
        Framed::Message(total)
    })
}

fn content_length(text: &str) -> Result<usize, Malformed> {
    let text = text.trim();
    // `parse` would take a plus sign.
    if text.is_empty() || text.len() > 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed::Header("Content-Length"));
    }
    text.parse().map_err(|_| Malformed::Header("Content-Length"))
}

/// The length of start line and headers with the empty line after them.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[at..at + end];
        at += end + 1;
        if at > 1 && (line.is_empty() || line == b"\r") {
            return Some(at);
        }
    }
    None
}

impl Message {
    /// Reads a whole message: a datagram, or what [`frame`] found.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_MESSAGE {
            return Err(Malformed::TooLarge);
        }
        let head = head_length(bytes).ok_or(Malformed::Ends)?;
        if head > MAX_HEAD {
            return Err(Malformed::TooLarge);
        }
        let text = String::from_utf8_lossy(&bytes[..head]);
        let mut lines = text
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line));
        let start = start_line(lines.next().unwrap_or_default())?;
        let mut headers: Vec<(Cow<'static, str>, String)> = Vec::with_capacity(16);
        for line in lines {
            if line.is_empty() {
                break;
            }
            if line.starts_with([' ', '\t']) {
                // A folded line (§7.3.1).
                let (_, value) = headers.last_mut().ok_or(Malformed::Line)?;
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(Malformed::Line)?;
            let name = name.trim_end();
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(Malformed::Line);
            }
            if value.contains(['\r', '\0']) {
                return Err(Malformed::Line);
            }
            if headers.len() == MAX_HEADERS {
                return Err(Malformed::TooLarge);
            }
            headers.push((long_name(name), value.trim().to_owned()));
        }
        let mut body = &bytes[head..];
        for name in SINGLE {
            let mut seen = headers.iter().filter(|(known, _)| known == name);
            if let (Some((_, value)), twice) = (seen.next(), seen.next()) {
                if twice.is_some() {
                    return Err(Malformed::Twice(name));
                }
                if name == "Content-Length" {
                    // More than it says is dropped (§18.3), less is an error.
                    body = body.get(..content_length(value)?).ok_or(Malformed::Ends)?;
                }
            }
        }
        let message = Self {
            start,
            headers,
            body: body.to_vec(),
        };
        message.check()?;
        Ok(message)
    }

    /// What everything after this takes for granted (§8.1.1).
    fn check(&self) -> Result<(), Malformed> {
        let (_, method) = self.cseq()?;
        if self.method().is_some_and(|own| own != method) {
            return Err(Malformed::Header("CSeq"));
        }
        if self.call_id().is_empty() {
            return Err(Malformed::Missing("Call-ID"));
        }
        self.from().map_err(|_| Malformed::Header("From"))?;
        self.to().map_err(|_| Malformed::Header("To"))?;
        self.via()?;
        Ok(())
    }
}

fn start_line(line: &str) -> Result<Start, Malformed> {
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let (code, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
        let status: u16 = code.parse().map_err(|_| Malformed::StartLine)?;
        if !(100..700).contains(&status) {
            return Err(Malformed::StartLine);
        }
        return Ok(Start::Response {
            status,
            phrase: phrase.trim().into(),
        });
    }
    let mut parts = line.split(' ');
    let (Some(name), Some(uri), Some("SIP/2.0"), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Malformed::StartLine);
    };
    if name.is_empty() || !name.bytes().all(is_token) || uri.is_empty() || uri.chars().any(char::is_control) {
        return Err(Malformed::StartLine);
    }
    let method = Method::of(name);
    Ok(Start::Request {
        method,
        name: match method {
            Method::Other => name.to_owned().into(),
            known => known.name().into(),
        },
        uri: uri.into(),
    })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// The long form of a compact name (§7.3.3 and the RFCs of extensions), and one spelling of what is looked for.
fn long_name(name: &str) -> Cow<'static, str> {
    const KNOWN: [(&str, &str); 33] = [
        ("v", "Via"),
        ("f", "From"),
        ("t", "To"),
        ("i", "Call-ID"),
        ("", "CSeq"),
        ("l", "Content-Length"),
        ("c", "Content-Type"),
        ("m", "Contact"),
        ("k", "Supported"),
        ("x", "Session-Expires"),
        ("", "Max-Forwards"),
        ("", "Allow"),
        ("", "Require"),
        ("", "Record-Route"),
        ("", "Route"),
        ("", "Expires"),
        ("", "Authorization"),
        ("", "Proxy-Authorization"),
        ("", "WWW-Authenticate"),
        ("", "Proxy-Authenticate"),
        ("", "Reason"),
        ("", "RSeq"),
        ("", "RAck"),
        ("", "Min-SE"),
        ("", "Min-Expires"),
        ("", "Privacy"),
        ("", "P-Asserted-Identity"),
        ("", "Diversion"),
        ("", "User-Agent"),
        ("", "Server"),
        ("s", "Subject"),
        ("e", "Content-Encoding"),
        ("", "Retry-After"),
    ];
    KNOWN
        .iter()
        .find(|(short, long)| {
            name.eq_ignore_ascii_case(long) || (name.len() == 1 && name.eq_ignore_ascii_case(short))
        })
        .map_or_else(|| name.to_owned().into(), |(_, long)| (*long).into())
}

/// A list's values: at commas that are in no quotes and no brackets.
pub(super) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    split_outside(text, ',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// Splits where `at` is in no quotes and no brackets.
pub(super) fn split_outside(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (mut quoted, mut escaped, mut bracket) = (false, false, false);
        for (place, char) in whole.char_indices() {
            match char {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                '<' if !quoted => bracket = true,
                '>' if !quoted => bracket = false,
                _ if char == at && !quoted && !bracket => {
                    rest = Some(&whole[place + char.len_utf8()..]);
                    return Some(&whole[..place]);
                }
                _ => {}
            }
        }
        rest = None;
        Some(whole)
    })
}
