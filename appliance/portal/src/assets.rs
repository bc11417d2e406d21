//! The pages: our own are in the program, noVNC's come from the image. Nothing comes from anybody else.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;

/// Where the image has noVNC.
pub const NOVNC: &str = "/usr/share/novnc";

#[derive(Clone, Debug)]
pub struct Asset {
    pub bytes: Bytes,
    pub kind: &'static str,
}

/// By path.
#[derive(Clone, Debug, Default)]
pub struct Assets(BTreeMap<String, Asset>);

impl Assets {
    /// Ours, and the modules of noVNC below `novnc`; without them no desktop can be shown, and that is said.
    pub fn read(novnc: &Path) -> (Self, Option<std::io::Error>) {
        let mut all = BTreeMap::new();
        for (path, text) in [
            ("/", include_str!("../assets/index.html")),
            ("/portal.js", include_str!("../assets/portal.js")),
            ("/words.js", include_str!("../assets/words.js")),
            ("/door.js", include_str!("../assets/door.js")),
            ("/portal.css", include_str!("../assets/portal.css")),
            ("/icon.svg", include_str!("../assets/icon.svg")),
        ] {
            let kind = if path == "/" {
                "text/html; charset=utf-8"
            } else {
                kind(path).unwrap_or_default()
            };
            let bytes = Bytes::from_static(text.as_bytes());
            all.insert(path.to_owned(), Asset { bytes, kind });
        }
        let mut trouble = None;
        for part in ["core", "vendor"] {
            if let Err(error) = walk(&novnc.join(part), &format!("/novnc/{part}"), &mut all) {
                trouble = Some(error);
            }
        }
        (Self(all), trouble)
    }

    pub fn get(&self, path: &str) -> Option<&Asset> {
        self.0.get(path)
    }
}

fn walk(folder: &Path, path: &str, all: &mut BTreeMap<String, Asset>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = format!("{path}/{name}");
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &path, all)?;
        } else if let Some(kind) = kind(name) {
            let bytes = std::fs::read(entry.path())?.into();
            all.insert(path, Asset { bytes, kind });
        }
    }
    Ok(())
}

fn kind(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}
