//! From a site to the files that the system reads: a pure function.

mod accounts;
mod machine;
mod network;
mod order;
mod rehearsal;
mod ssh;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use varde_site::{Site, Text};

/// Files and links by their absolute path.
pub type Tree = BTreeMap<PathBuf, Node>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    File {
        text: String,
        /// Not for everybody's eyes: root and the group `shadow` read it.
        secret: bool,
    },
    /// A symbolic link to this.
    Link(PathBuf),
}

/// Folders where a file or a folder that has no part in the tree, and whose name begins so, is one of ours that is no
/// longer declared.
pub const OWNED: &[(&str, &str)] = &[
    (accounts::FOLDER, ""),
    (network::FOLDER, network::PREFIX),
    (order::FOLDER, order::PREFIX),
    (machine::TIME_FOLDER, machine::TIME_PREFIX),
    (ssh::FOLDER, ssh::PREFIX),
    (ssh::KEYS, ""),
];

/// What the login screen says besides the name of the site.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notice<'a> {
    /// The demo site runs: name its login.
    pub demo: bool,
    /// Something is wrong that whoever stands before the machine should know.
    pub problem: Option<&'a Text>,
}

pub fn render(site: &Site, notice: Notice<'_>) -> Tree {
    let mut tree = Tree::new();
    accounts::render(site, &mut tree);
    network::render(site, &mut tree);
    rehearsal::render(site, &mut tree);
    order::render(site, &mut tree);
    machine::render(site, notice, &mut tree);
    ssh::render(site, &mut tree);
    tree
}

/// Kernel setting that is the host name, and what it shall be.
pub fn hostname(site: &Site) -> (&'static Path, &str) {
    (Path::new("/proc/sys/kernel/hostname"), &site.site.name)
}

/// Name of the device that a file in [`OWNED`] declared.
pub fn bridge_of(file: &str) -> Option<String> {
    let stem = file.strip_prefix(network::PREFIX)?.strip_suffix(".netdev")?;
    if rehearsal::is_device(stem) {
        return Some(stem.to_owned());
    }
    Some(network::device(stem))
}

fn file(tree: &mut Tree, path: impl Into<PathBuf>, text: String) {
    tree.insert(path.into(), Node::File { text, secret: false });
}

fn secret(tree: &mut Tree, path: impl Into<PathBuf>, text: String) {
    tree.insert(path.into(), Node::File { text, secret: true });
}

fn link(tree: &mut Tree, path: impl Into<PathBuf>, target: impl Into<PathBuf>) {
    tree.insert(path.into(), Node::Link(target.into()));
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use varde_site::parse;

    use super::*;

    /// As one text, to compare with a file.
    fn shown(tree: &Tree) -> String {
        let mut shown = String::new();
        for (path, node) in tree {
            let path = path.display();
            match node {
                Node::File { text, secret } => {
                    let secret = if *secret { " (secret)" } else { "" };
                    write!(shown, "==> {path}{secret}\n{text}").unwrap();
                }
                Node::Link(target) => writeln!(shown, "==> {path} -> {}", target.display()).unwrap(),
            }
        }
        shown
    }

    fn compare(site: &str, notice: Notice<'_>, golden: &str) {
        let shown = shown(&render(&parse(site).unwrap(), notice));
        assert!(shown == golden, "rendered:\n{shown}");
    }

    #[test]
    fn the_demo_site() {
        let notice = Notice {
            demo: true,
            problem: None,
        };
        compare(
            include_str!("../../../../image/demo/site.toml"),
            notice,
            include_str!("../../tests/golden/demo.txt"),
        );
    }

    #[test]
    fn zones_of_every_kind() {
        let problem = Text::new("Generasjon 2 er ødelagt", "Generation 2 is damaged");
        let notice = Notice {
            demo: false,
            problem: Some(&problem),
        };
        compare(
            include_str!("../../tests/golden/zones.toml"),
            notice,
            include_str!("../../tests/golden/zones.txt"),
        );
    }

    #[test]
    fn a_bridge_is_known_by_its_file() {
        assert_eq!(
            bridge_of("50-varde-klinikk.netdev").as_deref(),
            Some("br-klinikk")
        );
        assert_eq!(
            bridge_of("50-varde-r1-klinikk.netdev").as_deref(),
            Some("r1-klinikk")
        );
        assert_eq!(bridge_of("50-varde-vrf-r2.netdev").as_deref(), Some("vrf-r2"));
        assert_eq!(
            bridge_of("50-varde-klinikk.vlan.netdev").as_deref(),
            Some("vl-klinikk")
        );
        assert_eq!(bridge_of("50-varde-bond0.bond.netdev").as_deref(), Some("bond0"));
        assert_eq!(bridge_of("50-varde-klinikk.network"), None);
        assert_eq!(bridge_of("20-other.netdev"), None);
    }
}
