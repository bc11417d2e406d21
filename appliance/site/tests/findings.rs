//! Every fault of a file that a table has by itself, with its exact place.

mod common;

use common::{GOOD, change, findings, shown};
use varde_site::{Kept, parse, parse_keeping};

#[test]
fn the_good_file_is_good() {
    assert_eq!(shown(&findings(GOOD)), [""; 0]);
}

#[test]
fn a_key_that_nobody_knows() {
    change(
        "zone = \"klinikk\"\naddress",
        "zoen = \"klinikk\"\naddress",
        &[
            "19:1 [[vm]] lacks \"zone\" | Write for instance zone = \"klinikk\"",
            "24:1 [[vm]] has no key \"zoen\" | Did you mean \"zone\"?",
        ],
    );
    change(
        "version = 1\n",
        "version = 1\nbackup = true\n",
        &[
            "2:1 site.toml has no key \"backup\" | These exist: version, site, account, bond, zone, vm, database, telephony, recipe, portal, person, desktop_pool, tunnel, update, ssh",
        ],
    );
    change(
        "port = 5432\n",
        "port = 5432\nwihtin = \"5 min\"\n",
        &["35:1 [[vm.check]] has no key \"wihtin\" | Did you mean \"within\"?"],
    );
    change(
        "address = \"10.20.0.11\"\n",
        "address = \"10.20.0.11\"\n[vm.limits]\n  cpu_wieght = 5\n",
        &["27:3 [vm.limits] has no key \"cpu_wieght\" | Did you mean \"cpu_weight\"?"],
    );
}

#[test]
fn a_key_that_is_missing() {
    change(
        "version = 1\n",
        "\n",
        &["1:1 site.toml lacks \"version\" | Write for instance version = 1"],
    );
    change(
        "title = \"Nordsjø\"\n",
        "",
        &["3:1 [site] lacks \"title\" | Write for instance title = \"Driftssenter Telemark\""],
    );
    change(
        "kind = \"tcp\"\n",
        "",
        &["32:1 [[vm.check]] lacks \"kind\" | Write for instance kind = \"agent\""],
    );
    change(
        "port = 5432\n",
        "",
        &["32:1 [[vm.check]] lacks \"port\" | Write for instance port = 5432"],
    );
    change(
        "[[vm.disk]]\nname = \"system\"\nsize = \"1 GiB\"\n",
        "",
        &["36:1 [[vm]] lacks \"disk\" | Write for instance [[vm.disk]]"],
    );
    assert_eq!(
        shown(&findings("version = 1\n")),
        [
            "1:1 site.toml lacks \"site\" | Write for instance [site]",
            "1:1 site.toml lacks \"account\" | Write for instance [[account]]"
        ]
    );
}

#[test]
fn a_version_that_is_not_known() {
    let expected = "1:11 This version of Varde knows only version = 1 of site.toml | \
                    Write version = 1, or upgrade Varde first if the file was made for a newer one";
    change("version = 1", "version = 2\nnonsense = 1", &[expected]);
    change("version = 1", "version = \"1\"", &[expected]);
}

#[test]
fn a_value_of_the_wrong_kind() {
    change(
        "cpus = 2",
        "cpus = \"2\"",
        &["22:8 \"cpus\" must be a whole number, not text in quotes | Write for instance cpus = 2"],
    );
    change(
        "memory = \"512 MiB\"",
        "memory = 512",
        &[
            "23:10 \"memory\" must be text in quotes, not a whole number | Write for instance memory = \"512 MiB\"",
        ],
    );
    change(
        "after = [\"db\"]",
        "after = \"db\"",
        &["42:9 \"after\" must be a list, not text in quotes | Write for instance after = [\"journal-db\"]"],
    );
    change(
        "after = [\"db\"]",
        "after = [\"db\", 1.5]",
        &[
            "42:16 \"after\" must be text in quotes, not a decimal number | Write for instance after = [\"journal-db\"]",
        ],
    );
    change(
        "cpus = 1",
        "cpus = 1\nautostart = 2026-01-01",
        &["40:13 \"autostart\" must be true or false, not a date | Write for instance autostart = true"],
    );
    change(
        "[[zone]]",
        "[zone]",
        &[
            "14:1 [[zone]] must be a series of tables, not a table | \
             Write [[zone]] on a line of its own, with its keys on the lines below",
            "24:8 There is no zone \"klinikk\" | Remove it",
            "41:8 There is no zone \"klinikk\" | Remove it",
        ],
    );
    change(
        "[site]",
        "[[site]]",
        &[
            "3:1 [site] must be a table, not a list | Write [site] on a line of its own, with its keys on the lines below",
        ],
    );
}

