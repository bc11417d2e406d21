//! The system's own tools.

use std::process::{Command, Stdio};

use crate::{Error, Result};

/// What a tool says on its standard output.
pub fn run(tool: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(tool).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(Error::io("start", tool))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    Err(Error::Tool {
        tool: tool.to_owned(),
        said: if said.is_empty() {
            output.status.to_string()
        } else {
            said.replace('\n', "; ")
        },
    })
}

/// What a tool says when it is told something that nobody else may read.
pub fn told(tool: &str, arguments: &[&str], secret: &str) -> Result<String> {
    use std::io::Write as _;
    let mut child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io("start", tool))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(secret.as_bytes())
            .map_err(Error::io("speak to", tool))?;
    }
    let output = child.wait_with_output().map_err(Error::io("hear", tool))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(Error::Tool {
        tool: tool.to_owned(),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
