//! `[portal]`, `[[person]]` and `[[desktop_pool]]`: who comes in from a device of their own, where, and to what.

use std::net::SocketAddrV4;

use serde::{Deserialize, Serialize};

use crate::{Disk, Firmware, Limits, Vm};

/// `[portal]`: where people log in with a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portal {
    /// Name or address that people write in the browser, without a port.
    pub name: String,
    /// `0.0.0.0` is every address of the appliance.
    pub listen: SocketAddrV4,
    /// Seconds without a sign of the person after which a session ends.
    pub idle: u64,
    /// Seconds after which it ends whatever the person does.
    pub longest: u64,
}

impl Portal {
    /// As a browser writes it in `Host`, and after `https://` in `Origin` (RFC 6454 §6.1): without the usual port.
    pub fn authority(&self) -> String {
        match self.listen.port() {
            443 => self.name.clone(),
            port => format!("{}:{port}", self.name),
        }
    }
}

/// `[[person]]`: somebody who uses the site from a device of their own. No account of the appliance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub name: String,
    pub title: String,
    /// Names of the zones that the person's devices reach over the tunnel.
    pub reach: Vec<String>,
}

/// `[[desktop_pool]]`: virtual desktops that are clones of one golden image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesktopPool {
    pub name: String,
    pub title: String,
    /// Golden image, in the image store or on the media disk.
    pub image: String,
    pub zone: String,
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    /// Bytes, as the guest sees its disk; at least the image's own size.
    pub disk: u64,
    pub desktops: Desktops,
    /// Names of persons; `*` is everybody.
    pub persons: Vec<String>,
    /// Seconds after which a desktop that nobody looks at is shut down.
    pub park: u64,
}

/// How desktops belong to persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Desktops {
    /// One for each person, whose disk is kept.
    Own,
    /// One for each person, made anew from the golden image at each log-out.
    Fresh,
    /// So many, which go from hand to hand, each made anew in between.
    Floating(u32),
}

impl DesktopPool {
    pub fn admits(&self, person: &str) -> bool {
        self.persons.iter().any(|name| name == person || name == "*")
    }

    /// Whether what was written to a desktop goes at the log-out.
    pub fn forgets(&self) -> bool {
        self.desktops != Desktops::Own
    }

    /// The persons whom it admits, in the order of the file.
    fn admitted<'a>(&'a self, persons: &'a [Person]) -> impl Iterator<Item = &'a str> {
        let names = persons.iter().map(|person| person.name.as_str());
        names.filter(|name| self.admits(name))
    }

    /// The machines that it consists of: declared by nobody, they follow from the pool.
    pub fn machines(&self, persons: &[Person]) -> Vec<Vm> {
        let names: Vec<String> = match self.desktops {
            Desktops::Floating(count) => (1..=count).map(|number| number.to_string()).collect(),
            Desktops::Own | Desktops::Fresh => self.admitted(persons).map(str::to_owned).collect(),
        };
        names.iter().map(|name| self.machine(name)).collect()
    }

    /// Name of a person's own desktop, or of a floating one by its number.
    pub fn machine_name(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    fn machine(&self, of: &str) -> Vm {
        Vm {
            name: self.machine_name(of),
            title: self.title.clone(),
            group: self.name.clone(),
            cpus: self.cpus,
            memory: self.memory,
            zone: self.zone.clone(),
            address: None,
            firmware: Firmware::Bios,
            autostart: false,
            after: Vec::new(),
            disks: vec![Disk {
                name: "system".to_owned(),
                image: Some(self.image.clone()),
                size: self.disk,
            }],
            checks: Vec::new(),
            limits: Limits::default(),
            shutdown_timeout: SHUTDOWN,
            desktop: true,
        }
    }
}

/// Seconds: a desktop has little to save that its person has not.
const SHUTDOWN: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(desktops: Desktops, persons: &[&str]) -> DesktopPool {
        DesktopPool {
            name: "kontor".into(),
            title: "Kontor".into(),
            image: "desktop".into(),
            zone: "klinikk".into(),
            cpus: 1,
            memory: 1 << 30,
            disk: 8 << 30,
            desktops,
            persons: persons.iter().map(|name| (*name).to_owned()).collect(),
            park: 1800,
        }
    }

    fn names(pool: &DesktopPool) -> Vec<String> {
        let person = |name: &str| Person {
            name: name.into(),
            title: name.into(),
            reach: Vec::new(),
        };
        let all = [person("anne"), person("per")];
        pool.machines(&all).into_iter().map(|vm| vm.name).collect()
    }

    #[test]
    fn a_pool_is_a_machine_for_each_person_or_a_number_of_them() {
        assert_eq!(names(&pool(Desktops::Own, &["per"])), ["kontor-per"]);
        assert_eq!(
            names(&pool(Desktops::Fresh, &["*"])),
            ["kontor-anne", "kontor-per"]
        );
        assert_eq!(
            names(&pool(Desktops::Floating(2), &["anne"])),
            ["kontor-1", "kontor-2"]
        );
    }

    #[test]
    fn the_usual_port_is_not_written() {
        let mut portal = Portal {
            name: "pult.example.no".into(),
            listen: "0.0.0.0:443".parse().unwrap(),
            idle: 1,
            longest: 1,
        };
        assert_eq!(portal.authority(), "pult.example.no");
        portal.listen.set_port(8443);
        assert_eq!(portal.authority(), "pult.example.no:8443");
    }
}
