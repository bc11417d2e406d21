//! `no.varde.Audit1` on the bus.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;
use varde_bus::audit::{Absence, Entry, LEFT, PATH, Record, Verdict};
use varde_bus::caller::Caller;
use varde_bus::{Failure, FailureKind, Verb};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::chain::Size;
use crate::disk::Directory;
use crate::{Chain, Error, verify};

/// Accounts that may append: the services that change something. The bus policy says the same.
pub const WRITERS: [&str; 8] = [
    "varde-site",
    "varde-hypervisor",
    "varde-host",
    "varde-dbrestart",
    "varde-telephony",
    "varde-access",
    "varde-tunnel",
    "varde-lifecycle",
];
/// One answer holds no more records than these.
const MOST: u32 = 1000;
/// So many records back it is looked for when an account was last here: a second's work on a slow machine.
const FARTHEST: usize = 5_000;

/// The object that answers on the bus.
#[derive(Debug)]
pub struct Service {
    chain: Arc<Mutex<Chain<Directory>>>,
    /// Connections that are known to be writers' own. The bus never gives a connection's name to another one.
    known: Mutex<HashSet<String>>,
}

impl Service {
    /// Takes up the chain in a directory, and has what it finds there recorded.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let mut chain = Chain::open(Arc::new(Directory::open(directory)?), Size::default())?;
        if let Err(error) = chain.settle(now()) {
            // The chain can still be read and checked; the next append tries again and fails if this lasts.
            eprintln!("could not record what was found on opening: {error}");
        }
        println!(
            "{} records, the last one is {}",
            chain.head().sequence,
            chain.head().hash
        );
        Ok(Self {
            chain: Arc::new(Mutex::new(chain)),
            known: Mutex::new(HashSet::new()),
        })
    }

    /// Puts the object on a connection.
    pub async fn serve(self, connection: &Connection) -> zbus::Result<()> {
        connection.object_server().at(PATH, self).await?;
        Ok(())
    }

    /// Has an entry on disk, tells of it, and gives its number.
    async fn put(&self, entry: Entry, emitter: &SignalEmitter<'_>) -> Result<u64, Failure> {
        let chain = Arc::clone(&self.chain).lock_owned().await;
        // Held until the signal is out, so that signals come in the order of the records.
        let (_held, record) = with(chain, move |chain| chain.append(entry, now())).await?;
        let sequence = record.sequence;
        if let Err(error) = Self::appended(emitter, record).await {
            eprintln!("could not tell of record {sequence}: {error}");
        }
        Ok(sequence)
    }

    async fn require_writer(&self, connection: &Connection, header: &Header<'_>) -> Result<(), Failure> {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        if self.known.lock().await.contains(&sender) {
            return Ok(());
        }
        let caller = Caller::of(connection, header).await?;
        if caller.uid != 0 && !WRITERS.contains(&caller.name.as_str()) {
            return Err(Failure::new(
                FailureKind::Denied,
                format!(
                    "{} er ingen tjeneste og kan ikke føre noe i «Hvem gjorde hva»",
                    caller.name
                ),
                format!(
                    "{} is no service and may not enter anything in the record",
                    caller.name
                ),
            ));
        }
        self.known.lock().await.insert(sender);
        Ok(())
    }
}

#[interface(name = "no.varde.Audit1")]
impl Service {
    async fn append(
        &self,
        entry: Entry,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<u64, Failure> {
        self.require_writer(connection, &header).await?;
        self.put(entry, &emitter).await
    }

    async fn tail(
        &self,
        count: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<Record>, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadAudit)?;
        let chain = Arc::clone(&self.chain).lock_owned().await;
        let (_, records) = with(chain, move |chain| chain.tail(count.min(MOST) as usize)).await?;
        Ok(records)
    }

    async fn verify(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Verdict, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadAudit)?;
        let (disk, snapshot) = {
            let mut chain = self.chain.lock().await;
            (chain.disk(), chain.snapshot()?)
        };
        // Without the lock: a long chain takes a while to read, and changes must not wait for that.
        let verdict = spawn_blocking(move || verify::verify(&*disk, &snapshot))
            .await
            .map_err(stopped)??;
        for fault in &verdict.faults {
            eprintln!("the record is not whole: {fault}");
        }
        Ok(verdict)
    }

    async fn export(
        &self,
        after: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(String, Vec<u8>), Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadAudit)?;
        // Held while it is read, so that no line is half there.
        let chain = Arc::clone(&self.chain).lock_owned().await;
        let (_, file) = with(chain, move |chain| chain.file_after(&after)).await?;
        Ok(file.unwrap_or_default())
    }

    async fn since(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Absence, Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::ReadAudit)?;
        let chain = Arc::clone(&self.chain).lock_owned().await;
        let left = move |record: &Record| record.verb == LEFT && record.who == caller.name;
        let (_, found) = with(chain, move |chain| chain.since(FARTHEST, left)).await?;
        let Some((left, mut records)) = found else {
            return Ok(Absence::default());
        };
        records.truncate(MOST as usize);
        Ok(Absence {
            left: left.when,
            records,
        })
    }

    async fn leave(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::ReadAudit)?;
        let entry = Entry {
            who: caller.name,
            verb: LEFT.to_owned(),
            subject: String::new(),
            why: String::new(),
            outcome: "event".to_owned(),
            detail: String::new(),
            of: 0,
        };
        self.put(entry, &emitter).await.map(drop)
    }

    #[zbus(signal)]
    async fn appended(emitter: &SignalEmitter<'_>, record: Record) -> zbus::Result<()>;
}

type Held = OwnedMutexGuard<Chain<Directory>>;

/// Works on the chain where waiting for the disk holds up nothing else.
async fn with<T: Send + 'static>(
    mut chain: Held,
    work: impl FnOnce(&mut Chain<Directory>) -> Result<T, Error> + Send + 'static,
) -> Result<(Held, T), Failure> {
    let (chain, result) = spawn_blocking(move || {
        let result = work(&mut chain);
        (chain, result)
    })
    .await
    .map_err(stopped)?;
    if let Err(error) = &result {
        eprintln!("{error}");
    }
    Ok((chain, result?))
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn stopped(error: tokio::task::JoinError) -> Failure {
    Failure::new(
        FailureKind::Unknown,
        format!("«Hvem gjorde hva» stoppet underveis: {error}"),
        format!("The record of who did what stopped on the way: {error}"),
    )
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
