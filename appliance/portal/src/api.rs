//! The page's requests, handed on to the door; and the way to a screen.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use qrcodegen::{QrCode, QrCodeEcc};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use varde_bus::door::{Carried, DoorProxy, Entered, Proof, Visit};
use varde_bus::{Failure, FailureKind};

use crate::http::{Answer, From, Site, answer};
use crate::relay;

/// `__Host-`: sent to this very host, over TLS, for every path (RFC 6265bis §4.1.3.2).
const SESSION: &str = "__Host-session";
const DEVICE: &str = "__Host-device";
/// Seconds; a device that stays away longer is a stranger again.
const YEAR: u32 = 365 * 86_400;

/// The protocol that the page names beside its ticket, which is the other one.
const PROTOCOL: &str = "binary";
const TICKET: &str = "ticket.";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    pub session: String,
    pub device: String,
}

impl Cookies {
    pub fn of(headers: &HeaderMap) -> Self {
        let mut cookies = Self::default();
        for pair in headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
        {
            match pair.trim().split_once('=') {
                Some((SESSION, value)) => value.clone_into(&mut cookies.session),
                Some((DEVICE, value)) => value.clone_into(&mut cookies.device),
                _ => {}
            }
        }
        cookies
    }
}

/// What requests carry; each has some of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    person: String,
    password: String,
    code: String,
    /// What names a log-in or an enrolment between its steps.
    step: String,
    /// The session's public key, base64url.
    key: String,
    pool: String,
    session: String,
    title: String,
    device: String,
    challenge: String,
    signature: String,
}

impl Asked {
    fn key(&self) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(&self.key).unwrap_or_default()
    }

    fn proof(&self) -> Proof {
        Proof {
            challenge: self.challenge.clone(),
            // A signature that is none proves nothing.
            signature: URL_SAFE_NO_PAD.decode(&self.signature).unwrap_or_default(),
        }
    }
}

/// An answer's body and the cookies that go with it.
type Said = (Value, Vec<String>);

pub async fn call(name: &str, body: &[u8], site: &Site, from: From) -> Answer {
    let asked = match serde_json::from_slice::<Asked>(body) {
        Ok(asked) => asked,
        Err(error) => {
            let failure = Failure::new(
                FailureKind::Invalid,
                format!("Forespørselen er ikke forstått: {error}"),
                format!("The request is not understood: {error}"),
            );
            return refused(&failure, &from);
        }
    };
    match done(name, &asked, &site.door, &from).await {
        Ok(Some((value, cookies))) => {
            let mut answer = answer(StatusCode::OK, "application/json", value.to_string());
            for cookie in cookies {
                if let Ok(value) = HeaderValue::from_str(&cookie) {
                    answer.headers_mut().append(header::SET_COOKIE, value);
                }
            }
            answer
        }
        Ok(None) => answer(
            StatusCode::NOT_FOUND,
            "application/json",
            json!({ "error": "?" }).to_string(),
        ),
        Err(failure) => refused(&failure, &from),
    }
}

fn refused(failure: &Failure, from: &From) -> Answer {
    let status = match failure.kind {
        FailureKind::Denied => StatusCode::UNAUTHORIZED,
        FailureKind::Invalid => StatusCode::BAD_REQUEST,
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::Refused => StatusCode::CONFLICT,
        FailureKind::Failed | FailureKind::Unknown => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({ "error": failure.text.get(from.language) });
    answer(status, "application/json", body.to_string())
}

/// `None`: there is no such request.
async fn done(name: &str, asked: &Asked, door: &DoorProxy<'_>, from: &From) -> Result<Option<Said>, Failure> {
    let visit = Visit {
        from: from.address.to_canonical().to_string(),
        device: from.cookies.device.clone(),
        agent: from.agent.clone(),
    };
    let cookie = from.cookies.session.as_str();
    let value = match name {
        "login" => json!({ "step": door.login(&asked.person, &asked.password, &visit).await? }),
        "code" => {
            let key = asked.key();
            let entered = door.second_factor(&asked.step, &asked.code, &key, &visit);
            return Ok(Some(entered_as(&entered.await?)));
        }
        "enrol" => json!({ "step": door.enrol(&asked.person, &asked.code, &visit).await? }),
        "password" => {
            let factor = door.choose_password(&asked.step, &asked.password).await?;
            json!({ "secret": factor.secret, "qr": qr(&factor.uri) })
        }
        "confirm" => {
            let key = asked.key();
            let entered = door.confirm(&asked.step, &asked.code, &key, &visit);
            return Ok(Some(entered_as(&entered.await?)));
        }
        "challenge" => json!({ "challenge": door.challenge(cookie).await? }),
        "home" => json!(door.home(cookie, &asked.proof()).await?),
        "ticket" => json!(door.ticket(cookie, &asked.pool, &asked.proof()).await?),
        "device" => {
            let file = door.add_device(cookie, &asked.title, &asked.proof()).await?.file;
            json!({ "qr": qr(&file), "file": file })
        }
        "remove" => {
            door.remove_device(cookie, &asked.device, &asked.proof()).await?;
            json!({})
        }
        "logout" => {
            door.log_out(cookie, &asked.proof()).await?;
            return Ok(Some((json!({}), vec![set(SESSION, "", 0)])));
        }
        "end" => {
            door.end(cookie, &asked.session, &asked.proof()).await?;
            json!({})
        }
        _ => return Ok(None),
    };
    Ok(Some((value, Vec::new())))
}

fn entered_as(entered: &Entered) -> Said {
    let session = format!(
        "{SESSION}={}; Path=/; Secure; HttpOnly; SameSite=Strict",
        entered.cookie
    );
    let cookies = vec![session, set(DEVICE, &entered.device, YEAR)];
    (json!({ "recovery": entered.recovery }), cookies)
}

fn set(name: &str, value: &str, seconds: u32) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}")
}

