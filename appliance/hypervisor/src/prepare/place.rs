//! What only root can make: directories of the machine's user, its tap device, its limits.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::Group;
use varde_site::Vm;
use zbus::{Connection, Variant};

use crate::admission::CEILING;
use crate::paths::Paths;
use crate::systemd::ManagerProxy;
use crate::{Error, identity};

/// The group that the daemon runs in; it reads sockets, logs and disk sizes.
const DAEMON_GROUP: &str = "varde-hypervisor";

/// The machine's, readable to the daemon; what is made inside belongs to the daemon's group as well.
const MODE: u32 = 0o2750;

/// systemd's way to say that a limit is not set.
const UNSET: u64 = u64::MAX;

pub fn directories(vm: &Vm, paths: &Paths) -> Result<(), Error> {
    let group = Group::from_name(DAEMON_GROUP)
        .ok()
        .flatten()
        .ok_or_else(|| Error::NoUser(DAEMON_GROUP.to_owned()))?;
    for path in [paths.disks(&vm.name), paths.run(&vm.name)] {
        make(&path, vm.uid(), group.gid.as_raw())?;
    }
    Ok(())
}

/// The parent is root's, so nobody can have put something else in its place.
fn make(path: &Path, uid: u32, gid: u32) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::file("create", path)(error));
        }
        _ => {}
    }
    std::os::unix::fs::lchown(path, Some(uid), Some(gid)).map_err(Error::file("give away", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .map_err(Error::file("set permissions of", path))
}

/// A tap device that the machine's user may open, on the bridge of its zone. It stays from one start to the next.
pub fn network(vm: &Vm, paths: &Paths) -> Result<(), Error> {
    let tap = identity::tap(&vm.name);
    let bridge = vm.bridge();
    let device = paths.network_interface(&tap);
    let exists = device.exists();
    if exists
        && fs::read_link(device.join("master")).is_ok_and(|master| master.ends_with(&bridge))
        && is_up(&device)
    {
        return Ok(());
    }
    let mut orders = String::new();
    if !exists {
        orders.push_str(&format!("tuntap add dev {tap} mode tap user {}\n", vm.uid()));
    }
    orders.push_str(&format!(
        "link set dev {tap} master {bridge}\nlink set dev {tap} up\n"
    ));
    ip(&orders, &format!("for {tap} on {bridge}"))
}

fn is_up(device: &Path) -> bool {
    const IFF_UP: u32 = 1;
    fs::read_to_string(device.join("flags"))
        .ok()
        .and_then(|flags| u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).ok())
        .is_some_and(|flags| flags & IFF_UP != 0)
}

fn ip(orders: &str, doing: &str) -> Result<(), Error> {
    let failed = |said: String| Error::Program {
        program: "ip",
        doing: doing.to_owned(),
        said,
    };
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(orders.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(
        String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
    ))
}

/// What the unit may use, until the next start says otherwise. They cannot stand in the unit file, which is the same
/// for all machines.
pub async fn limits(vm: &Vm) -> Result<(), Error> {
    // Where systemd is not in charge, as in a test, nobody keeps limits.
    if !sd_notify::booted().unwrap_or(false) {
        return Ok(());
    }
    let quota = vm
        .limits
        .cpu_quota
        .map_or(UNSET, |percent| percent.saturating_mul(10_000));
    let connection = Connection::system().await?;
    let manager = ManagerProxy::builder(&connection)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await?;
    let properties = [
        ("MemoryMax", Variant::from(vm.memory.saturating_add(CEILING))),
        ("CPUWeight", Variant::from(vm.limits.cpu_weight.unwrap_or(UNSET))),
        ("CPUQuotaPerSecUSec", Variant::from(quota)),
        ("IOWeight", Variant::from(vm.limits.io_weight.unwrap_or(UNSET))),
    ];
    manager
        .set_unit_properties(&identity::unit(&vm.name), true, &properties)
        .await?;
    Ok(())
}
