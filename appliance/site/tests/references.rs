//! Every fault in what tables say about each other, with its exact place.

mod common;

use common::change;

#[test]
fn a_name_that_is_used_twice() {
    let remedy = "Give one of them another name";
    change(
        "name = \"web\"",
        "name = \"db\"",
        &[
            &format!("37:8 The name \"db\" is used before, in [[vm]] on line 20 | {remedy}"),
            "42:10 The machine waits for itself | \
             Remove one of the names in \"after\", so that there is a machine that can start first",
        ],
    );
    change(
        "size = \"8 GiB\"\n",
        "size = \"8 GiB\"\n[[vm.disk]]\nname = \"system\"\nsize = \"1 MiB\"\n",
        &[&format!(
            "32:8 The name \"system\" is used before, in [[vm.disk]] on line 28 | {remedy}"
        )],
    );
    change(
        "[[zone]]",
        "[[zone]]\nname = \"klinikk\"\ntitle = \"x\"\naddress = \"none\"\n[[zone]]",
        &[
            &format!("19:8 The name \"klinikk\" is used before, in [[zone]] on line 15 | {remedy}"),
            "29:11 The zone \"klinikk\" has no address, so Varde can neither give the machine this address nor reach it there | \
             Remove \"address\", or give the zone an address",
        ],
    );
}

#[test]
fn addresses_of_zones() {
    let remedy =
        "Write an address with the length of its network, such as \"10.20.0.1/24\", or \"dhcp\" or \"none\"";
    for (address, why) in [
        ("10.20.0.1", "\"10.20.0.1\" is not an address of a zone"),
        ("10.20.0.300/24", "\"10.20.0.300/24\" is not an address of a zone"),
        ("10.20.0.1/+24", "\"10.20.0.1/+24\" is not an address of a zone"),
        ("fd00::1/64", "\"fd00::1/64\" is not an address of a zone"),
        (
            "10.20.0.1/31",
            "The length of the network must be from 8 to 30, not 31",
        ),
        ("127.0.0.1/24", "127.0.0.1 cannot be used in an ordinary network"),
        ("224.0.0.1/24", "224.0.0.1 cannot be used in an ordinary network"),
    ] {
        let expected = format!("17:11 {why} | {remedy}");
        change("\"10.20.0.1/24\"", &format!("\"{address}\""), &[&expected]);
    }
    for address in ["10.20.0.0", "10.20.0.255"] {
        let expected = format!(
            "17:11 {address} is the network's own or its broadcast address | \
             Choose an address in the network, such as \"10.20.0.1/24\""
        );
        change("\"10.20.0.1/24\"", &format!("\"{address}/24\""), &[&expected]);
    }
    change(
        "[[zone]]",
        "[[zone]]\nname = \"b\"\ntitle = \"B\"\naddress = \"10.20.0.65/26\"\n\n[[zone]]",
        &[
            "22:11 The network 10.20.0.0/24 overlaps 10.20.0.64/26 on line 17 | Give each zone a network of its own",
        ],
    );
}

#[test]
fn uplinks() {
    let zone = |uplink: &str| format!("address = \"10.20.0.1/24\"\nuplink = \"{uplink}\"");
    change(
        "address = \"10.20.0.1/24\"",
        &zone("br-klinikk"),
        &[
            "18:10 \"br-klinikk\" belongs to Varde itself and cannot be a network interface of the blade | \
             Write for instance uplink = \"eth1\"",
        ],
    );
    change(
        "address = \"10.20.0.1/24\"",
        &zone("eth1/2"),
        &["18:10 \"eth1/2\" is not the name of a network interface | Write for instance uplink = \"eth1\""],
    );
    let other = "\n[[zone]]\nname = \"b\"\ntitle = \"B\"\naddress = \"none\"\nuplink = \"eth1\"";
    change(
        "address = \"10.20.0.1/24\"",
        &format!("{}{other}", zone("eth1")),
        &[
            "23:10 The interface \"eth1\" already belongs to the zone on line 18 | \
             An interface can belong to several zones only when each has a vlan of its own",
        ],
    );
}

#[test]
fn vlans_and_bonds() {
    let zones = |first: &str, second: &str| {
        format!(
            "address = \"10.20.0.1/24\"\nuplink = \"bond0\"\n{first}\n[[zone]]\nname = \"b\"\ntitle = \"B\"\n\
             address = \"none\"\nuplink = \"bond0\"\n{second}\n[[bond]]\nname = \"bond0\"\ncards = [\"eno1\", \"eno2\"]"
        )
    };
    let from = "address = \"10.20.0.1/24\"";
    change(from, &zones("vlan = 10", "vlan = 20"), &[]);
    let shared = "already belongs to the zone on line 18 | \
                  An interface can belong to several zones only when each has a vlan of its own";
    for (first, second) in [
        ("vlan = 10", "vlan = 10"),
        ("vlan = 10", ""),
        ("", "vlan = 10"),
        ("", ""),
    ] {
        change(
            from,
            &zones(first, second),
            &[&format!("24:10 The interface \"bond0\" {shared}")],
        );
    }
    change(
        from,
        &zones("vlan = 4095", "vlan = 20"),
        &["19:8 \"vlan\" must be from 1 to 4094, not 4095 | Write for instance vlan = 20"],
    );
    change(
        from,
        &zones("vlan = 10", "vlan = 20").replace("\"bond0\"\ncards", "\"bond1\"\ncards"),
        &[
            "18:10 There is no bond \"bond0\" | Write a [[bond]] with that name",
            "24:10 There is no bond \"bond0\" | Write a [[bond]] with that name",
        ],
    );
    change(
        from,
        &zones("vlan = 10", "vlan = 20").replace("name = \"bond0\"", "name = \"eno9\""),
        &[
            "18:10 There is no bond \"bond0\" | Write a [[bond]] with that name",
            "24:10 There is no bond \"bond0\" | Write a [[bond]] with that name",
            "27:8 \"eno9\" is not a name for a bond | Write \"bond\" and a number, such as \"bond0\"",
        ],
    );
    change(
        from,
        &zones("vlan = 10", "vlan = 20").replace("uplink = \"bond0\"\nvlan = 20", "uplink = \"eno2\""),
        &[
            "24:10 The interface \"eno2\" already belongs to a bond, on line 27 | \
             Let it belong to one bond, and write the bond's name as the uplink",
        ],
    );
    change(
        from,
        "address = \"10.20.0.1/24\"\nvlan = 10",
        &[
            "18:8 A VLAN needs a network interface that it runs on | Write uplink, such as \"eth1\", or remove vlan",
        ],
    );
}

