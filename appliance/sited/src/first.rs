//! The first generation of a new machine.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use varde_bus::record::Recorder;
use varde_bus::{Failure, FailureKind, Verb};
use varde_site::{Finding, LONGEST_FILE, Origin, Source, Store, Text, parse};

use crate::Error;
use crate::error::failure;

/// There is a file of this name while the first generation is not in the record of changes.
const UNRECORDED: &str = "first-unrecorded";

/// Where a first site may be, best first; the demo of the image is the last resort.
#[derive(Clone, Debug)]
pub struct Candidates {
    pub credential: Option<PathBuf>,
    /// What the installer left: not needed any more when there is a generation.
    pub installed: PathBuf,
    pub media: PathBuf,
    pub demo: PathBuf,
}

impl Candidates {
    /// Those of the running system.
    pub fn of_system() -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self {
            credential: credentials.map(|folder| folder.join("varde.site")),
            installed: Path::new(Store::PATH).join("first.toml"),
            media: "/run/varde/media/site.toml".into(),
            demo: "/usr/share/varde/site.toml".into(),
        }
    }
}

/// Makes the first generation, unless there is one; gives its number if it did.
///
/// A site that was offered and cannot be used does not leave the machine without accounts: the demo runs, and the
/// record says what was wrong.
pub fn make(store: &Store, candidates: &Candidates, when: i64) -> Result<Option<u64>, Error> {
    if store.active_number()?.is_some() {
        return Ok(None);
    }
    let (text, source, problem) = choose(candidates)?;
    if let Some(problem) = &problem {
        eprintln!("{problem}");
    }
    let origin = Origin {
        who: "first-boot".to_owned(),
        why: String::new(),
        source,
        problem,
    };
    let mut writer = store.writer()?;
    // Before the generation, so that a power cut between them loses no record.
    let note = store.path().join(UNRECORDED);
    std::fs::write(&note, "").map_err(|error| Error::io("write", &note, error))?;
    let number = writer.commit(&text, &origin, when)?;
    if source == Source::Installed
        && let Err(error) = std::fs::remove_file(&candidates.installed)
    {
        eprintln!("could not remove {}: {error}", candidates.installed.display());
    }
    Ok(Some(number))
}

/// Has the first generation entered in the record of changes. There is no bus yet when it is made, so this is done when
/// the service starts for the first time; where it fails, the next start tries again.
pub async fn record(store: &Store, recorder: &Recorder) -> Result<(), Failure> {
    let note = store.path().join(UNRECORDED);
    if !note.exists() {
        return Ok(());
    }
    let first = store.record(1).map_err(|error| failure(&error))?;
    let problem = first
        .problem
        .map(|problem| format!(". {problem}"))
        .unwrap_or_default();
    let detail = format!("generation 1, {} site{problem}", first.source.name());
    recorder
        .event("varde-site", Verb::ApplySite.name(), "first-boot", &detail)
        .await?;
    std::fs::remove_file(&note).map_err(|error| {
        let fault = Error::io("remove", &note, error).to_string();
        Failure::new(FailureKind::Failed, fault.clone(), fault)
    })
}

fn choose(candidates: &Candidates) -> Result<(String, Source, Option<Text>), Error> {
    let offers = [
        (candidates.credential.as_deref(), Source::Credential),
        (Some(candidates.installed.as_path()), Source::Installed),
        (Some(candidates.media.as_path()), Source::Media),
    ];
    for (path, source) in offers {
        let Some(path) = path else {
            continue;
        };
        match read(path) {
            Ok(Some(text)) => match parse(&text) {
                Ok(_) => return Ok((text, source, None)),
                Err(findings) => return demo(candidates, Some(refused(path, &findings))),
            },
            Ok(None) => {}
            Err(error) => return demo(candidates, Some(unreadable(path, &error))),
        }
    }
    demo(candidates, None)
}

fn demo(candidates: &Candidates, problem: Option<Text>) -> Result<(String, Source, Option<Text>), Error> {
    let path = &candidates.demo;
    let bad = |detail: String| Error::Demo {
        path: path.clone(),
        detail,
    };
    let text = read(path).map_err(|error| Error::io("read", path, error))?;
    let text = text.ok_or_else(|| bad("it is not there".to_owned()))?;
    parse(&text).map_err(|findings| bad(first_of(&findings).en))?;
    Ok((text, Source::Demo, problem))
}

