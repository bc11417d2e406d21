//! The daemon's heart and the steps of a unit with a real QEMU. `cargo xtask test` names one; without it there is
//! nothing to test here.

mod common;

use common::{Place, Processes, daemon, kill, site, until, vm};
use varde_bus::hypervisor::VmState;
use varde_hypervisor::daemon::End;
use varde_site::{Disk, Text};

fn place() -> Option<Place> {
    let place = Place::with_qemu();
    if place.is_none() {
        eprintln!("not tested: neither VARDE_QEMU nor VARDE_TOOLBOX names a QEMU");
    }
    place
}

#[tokio::test]
async fn a_machine_starts_is_paused_and_killed_and_the_crash_is_told_with_its_signal() {
    let Some(place) = place() else { return };
    let mut machine = vm("one");
    machine.disks = vec![Disk {
        name: "system".into(),
        image: None,
        size: 1 << 30,
    }];
    let site = site(vec![machine]);
    let (units, news) = Processes::new(place.paths.clone(), &site);
    let (handle, mut published) = daemon(&place.paths, site, units.clone(), news).await;

    handle.start("one").await.expect("started");
    let status = until(&mut published, "one", VmState::Running)
        .await
        .expect("runs");
    assert!(status.disks[0].used > 0, "the disk was made");
    handle.pause("one").await.expect("paused");
    until(&mut published, "one", VmState::Paused)
        .await
        .expect("stands");
    handle.resume("one").await.expect("resumed");
    until(&mut published, "one", VmState::Running)
        .await
        .expect("runs");
    kill(units.pid("one"));
    let status = until(&mut published, "one", VmState::Crashed)
        .await
        .expect("has crashed");
    assert!(status.reason.en.contains("SIGKILL"), "{}", status.reason);
}

#[tokio::test]
async fn a_guest_that_does_not_listen_goes_down_the_ladder_to_the_end() {
    let Some(place) = place() else { return };
    let site = site(vec![vm("one")]);
    let (units, news) = Processes::new(place.paths.clone(), &site);
    let (handle, mut published) = daemon(&place.paths, site, units, news).await;
    handle.start("one").await.expect("started");
    until(&mut published, "one", VmState::Running)
        .await
        .expect("runs");
    // No system in it: neither agent nor power button has anybody behind it.
    handle
        .end("one", End::Orderly, Text::same("by kari"))
        .await
        .expect("under way");
    until(&mut published, "one", VmState::Stopping)
        .await
        .expect("is stopping");
    let status = until(&mut published, "one", VmState::Stopped)
        .await
        .expect("is off");
    assert_eq!(status.reason.en, "by kari");
}

#[tokio::test]
async fn what_the_firmware_writes_is_in_the_console_and_in_the_scrollback_of_a_machine_that_is_off() {
    let Some(place) = place() else { return };
    let site = site(vec![vm("one")]);
    let (units, news) = Processes::new(place.paths.clone(), &site);
    let (handle, mut published) = daemon(&place.paths, site, units.clone(), news).await;
    handle.start("one").await.expect("started");
    until(&mut published, "one", VmState::Running)
        .await
        .expect("runs");
    let (end, before) = loop {
        match handle.open_console("one").await {
            Ok(opened) => break opened,
            // The state is there a moment before the line.
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let stream = std::os::unix::net::UnixStream::from(end);
    stream.set_nonblocking(true).expect("set");
    let stream = tokio::net::UnixStream::from_std(stream).expect("a stream");
    let mut seen = before;
    while !String::from_utf8_lossy(&seen).contains("No bootable device") {
        stream.readable().await.expect("readable");
        let mut buffer = [0; 1024];
        if let Ok(count) = stream.try_read(&mut buffer) {
            assert!(count > 0, "the console ended: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..count]);
        }
    }
    kill(units.pid("one"));
    until(&mut published, "one", VmState::Crashed)
        .await
        .expect("has crashed");
    let scrollback = handle.scrollback("one").await.expect("a scrollback");
    assert!(String::from_utf8_lossy(&scrollback).contains("SeaBIOS"));
}

#[tokio::test]
async fn a_qemu_that_cannot_start_is_a_crash_with_qemus_own_words() {
    let Some(place) = place() else { return };
    let site = site(vec![vm("one")]);
    let (units, news) = Processes::new(place.paths.clone(), &site);
    // In the way of a socket.
    std::fs::create_dir_all(place.paths.qmp("one").join("x")).expect("a directory");
    let (handle, mut published) = daemon(&place.paths, site, units, news).await;
    handle.start("one").await.expect("under way");
    let status = until(&mut published, "one", VmState::Crashed)
        .await
        .expect("has crashed");
    assert!(status.reason.en.contains("qmp.sock"), "{}", status.reason);
}
