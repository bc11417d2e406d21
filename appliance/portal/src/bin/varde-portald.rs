//! Lets people log in with a browser, and brings desktops to it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use varde_bus::door::{DoorProxy, NAME, Settings};
use varde_bus::{Failure, Language, Text, next};
use varde_portal::assets::{Assets, NOVNC};
use varde_portal::http::Site;
use varde_portal::limits::Limits;
use varde_portal::listener::{Now, listen};
use varde_portal::screens::Screens;
use varde_portal::tls;
use zbus::Connection;
use zbus::fdo::DBusProxy;

/// How soon an address that is not there yet is tried again.
const RETRY: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("varde-portald: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What listens.
struct Listening {
    address: String,
    now: watch::Sender<Now>,
    task: JoinHandle<()>,
}

struct Portal {
    door: DoorProxy<'static>,
    screens: Screens,
    assets: Arc<Assets>,
    limits: Limits,
    listening: Option<Listening>,
    /// What is wrong with the pages.
    pages: Text,
}

impl Portal {
    /// Becomes what the door says. Screens that are open stay so. False: it did not work, and is to be tried again.
    async fn settle(&mut self) -> bool {
        let settings = match self.door.settings().await {
            Ok(settings) => settings,
            Err(error) => {
                eprintln!("the settings cannot be read: {error}");
                return false;
            }
        };
        let trouble = self.apply(&settings).await;
        let good = trouble.is_empty();
        let told = if good { &self.pages } else { &trouble };
        if !told.is_empty() {
            eprintln!("{told}");
        }
        if let Err(error) = self.door.report(told).await {
            eprintln!("the door cannot be told how the portal is: {error}");
        }
        good
    }

    async fn apply(&mut self, settings: &Settings) -> Text {
        if settings.listen.is_empty() {
            if let Some(listening) = self.listening.take() {
                listening.task.abort();
            }
            return Text::default();
        }
        let tls = match tls::acceptor(&settings.chain, &settings.key) {
            Ok(tls) => tls,
            Err(error) => {
                return Text::new(
                    format!("Portalen er stengt: sertifikatet kan ikke brukes: {error}"),
                    format!("The portal is closed: its certificate cannot be used: {error}"),
                );
            }
        };
        let now = Now {
            tls,
            site: Site {
                door: self.door.clone(),
                screens: self.screens.clone(),
                assets: Arc::clone(&self.assets),
                authority: settings.authority.as_str().into(),
                title: settings.title.as_str().into(),
                language: if settings.language == "en" {
                    Language::En
                } else {
                    Language::Nb
                },
            },
        };
        if let Some(listening) = &self.listening
            && listening.address == settings.listen
        {
            listening.now.send_replace(now);
            return Text::default();
        }
        let listener = match TcpListener::bind(&settings.listen).await {
            Ok(listener) => listener,
            Err(error) => {
                return Text::new(
                    format!("Portalen er stengt: {} kan ikke brukes: {error}", settings.listen),
                    format!(
                        "The portal is closed: {} cannot be used: {error}",
                        settings.listen
                    ),
                );
            }
        };
        if let Some(listening) = self.listening.take() {
            listening.task.abort();
        }
        let (sender, receiver) = watch::channel(now);
        println!("listening on {}", settings.listen);
        self.listening = Some(Listening {
            address: settings.listen.clone(),
            now: sender,
            task: tokio::spawn(listen(listener, receiver, self.limits.clone())),
        });
        Text::default()
    }
}

async fn serve() -> Result<(), Failure> {
    let connection = Connection::system().await?;
    let door = DoorProxy::new(&connection).await?;
    let bus = DBusProxy::new(&connection).await?;
    // Listened to before the first question, so that nothing falls between.
    let mut settled = door.receive_settled().await?;
    let mut ended = door.receive_ended().await?;
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await?;

    let (assets, trouble) = Assets::read(Path::new(NOVNC));
    let screens = Screens::new(door.clone());
    let mut portal = Portal {
        door,
        screens: screens.clone(),
        assets: Arc::new(assets),
        limits: Limits::default(),
        listening: None,
        pages: trouble.map_or_else(Text::default, |error| {
            Text::new(
                format!("Ingen pult kan vises: {NOVNC} kan ikke leses: {error}"),
                format!("No desktop can be shown: {NOVNC} cannot be read: {error}"),
            )
        }),
    };
    // Screens of an earlier portal are gone.
    screens.tell();
    let mut good = portal.settle().await;
    // Without systemd there is nobody to tell.
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        eprintln!("cannot tell systemd that the portal is ready: {error}");
    }
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::from(zbus::Error::from(error)))?;
    loop {
        tokio::select! {
            one = next(&mut settled) => {
                if one.is_none() {
                    return Ok(());
                }
                good = portal.settle().await;
            }
            one = next(&mut ended) => {
                let Some(one) = one else { return Ok(()) };
                if let Ok(one) = one.args() {
                    screens.end(one.session());
                }
            }
            one = next(&mut owners) => {
                // Another service of access knows nothing of the screens that there are.
                if one.is_some_and(|one| one.args().is_ok_and(|args| args.new_owner().is_some())) {
                    screens.tell();
                    good = portal.settle().await;
                }
            }
            () = tokio::time::sleep(RETRY), if !good => good = portal.settle().await,
            _ = terminate.recv() => return Ok(()),
            () = connection.closed() => return Ok(()),
        }
    }
}