/// `None` where there is no such file.
fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(found) if found.len() > LONGEST_FILE as u64 => {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "the file is too large"));
        }
        _ => {}
    }
    std::fs::read_to_string(path).map(Some)
}

fn refused(path: &Path, findings: &[Finding]) -> Text {
    let first = first_of(findings);
    let (path, count) = (path.display(), findings.len());
    Text::new(
        format!(
            "Demoen kjører, fordi {path} har {count} feil; den første er på {}",
            first.nb
        ),
        format!(
            "The demo runs, because {path} has {count} faults; the first is on {}",
            first.en
        ),
    )
}

fn unreadable(path: &Path, error: &io::Error) -> Text {
    let path = path.display();
    Text::new(
        format!("Demoen kjører, fordi {path} ikke kunne leses: {error}"),
        format!("The demo runs, because {path} could not be read: {error}"),
    )
}

/// With its place.
pub(crate) fn first_of(findings: &[Finding]) -> Text {
    let Some(first) = findings.first() else {
        return Text::default();
    };
    let (line, column) = (first.line, first.column);
    Text::new(
        format!(
            "linje {line}, tegn {column}: {}. {}",
            first.text.nb, first.remedy.nb
        ),
        format!(
            "line {line}, column {column}: {}. {}",
            first.text.en, first.remedy.en
        ),
    )
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const DEMO: &str = include_str!("../../../image/demo/site.toml");

    fn offered(
        credential: Option<&str>,
        installed: Option<&str>,
        media: Option<&str>,
    ) -> (TempDir, Store, Candidates) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = [
            ("credential", credential),
            ("installed", installed),
            ("media", media),
            ("demo", Some(DEMO)),
        ];
        for (name, text) in files {
            if let Some(text) = text {
                std::fs::write(path(name), text).unwrap();
            }
        }
        std::fs::create_dir(path("store")).unwrap();
        let candidates = Candidates {
            credential: Some(path("credential")),
            installed: path("installed"),
            media: path("media"),
            demo: path("demo"),
        };
        let store = Store::open(path("store"));
        (folder, store, candidates)
    }

    fn named(name: &str) -> String {
        DEMO.replace("name = \"varde-demo\"", &format!("name = \"{name}\""))
    }

    #[test]
    fn the_credential_comes_before_what_the_installer_left_that_before_the_media_and_all_before_the_demo() {
        let (a, b, c) = (named("a"), named("b"), named("c"));
        let (a, b, c) = (Some(a.as_str()), Some(b.as_str()), Some(c.as_str()));
        let cases = [
            (a, b, c, "a", Source::Credential),
            (None, b, c, "b", Source::Installed),
            (None, None, c, "c", Source::Media),
            (None, None, None, "varde-demo", Source::Demo),
        ];
        for (credential, installed, media, name, source) in cases {
            let (_folder, store, candidates) = offered(credential, installed, media);
            assert_eq!(make(&store, &candidates, 1).unwrap(), Some(1));
            let active = store.active().unwrap().unwrap();
            assert_eq!(
                (active.site.site.name.as_str(), active.record.source),
                (name, source)
            );
            assert_eq!(active.record.problem, None);
            // It holds the hash of a password, and has been used.
            let left = candidates.installed.exists();
            assert_eq!(left, installed.is_some() && source != Source::Installed);
        }
    }

    #[test]
    fn a_bad_offer_gives_the_demo_and_says_why() {
        let bad = named("a").replace("memory = \"512 MiB\"", "memroy = \"512 MiB\"");
        let (_folder, store, candidates) = offered(Some(&bad), None, Some(&named("b")));
        make(&store, &candidates, 1).unwrap();
        let active = store.active().unwrap().unwrap();
        assert_eq!(active.record.source, Source::Demo);
        let problem = active.record.problem.unwrap().en;
        assert!(
            problem.contains("2 faults; the first is on line 4") && problem.contains("memory"),
            "{problem}"
        );
    }

    #[test]
    fn there_is_only_one_first_time() {
        let (_folder, store, candidates) = offered(None, None, None);
        make(&store, &candidates, 1).unwrap();
        assert_eq!(make(&store, &candidates, 2).unwrap(), None);
        assert_eq!(store.history().unwrap().len(), 1);
    }
}