#[test]
fn a_number_out_of_range() {
    for cpus in ["0", "129", "-1", "99999999999999999999"] {
        let expected =
            format!("22:8 \"cpus\" must be from 1 to 128, not {cpus} | Write for instance cpus = 2");
        change("cpus = 2", &format!("cpus = {cpus}"), &[&expected]);
    }
    change(
        "port = 5432",
        "port = 0x1_0000",
        &["34:8 \"port\" must be from 1 to 65535, not 0x10000 | Write for instance port = 5432"],
    );
}

#[test]
fn sizes_and_times() {
    change(
        "\"512 MiB\"",
        "\"512 MB\"",
        &["23:10 \"MB\" is no unit here | Write \"512 MiB\"; the units are KiB, MiB, GiB, TiB"],
    );
    change(
        "\"512 MiB\"",
        "\"31 MiB\"",
        &["23:10 \"31 MiB\" is out of range: from 32 MiB to 4 TiB | Write for instance memory = \"512 MiB\""],
    );
    change(
        "\"512 MiB\"",
        "\"40000 KiB\"",
        &["23:10 \"40000 KiB\" is not a whole number of MiB | Write for instance memory = \"512 MiB\""],
    );
    change(
        "port = 5432",
        "port = 5432\nwithin = \"fem minutter\"",
        &[
            "35:10 \"fem minutter\" is not a whole number followed by a unit | Write for instance within = \"5 min\"",
        ],
    );
    change(
        "title = \"Nordsjø\"",
        "title = \"Nordsjø\"\nidle_lock = \"5 s\"",
        &["6:13 \"5 s\" is out of range: from 30 s to 24 h | Write for instance idle_lock = \"10 min\""],
    );
    change(
        "title = \"Nordsjø\"",
        "title = \"Nordsjø\"\nntp = [\"10.0.0.1\", \"ntp.uio.no\", \"0.0.0.0\", \"10.0.0.1\"]",
        &[
            "6:20 \"ntp.uio.no\" is no IP address; Varde looks up no names | Write for instance ntp = [\"192.0.2.123\"]",
            "6:34 0.0.0.0 is not the address of one server | Write for instance ntp = [\"192.0.2.123\"]",
            "6:45 The time server 10.0.0.1 is there twice | Remove one of them",
        ],
    );
    change(
        "title = \"Nordsjø\"",
        "title = \"Nordsjø\"\ndns = [\"ns.uio.no\"]",
        &[
            "6:8 \"ns.uio.no\" is no IP address; Varde looks up no names | Write for instance dns = [\"192.0.2.53\"]",
        ],
    );
    change(
        "title = \"Nordsjø\"",
        "title = \"Nordsjø\"\ndns = [\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\", \"10.0.0.4\"]",
        &["6:7 4 name servers are too many: only the first three are asked | Keep the best three"],
    );
    let update = "\n[update]\nkeys = [\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"]\n";
    for (key, why) in [
        (
            "source = \"http://updates.example.no/varde\"",
            "begins with https://",
        ),
        (
            "source = \"https://kari:x@updates.example.no/varde\"",
            "no user, no password",
        ),
        (
            "source = \"https://updates.example.no/varde?a=b\"",
            "letters, digits",
        ),
        (
            "source = \"https://updates.example.no/varde\"",
            "[update] lacks \"ca\"",
        ),
        (
            "ca = \"-----BEGIN CERTIFICATE-----\\n-----END CERTIFICATE-----\"",
            "[update] lacks \"source\"",
        ),
        (
            "ca = \"PEM\"\nsource = \"https://updates.example.no/varde\"",
            "no certificate",
        ),
    ] {
        let text = shown(&findings(&format!("{GOOD}{update}{key}\n"))).join("; ");
        assert!(text.contains(why), "{key}: {text}");
    }
}

