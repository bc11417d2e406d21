//! `[update]`: whose releases of the appliance are taken, and where they are fetched.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Public keys of minisign, as it writes them. A release signed by any of them is taken: a new key stands beside the
    /// old one until nobody signs with that any more.
    pub keys: Vec<String>,
    /// Seconds that what was healthy before an update has to be so again after it.
    pub settle: u64,
    /// Where the newest release can be fetched. None: only from a stick.
    #[serde(default)]
    pub source: Option<UpdateSource>,
}

/// A folder that a web server gives out by HTTPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSource {
    /// Name or IPv4 address.
    pub host: String,
    pub port: u16,
    /// Begins with a slash, and ends in none: the root is empty.
    pub folder: String,
    /// Certificates of the authorities that are trusted, in PEM.
    pub ca: String,
}

impl UpdateSource {
    /// Reads where it is, and nothing that a browser would guess. `None`: not of that form.
    pub fn place(url: &str) -> Option<(String, u16, String)> {
        let rest = url.strip_prefix("https://")?;
        let (server, folder) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (host, port) = match server.split_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
            None => (server, 443),
        };
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let folder = folder.strip_suffix('/').unwrap_or(folder);
        let step = |part: &str| {
            !part.is_empty()
                && !matches!(part, "." | "..")
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~'))
        };
        let sound = url.len() <= 512
            && host.len() <= 253
            && host.split('.').all(label)
            && folder.split('/').skip(1).all(step);
        sound.then(|| (host.to_ascii_lowercase(), port, folder.to_owned()))
    }
}

impl fmt::Display for UpdateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host)?;
        if self.port != 443 {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_server_and_a_folder() {
        let read = |url| UpdateSource::place(url);
        assert_eq!(read("https://a.no"), Some(("a.no".into(), 443, String::new())));
        assert_eq!(
            read("https://A.no:8443/x/y/"),
            Some(("a.no".into(), 8443, "/x/y".into()))
        );
        for wrong in [
            "http://a.no",
            "https://",
            "https:///x",
            "https://a.no:0",
            "https://a.no:99999",
            "https://k:p@a.no/x",
            "https://a.no/x?y",
            "https://a.no/x#y",
            "https://a.no/../x",
            "https://a.no//x",
            "https://a.no/%2e",
            "https://-a.no",
            "https://a..no",
            "https://a.no/x y",
            "https://a.no/\r\nx",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_shown_and_read_again(url in "(https://)?[a-z0-9.:/@~%-]{0,40}") {
            if let Some((host, port, folder)) = UpdateSource::place(&url) {
                let source = UpdateSource { host: host.clone(), port, folder: folder.clone(), ca: String::new() };
                proptest::prop_assert_eq!(UpdateSource::place(&source.to_string()), Some((host, port, folder)));
            }
        }
    }
}