#[test]
fn gateways() {
    let zone = |more: &str| format!("address = \"10.20.0.1/24\"\n{more}");
    for (router, expected) in [
        (
            "10.20.1.1",
            "18:11 10.20.1.1 is nobody else's address in the network 10.20.0.0/24 | Write the router's address in the zone's own network",
        ),
        (
            "10.20.0.1",
            "18:11 10.20.0.1 is nobody else's address in the network 10.20.0.0/24 | Write the router's address in the zone's own network",
        ),
        (
            "router",
            "18:11 \"router\" is not an address | Write the address of the router in the network, such as \"10.20.0.254\"",
        ),
    ] {
        let gateway = format!("gateway = \"{router}\"");
        change("address = \"10.20.0.1/24\"", &zone(&gateway), &[expected]);
    }
    let good = zone("gateway = \"10.20.0.254\"");
    change("address = \"10.20.0.1/24\"", &good, &[]);
    let other =
        "\n[[zone]]\nname = \"b\"\ntitle = \"B\"\naddress = \"10.21.0.1/24\"\ngateway = \"10.21.0.254\"";
    change(
        "address = \"10.20.0.1/24\"",
        &format!("{good}{other}"),
        &["23:11 There is a router already, on line 18 | Only one zone can lead out; remove one of them"],
    );
    change(
        "address = \"10.20.0.1/24\"",
        "address = \"dhcp\"\ngateway = \"10.20.0.254\"",
        &[
            "18:11 A router needs the appliance to have an address of its own in the zone | \
             Give the zone an address, such as \"10.20.0.1/24\"; with \"dhcp\" the DHCP server says who the router is",
        ],
    );
}

#[test]
fn addresses_of_machines() {
    let remedy = "Choose a free address from 10.20.0.1 to 10.20.0.254";
    for (address, why) in [
        (
            "10.21.0.11",
            "10.21.0.11 is not in the zone's network 10.20.0.0/24",
        ),
        ("10.20.0.1", "10.20.0.1 is Varde's own address in the zone"),
        (
            "10.20.0.0",
            "10.20.0.0 is the network's own or its broadcast address",
        ),
        (
            "10.20.0.255",
            "10.20.0.255 is the network's own or its broadcast address",
        ),
    ] {
        let expected = format!("25:11 {why} | {remedy}");
        change("\"10.20.0.11\"", &format!("\"{address}\""), &[&expected]);
    }
    change(
        "\"10.20.0.11\"",
        "\"10.20.0.11/24\"",
        &["25:11 \"10.20.0.11/24\" is not an IPv4 address | Write for instance address = \"10.20.0.11\""],
    );
    change(
        "after = [\"db\"]",
        "address = \"10.20.0.11\"",
        &[
            "42:11 The address 10.20.0.11 is already given to the machine on line 25 | \
             Give each machine an address of its own",
        ],
    );
    change(
        "address = \"10.20.0.11\"\n",
        "",
        &[
            "31:1 A check of a TCP port needs the machine to have an address | \
             Write for instance address = \"10.20.0.11\" below [[vm]]",
        ],
    );
}

#[test]
fn checks() {
    change(
        "kind = \"tcp\"",
        "kind = \"agent\"",
        &["34:8 \"port\" belongs to kind = \"tcp\" only | Remove \"port\", or write kind = \"tcp\""],
    );
    change(
        "port = 5432\n",
        "port = 5432\n[[vm.check]]\nport = 5432\nkind = \"tcp\"\n",
        &["37:8 This check is there twice for the same machine | Remove one of them"],
    );
}

#[test]
fn what_waits_for_what() {
    change(
        "after = [\"db\"]",
        "after = [\"bd\", \"mail\"]",
        &[
            "42:10 There is no machine \"bd\" | Did you mean \"db\"?",
            "42:16 There is no machine \"mail\" | These exist: db, web",
        ],
    );
    change(
        "after = [\"db\"]",
        "after = [\"db\", \"db\"]",
        &["42:16 \"db\" is twice in \"after\" | Remove one of them"],
    );
    let remedy = "Remove one of the names in \"after\", so that there is a machine that can start first";
    change(
        "after = [\"db\"]",
        "after = [\"web\"]",
        &[&format!("42:10 The machine waits for itself | {remedy}")],
    );
    change(
        "address = \"10.20.0.11\"",
        "address = \"10.20.0.11\"\nafter = [\"web\"]",
        &[&format!(
            "43:10 These machines wait for each other in a circle: db → web → db | {remedy}"
        )],
    );
}
