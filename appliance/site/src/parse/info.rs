//! `[site]`

use std::net::IpAddr;

use super::names::{self, LONGEST};
use super::quantity;
use super::reader::{Key, Reader, Table, Wrong, key};
use super::words::{clip, instead_of};
use crate::{Language, QuietHours, SiteInfo, Text};

pub(super) const KEYS: &[Key] = &[
    key("name", "\"varde-telemark\""),
    key("title", "\"Driftssenter Telemark\""),
    key("counties", "[\"Telemark\", \"Vestfold\", \"Agder\"]"),
    key("language", "\"nb\""),
    key("timezone", "\"Europe/Oslo\""),
    key("downtime_cost", "50000"),
    key("idle_lock", "\"10 min\""),
    key("quiet_hours", "\"01:00-05:00\""),
    key("ntp", "[\"192.0.2.123\"]"),
    key("dns", "[\"192.0.2.53\"]"),
];

const DOWNTIME_COST: u64 = 50_000;
const IDLE_LOCK: u64 = 600;
/// The resolver reads no more of resolv.conf(5).
const NAME_SERVERS: usize = 3;

pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<SiteInfo> {
    for key in ["name", "title", "counties"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::name(text, LONGEST));
    let title = table.parsed(reader, "title", |text| names::title(text, 60));
    let counties = counties(reader, table);
    let language = table.parsed(reader, "language", language);
    let timezone = table.parsed(reader, "timezone", names::timezone);
    let downtime_cost = table.integer(reader, "downtime_cost", 0..=1_000_000_000);
    let idle_lock = table.parsed(reader, "idle_lock", |text| {
        quantity::time(text, &(30..=24 * 3600))
    });
    let quiet_hours = table.parsed(reader, "quiet_hours", quiet_hours);
    let ntp = servers(reader, table, "ntp", ("Tidstjeneren", "time server"));
    let dns = name_servers(reader, table);
    Some(SiteInfo {
        name: name?.value,
        title: title?.value,
        counties,
        language: language.map_or(Language::Nb, |at| at.value),
        timezone: timezone.map_or_else(|| "Europe/Oslo".to_owned(), |at| at.value),
        downtime_cost: downtime_cost.map_or(DOWNTIME_COST, |at| at.value),
        idle_lock: idle_lock.map_or(IDLE_LOCK, |at| at.value),
        quiet_hours: quiet_hours.map_or_else(QuietHours::default, |at| at.value),
        ntp,
        dns,
    })
}

fn language(text: &str) -> Result<Language, Wrong> {
    match text {
        "nb" => Ok(Language::Nb),
        "en" => Ok(Language::En),
        _ => Err(Wrong {
            text: Text::new(
                format!("Språket «{}» finnes ikke", clip(text)),
                format!("There is no language \"{}\"", clip(text)),
            ),
            remedy: Some(instead_of(text, &["nb", "en"])),
        }),
    }
}

fn quiet_hours(text: &str) -> Result<QuietHours, Wrong> {
    let minute = |text: &str| {
        let (hours, minutes) = text.trim().split_once(':')?;
        let (hours, minutes): (u16, u16) = (two_digits(hours)?, two_digits(minutes)?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    text.split_once('-')
        .and_then(|(from, to)| {
            Some(QuietHours {
                from: minute(from)?,
                to: minute(to)?,
            })
        })
        .filter(|quiet| quiet.from != quiet.to)
        .ok_or_else(|| {
            Wrong::new(
                format!("«{}» er ikke to klokkeslett med bindestrek mellom", clip(text)),
                format!("\"{}\" is not two times of day with a hyphen between", clip(text)),
            )
        })
}

fn two_digits(text: &str) -> Option<u16> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn counties(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Vec<String> {
    let mut counties: Vec<String> = Vec::new();
    let items = table.texts(reader, "counties");
    if let (true, Some(value)) = (items.is_empty(), table.get("counties"))
        && value.get_ref().as_array().is_some_and(|array| array.is_empty())
    {
        let wrong = Wrong::new(
            "«counties» er tom; et driftssenter har minst ett fylke",
            "\"counties\" is empty; a site serves at least one county",
        );
        table.wrong(reader, "counties", value.span().start, wrong);
    }
    for item in items {
        match names::title(item.value, 40) {
            Ok(county) if counties.contains(&county) => {
                let wrong = Wrong::new(
                    format!("Fylket «{county}» står to ganger"),
                    format!("The county \"{county}\" is there twice"),
                )
                .remedy("Ta bort det ene", "Remove one of them");
                table.wrong(reader, "counties", item.at, wrong);
            }
            Ok(county) => counties.push(county),
            Err(wrong) => table.wrong(reader, "counties", item.at, wrong),
        }
    }
    counties
}

fn name_servers(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Vec<IpAddr> {
    let servers = servers(reader, table, "dns", ("Navnetjeneren", "name server"));
    if servers.len() > NAME_SERVERS {
        let at = table.get("dns").map_or(0, |value| value.span().start);
        let wrong = Wrong::new(
            format!(
                "{} navnetjenere er for mange: bare de tre første spørres",
                servers.len()
            ),
            format!(
                "{} name servers are too many: only the first three are asked",
                servers.len()
            ),
        )
        .remedy("Behold de tre beste", "Keep the best three");
        table.wrong(reader, "dns", at, wrong);
    }
    servers
}

/// Addresses of servers; `called` in both languages.
fn servers(reader: &mut Reader<'_>, table: &Table<'_, '_>, key: &str, called: (&str, &str)) -> Vec<IpAddr> {
    let (nb, en) = called;
    let mut servers: Vec<IpAddr> = Vec::new();
    for item in table.texts(reader, key) {
        let wrong = match item.value.parse::<IpAddr>() {
            Ok(server) if servers.contains(&server) => Wrong::new(
                format!("{nb} {server} står to ganger"),
                format!("The {en} {server} is there twice"),
            )
            .remedy("Ta bort den ene", "Remove one of them"),
            Ok(server) if server.is_unspecified() || server.is_multicast() => Wrong::new(
                format!("{server} er ikke adressen til én tjener"),
                format!("{server} is not the address of one server"),
            ),
            Ok(server) => {
                servers.push(server);
                continue;
            }
            Err(_) => Wrong::new(
                format!(
                    "«{}» er ingen IP-adresse; Varde slår ikke opp navn",
                    clip(item.value)
                ),
                format!(
                    "\"{}\" is no IP address; Varde looks up no names",
                    clip(item.value)
                ),
            ),
        };
        table.wrong(reader, key, item.at, wrong);
    }
    servers
}
