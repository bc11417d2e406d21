//! `no.varde.Hypervisor1` on the bus: who may, the record of it, and the daemon's heart behind it.

use tokio::sync::mpsc;
use varde_bus::caller::Caller;
use varde_bus::hypervisor::{PATH, VmStatus, VmUsage};
use varde_bus::record::Recorder;
use varde_bus::snapshot::{Deed, Price, Snapshot, Storage};
use varde_bus::{Failure, FailureKind, Verb};
use varde_site::Text;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, interface};

use crate::daemon::{End, Handle, Publication};
use crate::paths::Paths;
use crate::snapshots::{Keeper, News};
use crate::usage;

/// The interface as it stands on the bus.
#[derive(Debug)]
pub struct Hypervisor {
    handle: Handle,
    recorder: Recorder,
    keeper: Keeper,
    paths: Paths,
}

impl Hypervisor {
    pub async fn new(
        connection: &Connection,
        handle: Handle,
        keeper: Keeper,
        paths: Paths,
    ) -> Result<Self, Failure> {
        Ok(Self {
            handle,
            keeper,
            recorder: Recorder::new(connection).await?,
            paths,
        })
    }

    /// Permission first, then the record of the beginning, the deed, and the record of its end.
    async fn change<F, T>(
        &self,
        call: Call<'_>,
        verb: Verb,
        subject: &str,
        why: &str,
        deed: impl FnOnce(Caller) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let caller = call.permitted(verb).await?;
        let begun = self.recorder.begin(&caller, verb, subject, why).await?;
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
            self.keeper.may_start(vm)?;
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

    async fn snapshots(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Snapshot>, Failure> {
        Call { connection, header }.permitted(Verb::ReadVm).await?;
        self.keeper.list().await
    }

    async fn take_snapshot(
        &self,
        vms: Vec<String>,
        keep: u64,
        budget: u64,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Failure> {
        let call = Call { connection, header };
        let subject = vms.join(" ");
        self.change(call, Verb::TakeSnapshot, &subject, why, async |caller| {
            self.keeper.take(&vms, (keep, budget), &caller.name, why).await
        })
        .await
    }

    async fn price(
        &self,
        snapshot: &str,
        deed: Deed,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Price, Failure> {
        Call { connection, header }.permitted(Verb::ReadVm).await?;
        self.keeper.price(snapshot, deed).await
    }

    async fn roll_back_snapshot(
        &self,
        snapshot: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        if why.trim().is_empty() {
            return Err(Failure::new(
                FailureKind::Invalid,
                "Å rulle tilbake krever en begrunnelse",
                "To roll back needs a reason",
            ));
        }
        self.change(call, Verb::RollBackSnapshot, snapshot, why, async |caller| {
            let by = by("rullet den tilbake", "rolled it back", &caller, why);
            self.keeper.roll_back(snapshot, by).await
        })
        .await
    }

    async fn merge_snapshot(
        &self,
        snapshot: &str,
        quiet: bool,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.change(call, Verb::MergeSnapshot, snapshot, why, async |_| {
            self.keeper.merge(snapshot, quiet).await
        })
        .await
    }

    async fn cancel_merge(
        &self,
        snapshot: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.change(call, Verb::CancelMerge, snapshot, why, async |_| {
            self.keeper.cancel(snapshot).await
        })
        .await
    }

    async fn storage(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Storage, Failure> {
        Call { connection, header }.permitted(Verb::ReadVm).await?;
        Ok(self.keeper.storage())
    }

    #[zbus(signal)]
    async fn snapshots_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, vm: VmStatus) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn removed(emitter: &SignalEmitter<'_>, name: String) -> zbus::Result<()>;
}

/// Carries what the keeper of snapshots has to tell, until it ends.
pub async fn tell(connection: &Connection, mut news: mpsc::UnboundedReceiver<News>) -> Result<(), Failure> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let recorder = Recorder::new(connection).await?;
    while let Some(one) = news.recv().await {
        match one {
            News::Changed => Hypervisor::snapshots_changed(&emitter).await?,
            News::Incident { vm, detail } => {
                eprintln!("{vm}: {detail}");
                let verb = "snapshot.failed";
                if let Err(failure) = recorder.event("varde-hypervisord", verb, &vm, &detail.en).await {
                    eprintln!("{vm}: {verb} is not in the record: {failure}");
                }
            }
        }
    }
    Ok(())
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
