//! What passing audio between two endpoints costs: `relay CALLS SECONDS`.
//!
//! A sender puts the time into each packet's payload, which a bridge of A-law with A-law does not touch; a receiver says
//! how long the packet was on its way. The same packets are sent to the receiver directly before, so that the difference
//! is what the bridge adds. Processor time is that of the thread that carries audio, alone, both ways of a call counted
//! as one: the packets go one way here, so a call is two of them.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use varde_rtp::g711::Codec;
use varde_rtp::rtp::{self, HEAD, Packet};
use varde_rtp::sdp::{Agreed, Direction};
use varde_rtp::{Config, Media};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let calls: u16 = arguments.next().unwrap_or("100".into()).parse()?;
    let seconds: u32 = arguments.next().unwrap_or("10".into()).parse()?;
    let sender = UdpSocket::bind((HERE, 0))?;
    let receiver = UdpSocket::bind((HERE, 0))?;
    let (media, _happened) = Media::start(&Config {
        address: HERE,
        ports: 16_384..=32_767,
    })?;
    // Each call one way: what is sent comes to one endpoint, and goes from the other.
    let mut endpoints = vec![];
    for _ in 0..2 * calls {
        let (here, there) = (media.open()?, media.open()?);
        here.agree(agreed(sender.local_addr()?));
        there.agree(agreed(receiver.local_addr()?));
        here.bridge(&there);
        endpoints.push((here, there));
    }
    let direct = vec![receiver.local_addr()?; endpoints.len()];
    let bridged: Vec<_> = endpoints.iter().map(|(here, _)| here.local()).collect();
    println!(
        "{:<10} {:>9} {:>9} {:>9} {:>9}",
        "", "packets", "p50 µs", "p99 µs", "most µs"
    );
    run("directly", &sender, &receiver, &direct, seconds)?;
    let before = audio_time()?;
    run("bridged", &sender, &receiver, &bridged, seconds)?;
    let spent = audio_time()?.saturating_sub(before);
    let call_minutes = f64::from(calls) * f64::from(seconds) / 60.0;
    println!(
        "processor time of a call-minute: {:.2} ms",
        spent.as_secs_f64() * 1000.0 / call_minutes
    );
    Ok(())
}

fn agreed(peer: SocketAddr) -> Agreed {
    Agreed {
        rtp: peer,
        rtcp: SocketAddr::new(HERE, 9),
        codec: Codec::Pcma,
        events_out: None,
        events_in: None,
        ptime: 20,
        direction: Direction::SendRecv,
    }
}

/// Sends a packet to each address every 20 ms, spread over them, and prints how long they were on their way.
fn run(
    name: &str,
    sender: &UdpSocket,
    receiver: &UdpSocket,
    to: &[SocketAddr],
    seconds: u32,
) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    receiver.set_read_timeout(Some(Duration::from_secs(1)))?;
    let receiver = receiver.try_clone()?;
    let counting = spawn(move || {
        let (mut times, mut datagram) = (vec![], [0; 512]);
        while let Ok(length) = receiver.recv(&mut datagram) {
            let sent = rtp::parse(&datagram[..length]).ok().and_then(|packet| {
                let time = datagram[packet.payload].first_chunk::<8>().copied()?;
                Some(Duration::from_nanos(u64::from_be_bytes(time)))
            });
            times.extend(sent.map(|sent| begun.elapsed().saturating_sub(sent)));
        }
        times
    });
    let every = Duration::from_millis(20) / u32::try_from(to.len())?;
    let mut due = Duration::ZERO;
    for round in 0..50 * seconds {
        for (ssrc, address) in (1..).zip(to) {
            if let Some(wait) = due.checked_sub(begun.elapsed()) {
                sleep(wait);
            }
            due += every;
            let head = Packet {
                marker: false,
                payload_type: 8,
                sequence: u16::try_from(round % 65_536)?,
                timestamp: round.wrapping_mul(160),
                ssrc,
                payload: HEAD..HEAD + 160,
            };
            let mut datagram = [0; HEAD + 160];
            rtp::write_head(&head, &mut datagram[..HEAD]);
            let time = u64::try_from(begun.elapsed().as_nanos())?;
            datagram[HEAD..HEAD + 8].copy_from_slice(&time.to_be_bytes());
            sender.send_to(&datagram, address)?;
        }
    }
    let mut times = counting.join().map_err(|_| "the receiver has panicked")?;
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
    let micros = |percent| at(percent).map_or(0, Duration::as_micros);
    println!(
        "{name:<10} {:>9} {:>9} {:>9} {:>9}",
        times.len(),
        micros(50),
        micros(99),
        micros(100)
    );
    Ok(())
}

/// How long the thread that carries audio has run.
fn audio_time() -> Result<Duration, Box<dyn Error>> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == "audio" {
            let spent = std::fs::read_to_string(task.join("schedstat"))?;
            let spent = spent.split(' ').next().ok_or("schedstat is empty")?;
            return Ok(Duration::from_nanos(spent.parse()?));
        }
    }
    Err("no thread carries audio".into())
}
