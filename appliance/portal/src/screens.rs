//! The screens that are open: told to the door, and closed when their session is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use varde_bus::door::{DoorProxy, Held};

type Open = BTreeMap<u64, (Held, watch::Sender<bool>)>;

#[derive(Clone, Debug)]
pub struct Screens {
    door: DoorProxy<'static>,
    open: Arc<Mutex<Open>>,
}

/// An open screen, until it is dropped.
#[derive(Debug)]
pub struct Screen {
    screens: Screens,
    number: u64,
    pub held: Held,
    /// True when it is to be closed.
    pub over: watch::Receiver<bool>,
}

impl Screens {
    pub fn new(door: DoorProxy<'static>) -> Self {
        Self {
            door,
            open: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn open(&self, held: Held) -> Screen {
        let (end, over) = watch::channel(false);
        let mut open = self.lock();
        let number = open.last_key_value().map_or(0, |(number, _)| number + 1);
        open.insert(number, (held.clone(), end));
        drop(open);
        self.tell();
        Screen {
            screens: self.clone(),
            number,
            held,
            over,
        }
    }

    /// The session is over.
    pub fn end(&self, session: &str) {
        for (held, end) in self.lock().values() {
            if held.session == session {
                end.send_replace(true);
            }
        }
    }

    /// Tells the door which there are, and closes those of sessions that it does not have any more.
    pub fn tell(&self) {
        let this = self.clone();
        tokio::spawn(async move {
            let all: Vec<Held> = this.lock().values().map(|(held, _)| held.clone()).collect();
            match this.door.holds(&all).await {
                Ok(over) => over.iter().for_each(|session| this.end(session)),
                Err(error) => eprintln!("the door cannot be told of the screens: {error}"),
            }
        });
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.screens.lock().remove(&self.number);
        self.screens.tell();
    }
}
