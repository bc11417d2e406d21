//! Sees to it that the gates that the site declares run, each with the configuration that the site gives it.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;
use varde_bus::Text;
use varde_site::Engine;

use crate::Error;
use crate::bouncer;
use crate::settings::{ACCOUNT, Paths, Settings};

const SYSTEMCTL_MOST: Duration = Duration::from_secs(30);

/// Writes the gate's configuration and has it run. A gate that listens elsewhere than before is restarted, which costs
/// its clients their connections; any other change is taken up while it runs.
pub async fn provide(settings: &Settings, paths: &Paths) -> Result<(), Error> {
    let folder = paths.gate(&settings.database.name);
    std::fs::create_dir_all(&folder).map_err(|error| Error::file(&folder, &error))?;
    match settings.database.engine {
        Engine::Postgresql => provide_bouncer(settings, paths, &folder).await,
        Engine::Tcp => provide_relay(settings, paths, &folder).await,
    }
}

async fn provide_bouncer(settings: &Settings, paths: &Paths, folder: &Path) -> Result<(), Error> {
    let name = &settings.database.name;
    let password = std::fs::read_to_string(paths.password(name)).unwrap_or_default();
    certificate(folder, settings).await?;
    let config = settings.bouncer(paths);
    let before = std::fs::read_to_string(folder.join("pgbouncer.ini")).unwrap_or_default();
    let ini = config.ini();
    let mut changed = write(
        &folder.join("userlist.txt"),
        &bouncer::userlist(ACCOUNT, password.trim_end(), &paths.admin),
    )?;
    changed |= write(&folder.join("pgbouncer.hba"), &bouncer::hba(&paths.admin, true))?;
    changed |= write(&folder.join("pgbouncer.ini"), &ini)?;
    let unit = settings.gate_unit();
    let listens = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with("listen_"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    if !before.is_empty() && listens(&before) != listens(&ini) {
        return systemctl(&paths.systemctl, &["restart", &unit]).await;
    }
    systemctl(&paths.systemctl, &["start", &unit]).await?;
    if changed && !before.is_empty() {
        systemctl(&paths.systemctl, &["reload", &unit]).await?;
    }
    Ok(())
}

/// Whatever of it changes, a relay has to begin anew.
async fn provide_relay(settings: &Settings, paths: &Paths, folder: &Path) -> Result<(), Error> {
    let config = serde_json::to_string(&settings.relay_config(paths)).unwrap_or_default();
    let changed = write(&folder.join("relay.json"), &config)?;
    let verb = if changed { "restart" } else { "start" };
    systemctl(&paths.systemctl, &[verb, &settings.gate_unit()]).await
}

/// A database is no longer declared: nobody comes through its gate any more.
pub async fn withdraw(settings: &Settings, paths: &Paths) -> Result<(), Error> {
    systemctl(&paths.systemctl, &["stop", &settings.gate_unit()]).await
}

pub async fn systemctl(program: &Path, words: &[&str]) -> Result<(), Error> {
    let shown = words.join(" ");
    let run = Command::new(program).args(words).kill_on_drop(true).output();
    match timeout(SYSTEMCTL_MOST, run).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Error::failed(
                format!("systemctl {shown} mislyktes: {said}"),
                format!("systemctl {shown} failed: {said}"),
            ))
        }
        Ok(Err(error)) => Err(Error::failed(
            format!("systemctl {shown}: {error}"),
            format!("systemctl {shown}: {error}"),
        )),
        Err(_) => Err(Error::late(&Text::same(format!("systemctl {shown}")), 30_000)),
    }
}

/// Makes the gate's own certificate where it has none; an operator may put another in its place.
async fn certificate(folder: &Path, settings: &Settings) -> Result<(), Error> {
    let (certificate, key) = (folder.join("gate.crt"), folder.join("gate.key"));
    if certificate.exists() && key.exists() {
        return Ok(());
    }
    let (name, address) = (&settings.database.name, settings.database.gate.0);
    let run = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "3650",
        ])
        .args([
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            &format!("subjectAltName=IP:{address},DNS:{name}"),
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .kill_on_drop(true)
        .output();
    let what = Text::new("lage sertifikat til porten", "making the gate's certificate");
    let output = match timeout(SYSTEMCTL_MOST, run).await {
        Ok(output) => output.map_err(|error| Error::file(&certificate, &error))?,
        Err(_) => return Err(Error::late(&what, 30_000)),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::failed(
            format!("Mislyktes: {}: {said}", what.nb),
            format!("Failed: {}: {said}", what.en),
        ));
    }
    // openssl keeps the key to itself; the gate is another account, of the folder's group.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(&key, mode).map_err(|error| Error::file(&key, &error))
}

/// Whether the file is another one than before. Readable by the folder's group, which is the gate's.
pub fn write(path: &Path, text: &str) -> Result<bool, Error> {
    if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(false);
    }
    let write = || -> std::io::Result<()> {
        let part = path.with_extension("part");
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o640)
            .open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map(|()| true).map_err(|error| Error::file(path, &error))
}
