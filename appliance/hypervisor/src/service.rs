//! `no.varde.Hypervisor1` on the bus: who may, the record of it, and the daemon's heart behind it.

use tokio::sync::mpsc;
use varde_bus::caller::Caller;
use varde_bus::hypervisor::{PATH, VmStatus, VmUsage};
use varde_bus::record::Recorder;
use varde_bus::{Failure, FailureKind, Verb};
use varde_site::Text;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, interface};

use crate::daemon::{End, Handle, Publication};
use crate::paths::Paths;
use crate::usage;

/// The interface as it stands on the bus.
#[derive(Debug)]
pub struct Hypervisor {
    handle: Handle,
    recorder: Recorder,
    paths: Paths,
}

impl Hypervisor {
    pub async fn new(connection: &Connection, handle: Handle, paths: Paths) -> Result<Self, Failure> {
        Ok(Self {
            handle,
            recorder: Recorder::new(connection).await?,
            paths,
        })
    }

    /// Permission first, then the record of the beginning, the deed, and the record of its end.
    async fn change<F>(
        &self,
        call: Call<'_>,
        verb: Verb,
        vm: &str,
        why: &str,
        deed: impl FnOnce(Caller) -> F,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let caller = call.permitted(verb).await?;
        let begun = self.recorder.begin(&caller, verb, vm, why).await?;
        let result = deed(caller).await;
        begun.end(result).await
    }
}

/// Where a call came from.
struct Call<'a> {
    connection: &'a Connection,
    header: Header<'a>,
}

impl Call<'_> {
    async fn permitted(&self, verb: Verb) -> Result<Caller, Failure> {
        let caller = Caller::of(self.connection, &self.header).await?;
        caller.require(verb)?;
        Ok(caller)
    }
}

/// Who did it and why, as the machine's reason shows it.
fn by(nb: &str, en: &str, caller: &Caller, why: &str) -> Text {
    let tail = if why.trim().is_empty() {
        String::new()
    } else {
        format!(": {}", why.trim())
    };
    Text::new(
        format!("{} {nb}{tail}", caller.name),
        format!("{} {en}{tail}", caller.name),
    )
}

#[interface(name = "no.varde.Hypervisor1")]
impl Hypervisor {
    async fn list(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<VmStatus>, Failure> {
        Call { connection, header }.permitted(Verb::ReadVm).await?;
        self.handle.list().await
    }

    async fn get(
        &self,
        vm: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<VmStatus, Failure> {
        Call { connection, header }.permitted(Verb::ReadVm).await?;
        self.handle.get(vm).await
    }

    async fn usage(
        &self,
        vm: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<VmUsage, Failure> {
        Call { connection, header }.permitted(Verb::ReadVm).await?;
        // A name that is none of ours must not become a path.
        let status = self.handle.get(vm).await?;
        Ok(usage::usage(&status.name, &self.paths))
    }

    async fn start(
        &self,
        vm: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.change(call, Verb::StartVm, vm, why, async |_| {
            self.handle.start(vm).await
        })
        .await
    }

    async fn shut_down(
        &self,
        vm: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.change(call, Verb::ShutDownVm, vm, why, async |caller| {
            let by = by("slo den av", "shut it down", &caller, why);
            self.handle.end(vm, End::Orderly, by).await
        })
        .await
    }

    async fn force_off(
        &self,
        vm: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        if why.trim().is_empty() {
            return Err(Failure::new(
                FailureKind::Invalid,
                "Å kutte strømmen krever en begrunnelse",
                "To force off needs a reason",
            ));
        }
        self.change(call, Verb::ForceOffVm, vm, why, async |caller| {
            let by = by("kuttet strømmen", "forced it off", &caller, why);
            self.handle.end(vm, End::Power, by).await
        })
        .await
    }

    async fn pause(
        &self,
        vm: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.change(call, Verb::PauseVm, vm, why, async |_| {
            self.handle.pause(vm).await
        })
        .await
    }

    async fn resume(
        &self,
        vm: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.change(call, Verb::ResumeVm, vm, why, async |_| {
            self.handle.resume(vm).await
        })
        .await
    }

    async fn open_console(
        &self,
        vm: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(OwnedFd, Vec<u8>), Failure> {
        let caller = Call { connection, header }
            .permitted(Verb::EnterVmConsole)
            .await?;
        let begun = self.recorder.begin(&caller, Verb::EnterVmConsole, vm, "").await?;
        let (end, before) = begun.end(self.handle.open_console(vm).await).await?;
        Ok((end.into(), before))
    }

    async fn scrollback(
        &self,
        vm: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<u8>, Failure> {
        Call { connection, header }.permitted(Verb::ReadVm).await?;
        self.handle.scrollback(vm).await
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, vm: VmStatus) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn removed(emitter: &SignalEmitter<'_>, name: String) -> zbus::Result<()>;
}

/// Carries what the heart publishes to the bus and to the record, until the heart ends.
pub async fn publish(
    connection: &Connection,
    mut publications: mpsc::UnboundedReceiver<Publication>,
) -> Result<(), Failure> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let recorder = Recorder::new(connection).await?;
    while let Some(publication) = publications.recv().await {
        match publication {
            Publication::Changed(status) => Hypervisor::changed(&emitter, status).await?,
            Publication::Removed(name) => Hypervisor::removed(&emitter, name).await?,
            Publication::Incident { verb, vm, detail } => {
                eprintln!("{vm}: {verb}: {detail}");
                let recorder = recorder.clone();
                // What happened has happened: nothing waits for its record.
                tokio::spawn(async move {
                    if let Err(failure) = recorder.event("varde-hypervisord", verb, &vm, &detail).await {
                        eprintln!("{vm}: {verb} is not in the record: {failure}");
                    }
                });
            }
        }
    }
    Ok(())
}