/// A QR code as the page draws it: how many modules a side has, and the path of the dark ones (SVG 2 §9.3).
pub fn qr(text: &str) -> Value {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else {
        // Longer than any code holds; the secret stands beside it.
        return json!({ "size": 0, "path": "" });
    };
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        for x in (0..size).filter(|x| code.get_module(*x, y)) {
            path.push_str(&format!("M{x},{y}h1v1h-1z"));
        }
    }
    json!({ "size": size, "path": path })
}

/// The ticket among the protocols that the page offers.
fn ticket(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let mut words = offered.split(',').map(str::trim);
    if !words.clone().any(|word| word == PROTOCOL) {
        return None;
    }
    words
        .find_map(|word| word.strip_prefix(TICKET))
        .map(str::to_owned)
}

/// RFC 6455 §4.2.1, as far as hyper has not looked at it.
fn accept_key(headers: &HeaderMap) -> Option<String> {
    let has = |name, wanted: &str| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .split(',')
                    .any(|word| word.trim().eq_ignore_ascii_case(wanted))
            })
    };
    let good = has(header::UPGRADE, "websocket")
        && has(header::CONNECTION, "upgrade")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    good.then(|| derive_accept_key(key.as_bytes()))
}

/// A screen, for a ticket.
pub async fn screen(mut request: Request<Incoming>, site: Site, from: From) -> Answer {
    let headers = request.headers();
    let (Some(key), Some(ticket)) = (accept_key(headers), ticket(headers)) else {
        let failure = Failure::new(
            FailureKind::Invalid,
            "Her åpnes bare skjermer, over WebSocket og med billett",
            "Only screens are opened here, over WebSocket and with a ticket",
        );
        return refused(&failure, &from);
    };
    let opened = match site.door.redeem(&from.cookies.session, &ticket).await {
        Ok(opened) => opened,
        Err(error) => return refused(&Failure::from(error), &from),
    };
    let desktop = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(opened.screen));
    let desktop = match desktop
        .set_nonblocking(true)
        .and_then(|()| UnixStream::from_std(desktop))
    {
        Ok(desktop) => desktop,
        Err(error) => {
            let failure = Failure::new(
                FailureKind::Failed,
                format!("Skjermen kunne ikke åpnes: {error}"),
                format!("The screen could not be opened: {error}"),
            );
            return refused(&failure, &from);
        }
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let screen = site.screens.open(opened.held);
        let (door, session) = (site.door.clone(), screen.held.session.clone());
        let active = move || {
            let (door, session) = (door.clone(), session.clone());
            tokio::spawn(async move {
                // The next sign of life says it again.
                let _ = door.active(&session).await;
            });
        };
        let (carried, end) = match upgrade.await {
            Ok(upgraded) => {
                let browser = WebSocketStream::from_raw_socket(
                    TokioIo::new(upgraded),
                    Role::Server,
                    Some(relay::config()),
                )
                .await;
                relay::carry(browser, desktop, screen.over.clone(), active).await
            }
            Err(_) => (Carried::default(), relay::End::Browser),
        };
        if let relay::End::Wrong(why) = &end {
            eprintln!("{}: {why}", screen.held.desktop);
        }
        if let Err(error) = site.door.closed(&screen.held, carried).await {
            eprintln!("{}: its end is not recorded: {error}", screen.held.desktop);
        }
    });
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    if let Ok(key) = HeaderValue::from_str(&key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_ours_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        let value = "a=b; __Host-session=x1; session=evil; __Host-device=y2";
        headers.insert(header::COOKIE, HeaderValue::from_static(value));
        let cookies = Cookies::of(&headers);
        assert_eq!((cookies.session.as_str(), cookies.device.as_str()), ("x1", "y2"));
    }

    #[test]
    fn a_qr_code_has_its_three_corners() {
        let drawn = qr("otpauth://totp/x:anne?secret=ABC&issuer=x");
        let size = drawn["size"].as_i64().unwrap();
        let path = drawn["path"].as_str().unwrap();
        assert!(size >= 21);
        for corner in [
            "M0,0h1".to_owned(),
            format!("M{},0h1", size - 1),
            format!("M0,{}h1", size - 1),
        ] {
            assert!(path.contains(&corner), "{corner}");
        }
    }
}
