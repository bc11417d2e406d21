//! How a relay is driven: a request and its answer, each a line of JSON, on a Unix socket of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};
use varde_bus::Text;

use crate::Error;
use crate::gate::millis;

/// Longer than a request ever is; what is longer is not one.
pub const LONGEST_LINE: u64 = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Hold clients, and wait until nobody waits for an answer; after `within` milliseconds it is taken back.
    Hold {
        within: u64,
    },
    Release,
    State,
    /// End these sessions; all that the server knows where none is named.
    Cut {
        clients: Vec<u64>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done,
    /// Of `Hold`: whether it is drained, and held.
    Drained(bool),
    State(State),
    /// Of `Cut`: how many were ended.
    Cut(u32),
}

/// A relay as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub held: bool,
    /// Requests since it started.
    pub requests: u64,
    pub clients: Vec<Client>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub number: u64,
    pub address: SocketAddr,
    /// For how long it has waited for the server's answer, in milliseconds; absent where it does not.
    pub asked: Option<u64>,
    /// For how long the gate has held it.
    pub held: Option<u64>,
}

/// The other end of a relay's control socket.
#[derive(Clone, Debug)]
pub struct Relay {
    pub socket: PathBuf,
}

impl Relay {
    pub async fn ask(&self, request: &Request, within: Duration) -> Result<Answer, Error> {
        let ask = async {
            let stream = UnixStream::connect(&self.socket).await?;
            let mut stream = BufReader::new(stream);
            let mut line = serde_json::to_vec(request)?;
            line.push(b'\n');
            stream.get_mut().write_all(&line).await?;
            let mut answer = String::new();
            stream.read_line(&mut answer).await?;
            Ok::<Answer, std::io::Error>(serde_json::from_str(&answer)?)
        };
        match timeout(within, ask).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.cannot(&error.to_string())),
            Err(_) => {
                let what = Text::new("spørre porten", "asking the gate");
                Err(Error::late(&what, millis(within)))
            }
        }
    }

    /// Holds clients once nobody waits for an answer, or takes it back when `within` has passed.
    pub async fn hold(&self, within: Duration) -> Result<(), Error> {
        let request = Request::Hold {
            within: millis(within),
        };
        // Its own bound comes first.
        match self.ask(&request, within + Duration::from_millis(500)).await? {
            Answer::Drained(true) => Ok(()),
            Answer::Drained(false) => {
                let what = Text::new("vente på svar som er ute", "waiting for requests that are out");
                Err(Error::late(&what, millis(within)))
            }
            other => Err(self.cannot(&format!("{other:?}"))),
        }
    }

    /// Lets clients go on; keeps trying, because a gate that has just died comes back, and then holds nobody.
    pub async fn release(&self, within: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self
                .ask(&Request::Release, left.min(Duration::from_secs(2)))
                .await
            {
                Ok(_) => return Ok(()),
                Err(error) if left.is_zero() => return Err(error),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub async fn state(&self, within: Duration) -> Result<State, Error> {
        match self.ask(&Request::State, within).await? {
            Answer::State(state) => Ok(state),
            other => Err(self.cannot(&format!("{other:?}"))),
        }
    }

    /// Ends these sessions, or all that the server knows; gives how many there were.
    pub async fn cut(&self, clients: Vec<u64>, within: Duration) -> Result<u32, Error> {
        match self.ask(&Request::Cut { clients }, within).await? {
            Answer::Cut(count) => Ok(count),
            other => Err(self.cannot(&format!("{other:?}"))),
        }
    }

    fn cannot(&self, cause: &str) -> Error {
        let socket = self.socket.display();
        Error::failed(
            format!("Porten på {socket} svarer ikke: {cause}. Se i loggen til varde-relay"),
            format!("The gate at {socket} does not answer: {cause}. See the log of varde-relay"),
        )
    }
}
