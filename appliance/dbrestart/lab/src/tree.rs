//! A Debian 13 tree with the servers, made once and kept by what is in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::Result;

const SUITE: &str = "trixie";
const PACKAGES: [&str; 7] = [
    "postgresql-17",
    "pgbouncer",
    "patroni",
    "etcd-server",
    "python3-etcd",
    "python3-psycopg",
    "procps",
];

/// The tree, made where it is missing; this takes some minutes, root, and mmdebstrap.
pub fn tree() -> Result<PathBuf> {
    let mut hash = Sha256::new();
    hash.update(SUITE);
    for package in PACKAGES {
        hash.update(package);
    }
    let key: String = hash
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let caches = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
        PathBuf::from,
    );
    let folder = caches.join("varde").join(format!("peers-{key}"));
    if folder.join("usr/sbin/pgbouncer").exists() {
        return Ok(folder);
    }
    let part = folder.with_extension("part");
    std::fs::create_dir_all(caches.join("varde"))?;
    eprintln!("Making {} (some minutes) …", folder.display());
    let (main, security) = mirrors()?;
    let status = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=apt", "--mode=root"])
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .args([
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
        ])
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg(SUITE)
        .arg(&part)
        .arg(format!("deb {main} {SUITE} main"))
        .arg(format!("deb {main} {SUITE}-updates main"))
        .arg(format!("deb {security} {SUITE}-security main"))
        .status()
        .map_err(|error| format!("mmdebstrap: {error}. Install it: apt-get install mmdebstrap"))?;
    if !status.success() {
        return Err(format!("mmdebstrap ended with {status}").into());
    }
    std::fs::rename(&part, &folder)?;
    Ok(folder)
}

/// The mirrors that this machine takes its own packages from: of Debian, and of its security fixes.
fn mirrors() -> Result<(String, String)> {
    let mut found = Vec::new();
    for place in ["/etc/apt/sources.list", "/etc/apt/sources.list.d"] {
        let path = Path::new(place);
        let files: Vec<PathBuf> = match std::fs::read_dir(path) {
            Ok(folder) => folder.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(_) => vec![path.to_owned()],
        };
        for file in files {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
                found.extend(
                    line.split_whitespace()
                        .filter(|word| word.starts_with("http") || word.starts_with("mirror+"))
                        .map(|word| word.trim_end_matches('/').to_owned()),
                );
            }
        }
    }
    let main = found
        .iter()
        .find(|mirror| mirror.ends_with("/debian"))
        .ok_or("no mirror of Debian in the sources of apt")?;
    let security = found
        .iter()
        .find(|mirror| mirror.contains("debian-security"))
        .cloned()
        .unwrap_or_else(|| format!("{main}-security"));
    Ok((main.clone(), security))
}
