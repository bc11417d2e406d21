//! noVNC for the portal, out of its Debian package: the package itself would bring a runtime for JavaScript and a proxy
//! along, which nothing here uses.

use std::path::PathBuf;

use varde_machine::Toolbox;

use crate::error::{Error, Result};
use crate::{place, step, toolbox};

/// In the toolbox: `$1` is where to work, `$2` the tree to make. Of the package its modules and its licence.
const GET: &str = r#"
mkdir -p "$1/lists/partial" "$1/archives/partial" "$2"
cd "$1"
apt() { apt-get -qq -o Dir::State::Lists="$1/lists" -o Dir::Cache="$1" -o APT::Sandbox::User=root "$2" $3; }
apt "$1" update ''
rm -f novnc_*.deb
apt "$1" download novnc
dpkg-deb --fsys-tarfile novnc_*.deb | tar -x -C "$2" ./usr/share/novnc/core ./usr/share/novnc/vendor ./usr/share/doc/novnc/copyright
"#;

/// The tree with `/usr/share/novnc`; made if it is missing, once for each toolbox.
pub fn ensure(toolbox: &Toolbox) -> Result<PathBuf> {
    let tools = toolbox.tree().file_name().unwrap_or_default().to_string_lossy();
    let tree = place::cache("")?.join(tools.replace("toolbox", "novnc"));
    if tree.exists() {
        return Ok(tree);
    }
    let part = tree.with_extension("part");
    place::remove_tree(&part)?;
    let work = place::cache("work")?.join("novnc");
    let mut get = toolbox.command("sh");
    get.args(["-euc", GET, "novnc"]).arg(&work).arg(&part);
    step::run("Fetching noVNC", &mut get, toolbox::NETWORK)?;
    place::remove_tree(&work)?;
    std::fs::rename(&part, &tree).map_err(Error::io("cannot put in its place", &tree))?;
    Ok(tree)
}