#[test]
fn names() {
    let remedy = "Use small letters a–z, digits and hyphens, at most 22 characters, as in \"journal-db\"";
    for (name, why) in [
        ("", "it is empty"),
        ("Web", "it must begin with a small letter"),
        ("2web", "it must begin with a small letter"),
        ("we_b", "the character \"_\" is not allowed"),
        ("blåbær", "the character \"å\" is not allowed"),
        ("web-", "it ends in a hyphen"),
        ("a-machine-with-a-name-too-long", "it is too long"),
    ] {
        let expected = format!("37:8 \"{name}\" cannot be a name here: {why} | {remedy}");
        change("name = \"web\"", &format!("name = \"{name}\""), &[&expected]);
    }
    for name in ["root", "varde", "varde-kari", "systemd-network", "shadow"] {
        let expected = format!(
            "9:8 The account name \"{name}\" is taken by the system | Choose another name, such as the person's first name"
        );
        change("name = \"kari\"", &format!("name = \"{name}\""), &[&expected]);
    }
    change(
        "name = \"klinikk\"",
        "name = \"thirteen-char\"",
        &[
            "15:8 \"thirteen-char\" cannot be a name here: it is too long | \
             Use small letters a–z, digits and hyphens, at most 12 characters, as in \"journal-db\"",
            "24:8 There is no zone \"klinikk\" | Remove it",
            "41:8 There is no zone \"klinikk\" | Remove it",
        ],
    );
}

#[test]
fn titles_and_counties() {
    change(
        "title = \"Web\"",
        "title = \"We\\nb\"",
        &[
            "38:9 The text has control characters (a line break or a tab) | Write for instance title = \"Journaldatabase\"",
        ],
    );
    change(
        "title = \"Web\"",
        "title = \" \"",
        &["38:9 The text is empty | Write for instance title = \"Journaldatabase\""],
    );
    let long = "å".repeat(41);
    change(
        "title = \"Web\"",
        &format!("title = \"{long}\""),
        &["38:9 The text has 41 characters; at most 40 fit | Write for instance title = \"Journaldatabase\""],
    );
    let remedy = "Write for instance counties = [\"Telemark\", \"Vestfold\", \"Agder\"]";
    change(
        "[\"Agder\", \"Telemark\"]",
        "[]",
        &[&format!(
            "6:12 \"counties\" is empty; a site serves at least one county | {remedy}"
        )],
    );
    change(
        "[\"Agder\", \"Telemark\"]",
        "[\"Møre\", \"Møre\"]",
        &["6:21 The county \"Møre\" is there twice | Remove one of them"],
    );
}

#[test]
fn choices() {
    change(
        "role = \"admin\"",
        "role = \"amdin\"",
        &["11:8 There is no role \"amdin\" | Did you mean \"admin\"?"],
    );
    change(
        "title = \"Nordsjø\"",
        "title = \"Nordsjø\"\nlanguage = \"nn\"",
        &["6:12 There is no language \"nn\" | Did you mean \"nb\"?"],
    );
    change(
        "title = \"Nordsjø\"",
        "title = \"Nordsjø\"\ntimezone = \"Europa/Oslo\"",
        &["6:12 There is no time zone \"Europa/Oslo\" | Did you mean \"Europe/Oslo\"?"],
    );
    change(
        "kind = \"tcp\"",
        "kind = \"udp\"",
        &["33:8 There is no check \"udp\" | These exist: agent, tcp"],
    );
    change(
        "cpus = 1",
        "firmware = \"efi\"\ncpus = 1",
        &["39:12 There is no firmware \"efi\" | Did you mean \"uefi\"?"],
    );
}

#[test]
fn accounts() {
    change(
        "role = \"admin\"",
        "role = \"operator\"",
        &[
            "8:1 No account has the role \"admin\", so nobody could change anything later | \
             Give one of the accounts role = \"admin\"",
        ],
    );
    let remedy = "Make it with \"mkpasswd -m yescrypt\" or \"openssl passwd -6\" and paste the whole line";
    let hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";
    for bad in [
        "hemmelig",
        "$1$abcdefgh$0123456789012345678901",
        "",
        &hash[..70],
        "$6$salt$short",
    ] {
        let expected =
            format!("12:17 \"password_hash\" is not a hash that can be used ($y$ or $6$) | {remedy}");
        change(hash, bad, &[&expected]);
    }
    change(
        hash,
        "keep",
        &[
            "12:17 \"keep\" means the hash that the account has already, but \"kari\" is new | \
             Make a hash with \"mkpasswd -m yescrypt\" or \"openssl passwd -6\" and paste the whole line",
        ],
    );
    let kept = Kept::from([("kari".to_owned(), hash.to_owned())]);
    let site = parse_keeping(&GOOD.replace(hash, "keep"), &kept).unwrap();
    assert_eq!(site.accounts[0].password_hash, hash);
    let sha512 = format!("$6$rounds=5000$salt${}", "a".repeat(86));
    assert!(parse(&GOOD.replace(hash, &sha512)).is_ok());
}

