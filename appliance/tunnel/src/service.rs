//! `no.varde.Tunnel1` on the bus: who may, and the record of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use varde_bus::caller::Caller;
use varde_bus::record::Recorder;
use varde_bus::tunnel::{Grant, PeerStatus, TunnelStatus};
use varde_bus::{Failure, FailureKind, Verb};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::Keeper;

/// The service of access, which knows who is logged in.
const ACCESS: &str = "varde-access";

/// Shared by the interface and the clock.
pub type Shared = Arc<Mutex<Keeper>>;

pub fn lock(shared: &Shared) -> MutexGuard<'_, Keeper> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The interface as it stands on the bus.
pub struct Tunnel {
    keeper: Shared,
    recorder: Recorder,
}

impl Tunnel {
    pub fn new(keeper: Shared, recorder: Recorder) -> Self {
        Self { keeper, recorder }
    }
}

async fn permitted(connection: &Connection, header: &Header<'_>, verb: Verb) -> Result<Caller, Failure> {
    let caller = Caller::of(connection, header).await?;
    caller.require(verb)?;
    Ok(caller)
}

#[interface(name = "no.varde.Tunnel1")]
impl Tunnel {
    async fn status(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<TunnelStatus, Failure> {
        let caller = Caller::of(connection, &header).await?;
        // Access tells devices where we are.
        if caller.require_account(ACCESS).is_err() {
            caller.require(Verb::ReadTunnel)?;
        }
        Ok(lock(&self.keeper).status())
    }

    async fn peers(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<PeerStatus>, Failure> {
        let caller = Caller::of(connection, &header).await?;
        if caller.require_account(ACCESS).is_err() {
            caller.require(Verb::ReadTunnel)?;
        }
        Ok(lock(&self.keeper).peers())
    }

    async fn hold(
        &self,
        grants: Vec<Grant>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        Caller::of(connection, &header).await?.require_account(ACCESS)?;
        lock(&self.keeper).hold(grants)?;
        Ok(Self::changed(&emitter).await?)
    }

    async fn prepare_key(
        &self,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<String, Failure> {
        let verb = Verb::ChangeTunnelKey;
        let caller = permitted(connection, &header, verb).await?;
        let begun = self.recorder.begin(&caller, verb, "prepare", why).await?;
        let key = lock(&self.keeper).prepare_key();
        let key = begun.end(key.map_err(Failure::from)).await?;
        Self::changed(&emitter).await?;
        Ok(key.to_string())
    }

    async fn change_key(
        &self,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let verb = Verb::ChangeTunnelKey;
        let caller = permitted(connection, &header, verb).await?;
        if why.trim().is_empty() {
            return Err(Failure::new(
                FailureKind::Invalid,
                "Det krever en begrunnelse",
                "It needs a reason",
            ));
        }
        let begun = self.recorder.begin(&caller, verb, "change", why).await?;
        let changed = lock(&self.keeper).change_key();
        let changed = changed.map_err(Failure::from).and_then(|changed| {
            changed.then_some(()).ok_or_else(|| {
                Failure::new(
                    FailureKind::Refused,
                    "Ingen neste nøkkel er laget. Lag den først, og gi den til de andre stedene",
                    "No next key is made. Make it first, and give it to the other sites",
                )
            })
        });
        begun.end(changed).await?;
        Ok(Self::changed(&emitter).await?)
    }

    #[zbus(signal)]
    pub async fn changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}
