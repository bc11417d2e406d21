//! What went wrong with the source, in the operator's words.

use std::io;
use std::net::IpAddr;

use tokio_rustls::rustls::{CertificateError, Error as Tls};

use crate::Error;

pub(super) fn no_name(host: &str, dns: &[IpAddr]) -> Error {
    if dns.is_empty() {
        return Error::refused(
            format!("{host} ble ikke funnet: ingen navnetjener er satt. Skriv «dns» i [site] i site.toml"),
            format!("{host} was not found: no name server is set. Write \"dns\" into [site] of site.toml"),
        );
    }
    let asked: Vec<String> = dns.iter().map(ToString::to_string).collect();
    let asked = asked.join(", ");
    Error::refused(
        format!(
            "{host} ble ikke funnet. Spurt: {asked}. Sjekk «source» i [update] og «dns» i [site], og at navnetjeneren nås"
        ),
        format!(
            "{host} was not found. Asked: {asked}. Check \"source\" in [update] and \"dns\" in [site], and that the name server is reached"
        ),
    )
}

pub(super) fn no_way(host: &str, port: u16, error: &io::Error) -> Error {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    match error.kind() {
        ConnectionRefused => Error::refused(
            format!("{host} svarer, men ikke på port {port}. Sjekk at webtjeneren går, og porten i «source»"),
            format!(
                "{host} answers, but not on port {port}. Check that the web server runs, and the port in \"source\""
            ),
        ),
        NetworkUnreachable | HostUnreachable => Error::refused(
            format!("Det er ingen vei til {host}. Sjekk kabelen, og «gateway» i sonen som leder ut"),
            format!(
                "There is no route to {host}. Check the cable, and \"gateway\" of the zone that leads out"
            ),
        ),
        _ => Error::refused(
            format!("{host} port {port} nås ikke: {error}"),
            format!("{host} port {port} is not reached: {error}"),
        ),
    }
}

pub(super) fn no_answer(host: &str) -> Error {
    Error::refused(
        format!(
            "{host} svarer ikke. Sjekk brannmuren og «gateway», og prøv igjen: det som er hentet, beholdes"
        ),
        format!(
            "{host} does not answer. Check the firewall and \"gateway\", and try again: what was fetched is kept"
        ),
    )
}

pub(super) fn no_trust(host: &str, error: &io::Error) -> Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>());
    let Some(Tls::InvalidCertificate(why)) = tls else {
        return Error::refused(
            format!("{host} og anlegget ble ikke enige om en sikker forbindelse (TLS): {error}"),
            format!("{host} and the appliance did not agree on a secure connection (TLS): {error}"),
        );
    };
    match why {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Error::refused(
            format!(
                "Sertifikatet til {host} gjelder ikke nå. Sjekk først klokken til anlegget; går den rett, må tjeneren få et nytt"
            ),
            format!(
                "The certificate of {host} is not valid now. Check the appliance's clock first; if that is right, the server needs a new one"
            ),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Error::refused(
                format!("Sertifikatet er ikke for {host}. Skriv navnet som står i det, i «source»"),
                format!("The certificate is not for {host}. Write the name that is in it into \"source\""),
            )
        }
        _ => Error::refused(
            format!("Sertifikatet til {host} er ikke signert av «ca» i [update]. Ingenting er hentet"),
            format!("The certificate of {host} is not signed by \"ca\" in [update]. Nothing was fetched"),
        ),
    }
}

pub(super) fn status(path: &str, status: u16) -> Error {
    match status {
        300..400 => Error::refused(
            format!(
                "{path}: tjeneren viser videre til en annen adresse, og det følges ikke. Skriv den rette i «source»"
            ),
            format!(
                "{path}: the server points to another address, which is not followed. Write the right one into \"source\""
            ),
        ),
        404 | 410 => Error::refused(
            format!(
                "{path} finnes ikke på tjeneren (404). Sjekk mappen i «source», og at hele utgaven er lagt ut"
            ),
            format!(
                "{path} is not on the server (404). Check the folder in \"source\", and that the whole release is there"
            ),
        ),
        _ => Error::refused(
            format!("{path}: tjeneren svarte {status}"),
            format!("{path}: the server answered {status}"),
        ),
    }
}

pub(super) fn too_large(path: &str) -> Error {
    Error::refused(
        format!("{path} er større enn den kan være. Ingenting mer er hentet; spør den som ga ut utgaven"),
        format!("{path} is larger than it can be. Nothing more was fetched; ask who released it"),
    )
}

/// Worth another try.
pub(super) fn cut(path: &str) -> Error {
    Error::refused(
        format!("{path} ble avbrutt underveis. Hent igjen: det fortsetter der det slapp"),
        format!("{path} was cut short. Fetch again: it goes on where it stopped"),
    )
}

pub(super) fn changed(path: &str) -> Error {
    Error::refused(
        format!(
            "{path} er ikke slik den ble gitt ut: endret. Den er kastet. Hent igjen, og spør den som ga den ut"
        ),
        format!(
            "{path} is not as it was released: changed. It is thrown away. Fetch again, and ask who released it"
        ),
    )
}

pub(super) fn no_room(needed: u64, free: u64) -> Error {
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let (needed, free) = (mebibytes(needed), mebibytes(free));
    Error::refused(
        format!(
            "Det er ikke plass: {needed} MiB trengs på datadisken, og {free} er ledig. Rydd, og prøv igjen"
        ),
        format!(
            "There is no room: {needed} MiB are needed on the data disk, and {free} are free. Make room, and try again"
        ),
    )
}
