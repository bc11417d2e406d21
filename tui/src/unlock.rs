//! Whether a password is right: asked of `unix_chkpwd`, pam_unix's own helper, which may read the hash and tells
//! only yes or no.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::event::Unlock;
use crate::secret::Secret;

const HELPER: &str = "/usr/sbin/unix_chkpwd";
const LIMIT: Duration = Duration::from_secs(15);

/// The helper reads the password from its standard input, ended by NUL; it never stands on a command line.
pub async fn check(user: &str, password: &Secret) -> Unlock {
    match tokio::time::timeout(LIMIT, ask(HELPER, user, password)).await {
        Ok(Ok(true)) => Unlock::Right,
        Ok(Ok(false)) => Unlock::Wrong,
        Ok(Err(error)) => Unlock::Unchecked(format!("{HELPER}: {error}")),
        Err(_) => Unlock::Unchecked(format!("{HELPER}: no answer within {} s", LIMIT.as_secs())),
    }
}

async fn ask(helper: &str, user: &str, password: &Secret) -> std::io::Result<bool> {
    let mut child = Command::new(helper)
        .args([user, "nonull"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let mut line = password.reveal().as_bytes().to_vec();
        line.push(0);
        // A helper that has answered already does not read on; its answer counts.
        let written = stdin.write_all(&line).await;
        line.fill(0);
        drop(stdin);
        if let Err(error) = written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            return Err(error);
        }
    }
    Ok(child.wait().await?.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A helper that takes one password, as the real one reads it.
    fn helper(directory: &std::path::Path) -> String {
        let path = directory.join("chkpwd");
        std::fs::write(
            &path,
            "#!/bin/sh\n[ \"$1 $2\" = 'kari nonull' ] || exit 9\n[ \"$(od -An -c | tr -d ' \\n')\" = 'riktig\\0' ]\n",
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn secret(text: &str) -> Secret {
        let mut secret = Secret::default();
        text.chars().for_each(|character| secret.push(character));
        secret
    }

    #[tokio::test]
    async fn the_password_goes_to_the_helper_ended_by_nul() {
        let directory = tempfile::tempdir().unwrap();
        let helper = helper(directory.path());
        assert!(ask(&helper, "kari", &secret("riktig")).await.unwrap());
        assert!(!ask(&helper, "kari", &secret("riktigere")).await.unwrap());
        assert!(ask("/nonexistent/helper", "kari", &secret("x")).await.is_err());
    }
}
