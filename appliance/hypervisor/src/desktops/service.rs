//! `no.varde.Desktops1` on the bus: who may, and the record of it.

use tokio::sync::mpsc;
use varde_bus::caller::Caller;
use varde_bus::desktop::{DesktopStatus, Opened, PATH, PoolStatus};
use varde_bus::record::Recorder;
use varde_bus::{Failure, FailureKind, Verb};
use varde_site::Text;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, interface};

use super::host::{Host, News};

/// The service of access, which knows who somebody is.
const ACCESS: &str = "varde-access";

/// The interface as it stands on the bus.
#[derive(Debug)]
pub struct Desktops {
    host: Host,
    recorder: Recorder,
}

impl Desktops {
    pub async fn new(connection: &Connection, host: Host) -> Result<Self, Failure> {
        Ok(Self {
            host,
            recorder: Recorder::new(connection).await?,
        })
    }
}

async fn permitted(connection: &Connection, header: &Header<'_>, verb: Verb) -> Result<Caller, Failure> {
    let caller = Caller::of(connection, header).await?;
    caller.require(verb)?;
    Ok(caller)
}

async fn access(connection: &Connection, header: &Header<'_>) -> Result<(), Failure> {
    Caller::of(connection, header).await?.require_account(ACCESS)
}

fn by(caller: &Caller, why: &str) -> Result<Text, Failure> {
    if why.trim().is_empty() {
        return Err(Failure::new(
            FailureKind::Invalid,
            "Det krever en begrunnelse",
            "It needs a reason",
        ));
    }
    Ok(Text::new(
        format!("{} avsluttet den: {}", caller.name, why.trim()),
        format!("{} ended it: {}", caller.name, why.trim()),
    ))
}

#[interface(name = "no.varde.Desktops1")]
impl Desktops {
    async fn pools(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<PoolStatus>, Failure> {
        permitted(connection, &header, Verb::ReadDesktop).await?;
        self.host.pools().await
    }

    async fn list(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<DesktopStatus>, Failure> {
        permitted(connection, &header, Verb::ReadDesktop).await?;
        self.host.list().await
    }

    async fn open(
        &self,
        person: &str,
        pool: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Opened, Failure> {
        access(connection, &header).await?;
        self.host.open(person, pool).await
    }

    async fn attach(
        &self,
        person: &str,
        desktop: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedFd, Failure> {
        access(connection, &header).await?;
        Ok(self.host.attach(person, desktop).await?.into())
    }

    async fn release(
        &self,
        person: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        access(connection, &header).await?;
        self.host.release(person).await
    }

    async fn end(
        &self,
        desktop: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let verb = Verb::EndDesktop;
        let caller = permitted(connection, &header, verb).await?;
        let by = by(&caller, why)?;
        let begun = self.recorder.begin(&caller, verb, desktop, why).await?;
        begun.end(self.host.end(desktop, by).await).await
    }

    async fn renew(
        &self,
        desktop: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let verb = Verb::RenewDesktop;
        let caller = permitted(connection, &header, verb).await?;
        let by = by(&caller, why)?;
        let begun = self.recorder.begin(&caller, verb, desktop, why).await?;
        begun.end(self.host.renew(desktop, by).await).await
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// Carries what the host has to tell to the bus and to the record, until it ends.
pub async fn tell(connection: &Connection, mut news: mpsc::UnboundedReceiver<News>) -> Result<(), Failure> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let recorder = Recorder::new(connection).await?;
    while let Some(one) = news.recv().await {
        match one {
            News::Changed => Desktops::changed(&emitter).await?,
            News::Event {
                verb,
                desktop,
                detail,
            } => {
                let told = recorder.event("varde-hypervisord", verb, &desktop, &detail);
                if let Err(failure) = told.await {
                    eprintln!("{desktop}: {verb} is not in the record: {failure}");
                }
            }
        }
    }
    Ok(())
}
