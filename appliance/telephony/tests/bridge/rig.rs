//! A bridge of its own for each test, as a site declares it.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use varde_line::udp::Bound;
use varde_site::Telephony;
use varde_telephony::bridge::{Bridge, Order};
use varde_telephony::store::Stored;

use varde_telephony_lab::{PATIENCE, Pbx};

const SITE: &str = r#"version = 1
[site]
name = "fylke"
title = "Fylke"
counties = ["Telemark"]
[[account]]
name = "kari"
title = "Kari"
role = "admin"
password_hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
"#;

/// Reads `[telephony]` as a site has it.
pub fn telephony(text: &str) -> Telephony {
    let whole = format!("{SITE}{text}");
    match varde_site::parse(&whole) {
        Ok(site) => site.telephony.unwrap(),
        Err(findings) => panic!("{findings:#?}\n{whole}"),
    }
}

/// A port of loopback that nobody has.
pub fn free() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub struct Rig {
    _folder: TempDir,
    orders: mpsc::Sender<Order>,
    next: u64,
}

impl Rig {
    pub async fn start(telephony: Telephony) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bridge = Bridge::new(folder.path()).unwrap();
        let (orders, receiver) = mpsc::channel(16);
        tokio::spawn(bridge.run(receiver));
        let mut rig = Self {
            _folder: folder,
            orders,
            next: 0,
        };
        rig.follow(telephony).await;
        rig
    }

    pub async fn follow(&mut self, telephony: Telephony) {
        self.next += 1;
        let generation = self.next;
        self.with(move |bridge| bridge.follow(Some(telephony), &TimeZone::UTC, generation))
            .await;
    }

    pub async fn with<T: Send + 'static>(&self, order: impl FnOnce(&mut Bridge) -> T + Send + 'static) -> T {
        let (reply, answer) = oneshot::channel();
        let order: Order = Box::new(move |bridge| drop(reply.send(order(bridge))));
        assert!(self.orders.send(order).await.is_ok());
        answer.await.unwrap()
    }

    /// Waits until every channel of a line is free.
    pub async fn rests(&self, line: &'static str) {
        let rests = async {
            while !self.with(|bridge| bridge.is_at_rest(line)).await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, rests).await.is_ok(),
            "line {line} does not come to rest"
        );
    }

    /// Waits until SIP is listened to.
    pub async fn listens(&self) {
        let listens = async {
            while !self.with(|bridge| bridge.listens()).await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, listens).await.is_ok(),
            "SIP is not listened to"
        );
    }

    /// Waits for the records of so many calls; newest first.
    pub async fn records(&self, count: usize) -> Vec<Stored> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let records = self.with(|bridge| bridge.reader().read(0, 100)).await;
            if records.len() >= count {
                return records;
            }
            assert!(tokio::time::Instant::now() < deadline, "only {records:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Two exchanges of the site, each on a primary rate line: `vest` has 355010xx, `ost` has 355020xx.
pub struct TwoLines {
    pub rig: Rig,
    pub vest: Pbx,
    pub ost: Pbx,
    pub addresses: [SocketAddr; 4],
}

pub fn two_lines(addresses: &[SocketAddr; 4], more: &str) -> String {
    let [vest, vest_far, ost, ost_far] = addresses;
    format!(
        r#"
[telephony]
domain = "telefoni.fylke.no"
listen = ["udp:127.0.0.1:{port}"]
[telephony.emergency]
to = ["ost"]
number = "35501000"
location = "Telemarksvegen 1"
[[telephony.line]]
name = "vest"
title = "Vest"
access = "primary"
side = "network"
local = "{vest}"
remote = "{vest_far}"
dialling = "overlap"
number = "35501000"
ddi = "355010"
ddi_digits = 2
[[telephony.line]]
name = "ost"
title = "Øst"
access = "primary"
side = "network"
local = "{ost}"
remote = "{ost_far}"
channels = "1-4"
number = "35502000"
ddi = "355020"
ddi_digits = 2
{more}"#,
        port = free().port()
    )
}

pub async fn start_two(more: &str) -> TwoLines {
    let bound = [0, 1].map(|_| Bound::new("127.0.0.1:0".parse().unwrap()).unwrap());
    let addresses = [free(), bound[0].address(), free(), bound[1].address()];
    let rig = Rig::start(telephony(&two_lines(&addresses, more))).await;
    let [first, second] = bound;
    let mut vest = Pbx::start(first, addresses[0], "user");
    let mut ost = Pbx::start(second, addresses[2], "user");
    vest.says("up").await;
    ost.says("up").await;
    for line in ["vest", "ost"] {
        rig.rests(line).await;
    }
    TwoLines {
        rig,
        vest,
        ost,
        addresses,
    }
}
