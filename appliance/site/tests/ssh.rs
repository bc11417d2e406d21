//! `[ssh]` and the keys of accounts.

mod common;

use common::{GOOD, change};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9aGaWRw1qYFGnF9UGzl3h2uDIjMvsxsHhKi9BULGya kari@skien";
const REMEDY: &str =
    "Make a key with \"ssh-keygen -t ed25519\" and paste the whole line of the file that ends in .pub";

/// The example with SSH on, and these keys of its account.
fn with(listen: &str, keys: &str, expected: &[&str]) {
    change(
        "[[zone]]",
        &format!("ssh_keys = [{keys}]\n\n[ssh]\nlisten = \"{listen}\"\n\n[[zone]]"),
        expected,
    );
}

#[test]
fn an_account_with_a_key_and_an_address_of_a_zone_or_all_of_them() {
    for listen in ["10.20.0.1:22", "0.0.0.0:22", "10.20.0.1:2222"] {
        with(listen, &format!("\"{KEY}\""), &[]);
    }
    let site = GOOD.replace(
        "[[zone]]",
        &format!("ssh_keys = [\"{KEY}\"]\n\n[ssh]\nlisten = \"0.0.0.0:22\"\n\n[[zone]]"),
    );
    let site = varde_site::parse(&site).unwrap();
    assert_eq!(site.accounts[0].ssh_keys, [KEY]);
    assert_eq!(site.ssh.unwrap().listen.port(), 22);
    assert_eq!(varde_site::parse(GOOD).unwrap().ssh, None);
}

#[test]
fn a_key_that_is_not_whole_or_of_a_kind_that_is_not_taken() {
    let cut = &KEY[..60];
    let other = KEY.replace("ssh-ed25519 ", "ecdsa-sha2-nistp256 ");
    let option = format!("command=x {KEY}");
    for key in [cut, &other, &option, "x", ""] {
        let mut shown: String = key.chars().take(60).collect();
        if shown != key {
            shown.push('…');
        }
        with(
            "10.20.0.1:22",
            &format!("\"{KEY}\", \"{key}\""),
            &[&format!(
                "14:{} \"{shown}\" is not a whole public key for SSH | {REMEDY}",
                17 + KEY.len()
            )],
        );
    }
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ== ola";
    with(
        "10.20.0.1:22",
        &format!("\"{KEY}\", \"{rsa}\""),
        &[&format!(
            "14:{} RSA keys are not taken: it does not show how strong they are | {REMEDY}",
            17 + KEY.len()
        )],
    );
}

#[test]
fn nobody_with_a_key_and_an_address_of_nobody() {
    with(
        "10.20.0.9:22",
        &format!("\"{KEY}\""),
        &[
            "17:10 10.20.0.9 is not Varde's own address in any zone | Write the address of a [[zone]], or \"0.0.0.0:22\" for all",
        ],
    );
    with(
        "10.20.0.1:22",
        "",
        &[
            "16:1 No account has a key, so nobody could log in by SSH | Give an [[account]] ssh_keys = [\"ssh-ed25519 AAAA…\"], or remove [ssh]",
        ],
    );
}
