//! What is where, who may ask for it, and what every answer carries.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::timeout;
use varde_bus::Language;

use crate::api::{self, Cookies};
use crate::assets::Assets;
use crate::screens::Screens;
use varde_bus::door::DoorProxy;

/// A request of ours is a name, a password, a key.
const BODY: usize = 16 << 10;
/// It has to have come by then.
const BODY_TIME: Duration = Duration::from_secs(10);

pub type Answer = Response<Full<Bytes>>;

/// On every answer. Scripts, styles and pictures from here and nowhere else; in no frame; nothing is kept on the way.
const ALWAYS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), clipboard-read=(), clipboard-write=()",
    ),
];

/// What all connections share.
#[derive(Clone, Debug)]
pub struct Site {
    pub door: DoorProxy<'static>,
    pub screens: Screens,
    pub assets: Arc<Assets>,
    /// What browsers say in `Host`.
    pub authority: Arc<str>,
    pub title: Arc<str>,
    pub language: Language,
}

/// Where a request came from.
#[derive(Clone, Debug)]
pub struct From {
    pub address: IpAddr,
    pub agent: String,
    pub cookies: Cookies,
    pub language: Language,
}

pub fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    answer(status, "text/plain; charset=utf-8", text)
}

/// One request. Never fails: whatever is wrong is an answer.
pub async fn serve(request: Request<Incoming>, site: Site, address: IpAddr) -> Answer {
    if !is_for_us(request.headers(), &site.authority) {
        return plain(
            StatusCode::MISDIRECTED_REQUEST,
            "This is not the name of this server.\n",
        );
    }
    let from = From {
        address,
        agent: text(request.headers(), &header::USER_AGENT).to_owned(),
        cookies: Cookies::of(request.headers()),
        language: language(request.headers(), site.language),
    };
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/screen") => {
            if !is_from_our_page(request.headers(), &site.authority) {
                return plain(StatusCode::FORBIDDEN, "Not from this page.\n");
            }
            api::screen(request, site, from).await
        }
        (&Method::GET, "/site.json") => {
            let language = match site.language {
                Language::Nb => "nb",
                Language::En => "en",
            };
            let about = serde_json::json!({ "title": &*site.title, "language": language });
            answer(StatusCode::OK, "application/json", about.to_string())
        }
        (&Method::GET | &Method::HEAD, path) => page(&site, path),
        (&Method::POST, path) if path.starts_with("/api/") => {
            if !is_from_our_page(request.headers(), &site.authority)
                || text(request.headers(), &header::CONTENT_TYPE) != "application/json"
            {
                return plain(StatusCode::FORBIDDEN, "Not from this page.\n");
            }
            let Some(body) = read(request.into_body()).await else {
                return plain(
                    StatusCode::BAD_REQUEST,
                    "The request is too long or came too slowly.\n",
                );
            };
            api::call(&path["/api/".len()..], &body, &site, from).await
        }
        (&Method::POST, _) => plain(StatusCode::NOT_FOUND, "There is nothing here.\n"),
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "This is not done here.\n"),
    }
}

fn page(site: &Site, path: &str) -> Answer {
    let Some(asset) = site.assets.get(path) else {
        return plain(StatusCode::NOT_FOUND, "There is nothing here.\n");
    };
    let mut answer = answer(StatusCode::OK, asset.kind, asset.bytes.clone());
    // After an update of the portal a browser must not run half of each.
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

async fn read(body: Incoming) -> Option<Bytes> {
    let collected = timeout(BODY_TIME, Limited::new(body, BODY).collect()).await;
    Some(collected.ok()?.ok()?.to_bytes())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// A name of somebody else's that leads here must not become a page of ours.
fn is_for_us(headers: &HeaderMap, authority: &str) -> bool {
    text(headers, &header::HOST).eq_ignore_ascii_case(authority)
}

/// RFC 6454 §7: what a page of somebody else's sends says so.
fn is_from_our_page(headers: &HeaderMap, authority: &str) -> bool {
    text(headers, &header::ORIGIN)
        .strip_prefix("https://")
        .is_some_and(|origin| origin.eq_ignore_ascii_case(authority))
}

/// What the page asks for by its own header, else what the browser prefers, else the site's.
fn language(headers: &HeaderMap, site: Language) -> Language {
    let asked = text(headers, &HeaderName::from_static("varde-language"));
    let accepted = text(headers, &header::ACCEPT_LANGUAGE);
    let first = if asked.is_empty() { accepted } else { asked };
    for word in first.split([',', ';', '-', ' ']) {
        match word {
            "nb" | "no" | "nn" => return Language::Nb,
            "en" => return Language::En,
            _ => {}
        }
    }
    site
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn only_our_own_page_may_ask() {
        let us = "pult.example.no:8443";
        assert!(is_for_us(&headers(&[("host", "PULT.example.no:8443")]), us));
        for host in ["pult.example.no", "evil.example", ""] {
            assert!(!is_for_us(&headers(&[("host", host)]), us), "{host}");
        }
        assert!(is_from_our_page(
            &headers(&[("origin", "https://pult.example.no:8443")]),
            us
        ));
        for origin in [
            "http://pult.example.no:8443",
            "https://pult.example.no",
            "https://pult.example.no:8443.evil.example",
            "null",
        ] {
            assert!(!is_from_our_page(&headers(&[("origin", origin)]), us), "{origin}");
        }
        assert!(!is_from_our_page(&HeaderMap::new(), us));
    }

    #[test]
    fn a_person_is_answered_in_a_language_that_the_browser_knows() {
        let of = |accept: &str| language(&headers(&[("accept-language", accept)]), Language::Nb);
        assert_eq!(of("en-GB,en;q=0.9"), Language::En);
        assert_eq!(of("nn,en;q=0.5"), Language::Nb);
        assert_eq!(of("de"), Language::Nb);
        let asked = headers(&[("accept-language", "nb"), ("varde-language", "en")]);
        assert_eq!(language(&asked, Language::Nb), Language::En);
    }
}
