//! A good file, and what is wrong with it after a change.

use varde_site::{Finding, parse};

pub const GOOD: &str = r#"version = 1

[site]
name = "nord"
title = "Nordsjø"
counties = ["Agder", "Telemark"]

[[account]]
name = "kari"
title = "Kari"
role = "admin"
password_hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"

[[zone]]
name = "klinikk"
title = "Klinikk"
address = "10.20.0.1/24"

[[vm]]
name = "db"
title = "Database"
cpus = 2
memory = "512 MiB"
zone = "klinikk"
address = "10.20.0.11"

[[vm.disk]]
name = "system"
image = "postgresql.qcow2"
size = "8 GiB"

[[vm.check]]
kind = "tcp"
port = 5432

[[vm]]
name = "web"
title = "Web"
cpus = 1
memory = "256 MiB"
zone = "klinikk"
after = ["db"]

[[vm.disk]]
name = "system"
size = "1 GiB"
"#;

pub fn findings(text: &str) -> Vec<Finding> {
    parse(text).err().unwrap_or_default()
}

/// `line:column text | remedy`, in English.
pub fn shown(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|f| format!("{}:{} {} | {}", f.line, f.column, f.text.en, f.remedy.en))
        .collect()
}

/// Changes one place of the good file; the findings are exactly these.
#[track_caller]
pub fn change(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(GOOD.matches(from).count(), 1, "{from:?} is not there once");
    let found = findings(&GOOD.replace(from, to));
    assert_eq!(shown(&found), expected);
    for finding in found {
        assert!(!finding.text.nb.is_empty() && !finding.remedy.nb.is_empty());
        assert_ne!(finding.text.nb, finding.text.en);
    }
}
