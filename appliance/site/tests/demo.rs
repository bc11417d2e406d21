//! The demo site of the image is a good one.

use varde_site::{CheckKind, DatabaseServer, Role, parse};

#[test]
fn the_demo_site_passes_its_own_checks() {
    let site = parse(include_str!("../../../image/demo/site.toml")).unwrap();
    assert_eq!(site.site.counties, ["Telemark", "Vestfold", "Agder"]);
    let accounts: Vec<_> = site.accounts.iter().map(|a| (a.name.as_str(), a.role)).collect();
    assert_eq!(
        accounts,
        [
            ("operator", Role::Operator),
            ("admin", Role::Admin),
            ("viewer", Role::Viewer)
        ]
    );
    let database = &site.vms[0];
    assert_eq!(
        (database.name.as_str(), database.memory),
        ("journal-db", 512 << 20)
    );
    assert_eq!(database.checks[1].kind, CheckKind::Tcp(5432));
    let restarted = &site.databases[0];
    assert_eq!(restarted.server, DatabaseServer::Vm("journal-db".into()));
    assert_eq!(restarted.restart.stall_budget, 500);
}
