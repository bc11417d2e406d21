//! A phone of baresip: it takes every call, says what lies in one file, and keeps what it hears in another.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use varde_machine::Tree;
use varde_machine::tree::enter;
use varde_qemu_tests::outside::ADDRESS;
use varde_qemu_tests::{Error, Outside, Result, patient};
use varde_rtp::g711::{from_alaw, to_alaw};

/// Octets that must be found whole in what was heard: a tenth of a second of G.711.
const WINDOW: usize = 800;
const BOUND: Duration = Duration::from_mins(1);
/// A header of RIFF as every program writes it for plain samples.
const HEADER: usize = 44;

pub struct Phone {
    child: Child,
    folder: tempfile::TempDir,
    said: Vec<u8>,
}

/// A-law octets that are no silence and do not repeat.
pub fn sound(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let octet = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(octet).collect()
}

impl Phone {
    /// Starts one that logs in as `account`.
    pub fn start(outside: &Outside, account: &str, secret: &str) -> Result<Self> {
        let tree = Tree::new("phones", &["baresip-core"])?.ensure(|command| {
            let made = command.stdout(Stdio::null()).status();
            match made {
                Ok(status) if status.success() => Ok(()),
                other => Err(Error::Setup {
                    what: format!("the tree with baresip was not made: {other:?}"),
                    remedy: "look at the network and at the mirror in /etc/apt".to_owned(),
                }),
            }
        })?;
        let folder = tempfile::tempdir().expect("a folder for the phone");
        let said = sound(60 * 8_000, 1);
        let file = |name: &str| folder.path().join(name);
        write(&file("says.wav"), &wav(&said));
        write(&file("config"), config(folder.path()).as_bytes());
        let account = format!(
            "<sip:{account}@10.20.0.1>;auth_user={account};auth_pass={secret};answermode=auto;audio_codecs=PCMA;regint=60\n"
        );
        write(&file("accounts"), account.as_bytes());
        let log = fs::File::create(file("log")).expect("a log for the phone");
        let mut phone = outside.enter(enter(&tree, "baresip").arg("-f").arg(folder.path()));
        let child = phone
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .spawn();
        Ok(Self {
            child: child.expect("baresip starts"),
            folder,
            said,
        })
    }

    /// Asserts that this is part of what the phone says.
    pub fn has_said(&self, octets: &[u8]) {
        assert!(
            has_window(&self.said, octets),
            "no tenth of a second of {} octets is what the phone says; its log: {}",
            octets.len(),
            self.log()
        );
    }

    /// Waits until the phone has heard part of this.
    pub fn hears(&self, octets: &[u8]) -> Result<()> {
        let end = Instant::now() + patient(BOUND);
        loop {
            let wav = fs::read(self.folder.path().join("hears.wav")).unwrap_or_default();
            let samples = wav.get(HEADER..).unwrap_or_default().chunks_exact(2);
            let heard: Vec<_> = samples
                .map(|sample| to_alaw(i16::from_le_bytes([sample[0], sample[1]])))
                .collect();
            if has_window(octets, &heard) {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(Error::Bound {
                    what: "a tenth of a second of what the exchange says, in the phone".to_owned(),
                    bound: patient(BOUND),
                    last: format!("{} samples heard; its log: {}", heard.len(), self.log()),
                });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // Both fail only for a phone that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether any window of `heard` stands, octet by octet, in `said`.
fn has_window(said: &[u8], heard: &[u8]) -> bool {
    heard
        .chunks_exact(WINDOW)
        .any(|window| said.windows(WINDOW).any(|part| part == window))
}

fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// One channel of 16 bits, 8,000 a second.
fn wav(alaw: &[u8]) -> Vec<u8> {
    let data: Vec<u8> = alaw
        .iter()
        .flat_map(|octet| from_alaw(*octet).to_le_bytes())
        .collect();
    let size = |length: usize| u32::try_from(length).expect("a short recording").to_le_bytes();
    let mut wav = Vec::with_capacity(HEADER + data.len());
    wav.extend(b"RIFF");
    wav.extend(size(36 + data.len()));
    wav.extend(b"WAVEfmt ");
    wav.extend(size(16));
    wav.extend([1, 0, 1, 0]);
    wav.extend(size(8_000));
    wav.extend(size(16_000));
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(size(data.len()));
    wav.extend(data);
    wav
}

fn config(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "poll_method epoll\n\
         sip_listen {ADDRESS}:5070\n\
         call_max_calls 2\n\
         audio_source aufile,{folder}/says.wav\n\
         audio_player aufile,{folder}/hears.wav\n\
         audio_alert none\n\
         ausrc_srate 8000\n\
         auplay_srate 8000\n\
         ausrc_channels 1\n\
         auplay_channels 1\n\
         rtp_ports 40000-40100\n\
         module_path /usr/lib/baresip/modules\n\
         module g711.so\n\
         module aufile.so\n\
         module_app account.so\n\
         module_app menu.so\n"
    )
}
