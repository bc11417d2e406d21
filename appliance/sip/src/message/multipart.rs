//! Bodies of several parts (RFC 2046 §5.1): a phone that knows where it is sends its place beside the session description
//! when it calls for help (RFC 6442), and exchanges send the ISDN's own message so (RFC 3204).

use super::Params;

/// The first part that is a session description, of a body whose Content-Type has these parameters.
pub(super) fn sdp(params: &str, body: &[u8]) -> Option<String> {
    let params = Params::parse(params);
    let boundary = params.get("boundary").filter(|boundary| !boundary.is_empty())?;
    let delimiter = format!("--{boundary}");
    let mut part: Option<Vec<&[u8]>> = None;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let after = line.trim_ascii_end().strip_prefix(delimiter.as_bytes());
        if let Some(after @ (b"" | b"--")) = after {
            if let Some(found) = part.and_then(|lines| content(&lines)) {
                return Some(found);
            }
            if !after.is_empty() {
                return None;
            }
            part = Some(Vec::new());
        } else if let Some(lines) = &mut part {
            lines.push(line);
        }
    }
    // A part that has no end is not whole.
    None
}

/// The content of a part, if it is a session description.
fn content(lines: &[&[u8]]) -> Option<String> {
    let end = lines.iter().position(|line| line.trim_ascii().is_empty())?;
    let (head, content) = lines.split_at(end);
    let is_sdp = head.iter().any(|line| {
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let kind = value.split(';').next().unwrap_or_default().trim();
        name.trim().eq_ignore_ascii_case("content-type") && kind.eq_ignore_ascii_case("application/sdp")
    });
    let content = content.get(1..)?.concat();
    (is_sdp && !content.is_empty())
        .then(|| String::from_utf8(content).ok())
        .flatten()
}
