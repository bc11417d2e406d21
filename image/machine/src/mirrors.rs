//! Which mirrors trees are made from: those that this system's own apt uses, so that a machine behind a mirror of
//! its own needs no other setting.

use std::fs;
use std::process::Command;

use crate::tree::RELEASE;

/// The lines of a `sources.list` for the trees' release; none where this is not a Debian system, and mmdebstrap's own
/// default is as good as any.
pub fn sources() -> Vec<String> {
    let Ok(release) = fs::read_to_string("/etc/os-release") else {
        return Vec::new();
    };
    let field = |name: &str| {
        release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"'))
    };
    let (Some("debian"), Some(codename)) = (field("ID"), field("VERSION_CODENAME")) else {
        return Vec::new();
    };
    let Ok(targets) = Command::new("apt-get")
        .args(["indextargets", "--format", "$(RELEASE) $(REPO_URI)"])
        .output()
    else {
        return Vec::new();
    };
    from_targets(&String::from_utf8_lossy(&targets.stdout), codename)
}

/// `targets` are lines of suite and address. The archive is where the running release comes from.
fn from_targets(targets: &str, codename: &str) -> Vec<String> {
    let address = |suite: &str| {
        targets.lines().find_map(|line| {
            let (found, address) = line.split_once(' ')?;
            (found == suite).then(|| address.trim_end_matches('/').to_owned())
        })
    };
    let Some(archive) = address(codename) else {
        return Vec::new();
    };
    let mut lines = vec![
        format!("deb {archive} {RELEASE} main"),
        format!("deb {archive} {RELEASE}-updates main"),
    ];
    if let Some(security) = address(&format!("{codename}-security")) {
        lines.push(format!("deb {security} {RELEASE}-security main"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_of_the_running_release_is_used_for_the_toolbox_too() {
        let targets = "stable http://other.example/tools/\n\
                       bookworm http://mirror.example/debian/\n\
                       bookworm-updates http://mirror.example/debian/\n\
                       bookworm-security http://security.example/debian-security/\n";
        assert_eq!(
            from_targets(targets, "bookworm"),
            [
                "deb http://mirror.example/debian trixie main",
                "deb http://mirror.example/debian trixie-updates main",
                "deb http://security.example/debian-security trixie-security main",
            ]
        );
    }

    #[test]
    fn a_system_that_does_not_say_where_it_comes_from_gets_the_default() {
        assert!(from_targets("nodistro http://other.example/\n", "bookworm").is_empty());
    }
}
