//! The reader of `site.toml`.

/// `site.toml` of an operator: a site, or faults that each have a place in the file.
pub fn judge(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match varde_site::parse(text) {
        Ok(site) => {
            // What is shown has no hashes, and means the same once they are filled in again.
            let shown = varde_site::masked(text);
            let again = varde_site::parse(&varde_site::filled(&shown, &site.kept()));
            assert_eq!(again.as_ref(), Ok(&site), "shown as:\n{shown}");
        }
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a fault");
            let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX).max(1);
            for finding in findings {
                assert!(
                    finding.column >= 1 && (1..=lines + 1).contains(&finding.line),
                    "{finding:?}"
                );
            }
        }
    }
}