#[test]
fn a_password_never_comes_into_a_message() {
    let found = findings(&GOOD.replace(
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
        "Sommer2026",
    ));
    assert!(!format!("{found:?}").contains("Sommer2026"));
}

#[test]
fn images_are_names_and_not_paths() {
    change(
        "\"postgresql.qcow2\"",
        "\"../etc/shadow\"",
        &[
            "29:9 \"../etc/shadow\" is a path; an image is a file name only | \
             Put the file in the image store, and write image = \"shadow\"",
        ],
    );
    change(
        "\"postgresql.qcow2\"",
        "\"a b\"",
        &[
            "29:9 \"a b\" cannot be the name of an image | Use letters a–z, digits, dots, hyphens and underscores, \
             at most 100 characters, as in \"postgresql.qcow2\"",
        ],
    );
}

#[test]
fn what_is_no_toml() {
    for (from, to, place, words) in [
        (
            "cpus = 2",
            "cpus = 2\ncpus = 3",
            "23:1",
            "This key or table is here a second time",
        ),
        ("[site]", "[site", "3:6", "The header lacks its closing \"]\""),
        (
            "[[zone]]",
            "[[zone]",
            "14:8",
            "The header lacks its closing \"]]\"",
        ),
        (
            "title = \"Web\"",
            "title = Web",
            "38:9",
            "Text must stand in quotes",
        ),
        ("cpus = 2", "cpus =", "22:7", "The key has no value"),
        ("cpus = 2", "cpus", "22:5", "The key has no value"),
        ("cpus = 2", "cpus = 02", "22:8", "A number cannot begin with 0"),
        (
            "title = \"Web\"",
            "title = \"Web",
            "38:13",
            "The text has a character that cannot stand there, or lacks its closing quote",
        ),
        (
            "[\"Agder\", \"Telemark\"]",
            "[\"Agder\" \"Telemark\"]",
            "6:21",
            "A comma is missing between two items",
        ),
    ] {
        let found = findings(&GOOD.replace(from, to));
        let shown = shown(&found);
        assert_eq!(shown.len(), 1, "{to}: {shown:?}");
        assert!(
            shown[0].starts_with(&format!("{place} {words} (")),
            "{to}: {shown:?}"
        );
    }
}

#[test]
fn everything_is_told_at_once_in_the_order_of_the_file() {
    let bad = GOOD
        .replace("role = \"admin\"", "role = \"boss\"")
        .replace("cpus = 2", "cpus = 0")
        .replace("after = [\"db\"]", "after = [\"x\"]");
    let places: Vec<u32> = findings(&bad).iter().map(|f| f.line).collect();
    assert_eq!(places, [11, 22, 42]);
}

#[test]
fn line_ends_and_marks_of_other_systems_are_no_fault() {
    assert!(parse(&GOOD.replace('\n', "\r\n")).is_ok());
    assert!(parse(&format!("\u{feff}{GOOD}")).is_ok());
    let tabbed = GOOD.replace("cpus = 2", "\tcpus\t=\t0 # æøå");
    let place = |text: &str| findings(text).first().map(|f| (f.line, f.column));
    assert_eq!(place(&tabbed), Some((22, 9)));
    assert_eq!(place(&tabbed.replace('\n', "\r\n")), Some((22, 9)));
    assert_eq!(place(&format!("\u{feff}{tabbed}")), Some((22, 9)));
    let inline = GOOD.replace(
        "counties = [\"Agder\", \"Telemark\"]",
        "counties = [\"Sørøya\", 1]",
    );
    assert_eq!(place(&inline), Some((6, 23)));
}

#[test]
fn a_flood_is_cut_off() {
    let many: String = (0..500).map(|number| format!("key{number} = 1\n")).collect();
    let found = findings(&many);
    assert_eq!(found.len(), 101);
    assert_eq!(found[100].text.en, "403 more faults are not shown");
    let huge = "#\n".repeat(varde_site::LONGEST_FILE / 2 + 1);
    let found = shown(&findings(&huge));
    assert!(found[0].starts_with("1:1 The file has 1048578 bytes; at most 1048576 can be read"));
    let long = format!("version = 1\n{}\n", "=".repeat(1024));
    let found = shown(&findings(&long));
    assert!(found[0].starts_with("2:1 The line has 1025 bytes; at most 1024 can be read"));
    let deep = format!("version = 1\nx = {}", "[\n".repeat(1000));
    assert!(!findings(&deep).is_empty());
    let deep = format!("version = 1\nx = {}", "{a=\n".repeat(1000));
    assert!(!findings(&deep).is_empty());
}
