//! Messages to bytes.

use std::io::Write as _;

use super::{Message, Start};

impl Message {
    /// The message as it goes on the wire. Content-Length is always there, and always right.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        match &self.start {
            Start::Request { name, uri, .. } => {
                line(&mut out, &[name, " ", uri, " SIP/2.0"]);
            }
            Start::Response { status, phrase } => {
                line(&mut out, &["SIP/2.0 ", &status.to_string(), " ", phrase]);
            }
        }
        for (name, value) in &self.headers {
            if name != "Content-Length" {
                line(&mut out, &[name, ": ", value]);
            }
        }
        let _ = write!(out, "Content-Length: {}\r\n\r\n", self.body.len());
        out.extend_from_slice(&self.body);
        out
    }
}

/// A line, without what would end it early: no value of any header can begin another header.
fn line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        if part.bytes().any(|byte| matches!(byte, b'\r' | b'\n')) {
            out.extend(part.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        } else {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// What a status is called (§21).
pub fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => match status / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
