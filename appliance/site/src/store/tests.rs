use std::fs;

use tempfile::TempDir;

use super::*;

const A: &str = include_str!("../../../../image/demo/site.toml");

fn origin(who: &str) -> Origin {
    Origin {
        who: who.to_owned(),
        why: "prøve".to_owned(),
        source: Source::Applied,
        problem: Some(Text::new("æ", "a\nb")),
    }
}

fn b() -> String {
    A.replace("varde-demo", "varde-b")
}

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path());
    (folder, store)
}

fn commit(store: &Store, text: &str) -> u64 {
    store.writer().unwrap().commit(text, &origin("kari"), 5).unwrap()
}

#[test]
fn an_empty_store_has_nothing() {
    let (_folder, store) = store();
    assert_eq!(store.active().unwrap(), None);
    assert!(store.history().unwrap().is_empty());
    assert!(matches!(store.record(1), Err(StoreError::NotFound(1))));
}

#[test]
fn a_generation_is_found_again_as_it_was_made() {
    let (_folder, store) = store();
    assert_eq!(commit(&store, A), 1);
    assert_eq!(commit(&store, &b()), 2);
    let active = store.active().unwrap().unwrap();
    assert_eq!(
        (active.text.as_str(), active.site.site.name.as_str()),
        (b().as_str(), "varde-b")
    );
    let record = active.record;
    assert_eq!((record.number, record.parent, record.when), (2, 1, 5));
    assert_eq!((record.who.as_str(), record.why.as_str()), ("kari", "prøve"));
    assert_eq!(record.problem, Some(Text::new("æ", "a\nb")));
    let numbers: Vec<u64> = store
        .history()
        .unwrap()
        .into_iter()
        .map(|r| r.unwrap().number)
        .collect();
    assert_eq!(numbers, [2, 1]);
}

#[test]
fn the_same_file_twice_is_kept_once() {
    let (folder, store) = store();
    commit(&store, A);
    commit(&store, A);
    assert_eq!(fs::read_dir(folder.path().join(OBJECTS)).unwrap().count(), 1);
}

#[test]
fn going_back_makes_an_earlier_generation_active() {
    let (_folder, store) = store();
    commit(&store, A);
    commit(&store, &b());
    store.writer().unwrap().activate(1).unwrap();
    assert_eq!(store.active_number().unwrap(), Some(1));
    // A number is never given twice.
    assert_eq!(commit(&store, &b()), 3);
    let fault = store.writer().unwrap().activate(9).unwrap_err();
    assert!(matches!(fault, StoreError::NotFound(9)));
}

#[test]
fn an_altered_file_is_found_out_and_mended_by_applying_it_again() {
    let (folder, store) = store();
    commit(&store, A);
    let hash = store.record(1).unwrap().hash;
    let object = folder.path().join(object_path(&hash));
    fs::write(&object, A.replace("role = \"viewer\"", "role = \"admin\"")).unwrap();
    let fault = store.active().unwrap_err();
    assert!(
        matches!(&fault, StoreError::Altered { expected, .. } if *expected == hash),
        "{fault}"
    );
    assert!(fault.text().nb.contains("er endret etter at den ble skrevet"));
    commit(&store, A);
    assert_eq!(store.active().unwrap().unwrap().text, A);
}

#[test]
fn a_damaged_record_or_link_is_told_from_an_absent_one() {
    let (folder, store) = store();
    commit(&store, A);
    let record = folder.path().join(record_path(1));
    let whole = fs::read_to_string(&record).unwrap();
    for bad in [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("number = 1", "number = 2"),
        whole.replace("hash = \"", "hash = \"../../"),
        format!("more = 1\n{whole}"),
    ] {
        fs::write(&record, &bad).unwrap();
        assert!(matches!(store.active(), Err(StoreError::Damaged { .. })), "{bad}");
        assert!(store.history().unwrap()[0].is_err());
    }
    fs::remove_file(folder.path().join(ACTIVE)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join(ACTIVE)).unwrap();
    assert!(matches!(store.active(), Err(StoreError::Damaged { .. })));
}

#[test]
fn only_one_writes_at_a_time() {
    let (_folder, store) = store();
    let first = store.writer().unwrap();
    assert!(matches!(store.writer(), Err(StoreError::Busy(_))));
    drop(first);
    store.writer().unwrap();
}
