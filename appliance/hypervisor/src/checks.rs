//! Boot checks: is what a machine is there for up?

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use varde_site::{Check, CheckKind, Text, Vm, clone_of};

use crate::agent::{Agent, AgentError};
use crate::paths::Paths;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The pause after a failed attempt, and what it grows to: a guest that hangs need not be asked each second for ever.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One try; the error says what was met.
pub(crate) async fn attempt(check: &Check, vm: &Vm, paths: &Paths) -> Result<(), Text> {
    match check.kind {
        CheckKind::Agent => agent(&paths.agent(&vm.name)).await,
        CheckKind::Tcp(port) => {
            let Some(address) = vm.address else {
                return Err(Text::new(
                    "maskinen har ingen adresse i site.toml",
                    "the machine has no address in site.toml",
                ));
            };
            match timeout(ATTEMPT, connect(vm, SocketAddr::from((address, port)))).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(Text::same(format!("{address}:{port}: {error}"))),
                Err(_) => Err(Text::new(
                    format!("{address}:{port} svarer ikke"),
                    format!("{address}:{port} does not answer"),
                )),
            }
        }
    }
}

/// To a clone on the bridge of its rehearsal: its address is that of a machine in production too.
async fn connect(vm: &Vm, address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if clone_of(&vm.name).is_some() {
        socket.bind_device(Some(vm.bridge().as_bytes()))?;
    }
    socket.connect(address).await
}

async fn agent(socket: &Path) -> Result<(), Text> {
    let answer = async { Agent::open(socket, ATTEMPT).await?.ping(ATTEMPT).await };
    answer.await.map_err(|error| match error {
        AgentError::TimedOut(_) => Text::new("gjesteagenten svarer ikke", "the guest agent does not answer"),
        other => Text::new(
            format!("gjesteagenten: {other}"),
            format!("the guest agent: {other}"),
        ),
    })
}

/// What [`run`] has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Attempt(Result<(), Text>),
    Overdue,
}

/// Tries until the check passes, and tells each change. It goes on after it is overdue: a machine that comes up late is
/// still welcome. `elapsed` is how long the machine has been on.
pub async fn run(check: &Check, vm: &Vm, paths: &Paths, elapsed: Duration, mut tell: impl FnMut(Told)) {
    let deadline = Instant::now() + Duration::from_secs(check.within).saturating_sub(elapsed);
    let mut overdue = false;
    let mut pause = FIRST_PAUSE;
    let mut last = None;
    loop {
        let result = attempt(check, vm, paths).await;
        if last.as_ref() != Some(&result) {
            last = Some(result.clone());
            tell(Told::Attempt(result.clone()));
        }
        if result.is_ok() {
            return;
        }
        if !overdue && Instant::now() >= deadline {
            overdue = true;
            tell(Told::Overdue);
        }
        let next = if overdue {
            pause
        } else {
            pause.min(deadline.saturating_duration_since(Instant::now()))
        };
        sleep(next).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        if !overdue {
            // While somebody may be waiting, a second is long enough.
            pause = pause.min(Duration::from_secs(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::{self, vm};

    fn tcp(port: u16, within: u64) -> Check {
        Check {
            kind: CheckKind::Tcp(port),
            within,
        }
    }

    #[tokio::test]
    async fn a_port_that_opens_late_is_overdue_first_and_passes_then() {
        // Bound but not listening: connections are refused until it listens.
        let socket = tokio::net::TcpSocket::new_v4().expect("socket");
        socket
            .bind("127.0.0.1:0".parse().expect("address"))
            .expect("bound");
        let port = socket.local_addr().expect("address").port();
        let mut vm = vm("db");
        vm.address = Some(std::net::Ipv4Addr::LOCALHOST);
        let place = test::Place::new();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let paths = place.paths.clone();
        let check = tokio::spawn(async move {
            run(&tcp(port, 0), &vm, &paths, Duration::ZERO, |what| {
                tell.send(what).expect("heard");
            })
            .await;
        });
        assert!(matches!(told.recv().await, Some(Told::Attempt(Err(_)))));
        assert_eq!(told.recv().await, Some(Told::Overdue));
        let _listener = socket.listen(1).expect("listening");
        assert_eq!(told.recv().await, Some(Told::Attempt(Ok(()))));
        check.await.expect("ended");
    }

    #[tokio::test]
    async fn a_tcp_check_without_an_address_says_so() {
        let place = test::Place::new();
        let mut vm = vm("db");
        vm.address = None;
        let said = attempt(&tcp(1, 1), &vm, &place.paths)
            .await
            .expect_err("no address");
        assert!(said.en.contains("no address"), "{said}");
    }
}
