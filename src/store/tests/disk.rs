use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use redb::StorageBackend;

use super::support::{conversation, generating, ids, user};
use crate::{ConversationStore, Message, RedbStore, StoreError, disk::Medium, index::Place, upgrade};

/// A disk that fails on command and forgets on command what was not synced. It outlives the store.
#[derive(Debug, Clone, Default)]
struct Disk {
    bytes: Arc<Mutex<Bytes>>,
    /// So many writing calls still succeed.
    left: Arc<AtomicU64>,
    /// What the others fail with; a full disk if unset.
    broken: Arc<AtomicBool>,
    /// Writing calls so far.
    calls: Arc<AtomicU64>,
    /// Syncs so far; each waits while somebody holds the gate.
    syncs: Arc<AtomicU64>,
    gate: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Bytes {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Since the last sync, in order.
    writes: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Write {
    At(usize, Vec<u8>),
    Length(usize),
}

fn apply(write: &Write, bytes: &mut Vec<u8>) {
    match write {
        Write::At(offset, data) => bytes[*offset..*offset + data.len()].copy_from_slice(data),
        Write::Length(length) => bytes.resize(*length, 0),
    }
}

impl Disk {
    fn new() -> Self {
        let disk = Self::default();
        disk.allow(u64::MAX / 2);
        disk
    }

    fn allow(&self, calls: u64) {
        self.left.store(calls, Ordering::SeqCst);
    }

    fn spend(&self) -> io::Result<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => Ok(()),
            Err(_) if self.broken.load(Ordering::SeqCst) => Err(io::Error::other("sector not found")),
            Err(_) => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn open(&self) -> Result<RedbStore, StoreError> {
        let disk = self.clone();
        let medium: Medium = Box::new(move || Ok(Box::new(disk.clone())));
        RedbStore::with(PathBuf::from("test"), medium, Place::Memory, upgrade::STEPS)
    }

    /// The power goes: of what was not synced, an arbitrary part arrives.
    fn lose_power(&self, random: &mut Random) -> Self {
        let bytes = self.bytes.lock().unwrap();
        let mut left = bytes.synced.clone();
        for write in &bytes.writes {
            let fits = match write {
                Write::At(offset, data) => offset + data.len() <= left.len(),
                Write::Length(_) => true,
            };
            if fits && random.below(2) == 0 {
                apply(write, &mut left);
            }
        }
        let disk = Self::new();
        *disk.bytes.lock().unwrap() = Bytes { now: left.clone(), synced: left, writes: Vec::new() };
        disk
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.lock().unwrap();
        let offset = offset as usize;
        let found = bytes.now.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.spend()?;
        let mut bytes = self.bytes.lock().unwrap();
        let write = Write::Length(len as usize);
        apply(&write, &mut bytes.now);
        bytes.writes.push(write);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.spend()?;
        self.syncs.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.lock().unwrap());
        let mut bytes = self.bytes.lock().unwrap();
        let Bytes { synced, writes, .. } = &mut *bytes;
        writes.drain(..).for_each(|write| apply(&write, synced));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.spend()?;
        let mut bytes = self.bytes.lock().unwrap();
        let write = Write::At(offset as usize, data.to_vec());
        apply(&write, &mut bytes.now);
        bytes.writes.push(write);
        Ok(())
    }
}

/// Numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn put(store: &RedbStore, i: usize) -> Result<(), StoreError> {
    // Long enough to make the file grow now and then.
    store.put_messages("conv_1", &[user(&format!("msg_{i}"), None, &"word ".repeat(1000))], None).map(drop)
}

/// Asserts that all of `saved` is there and at most one more.
#[track_caller]
fn has(store: &RedbStore, saved: usize) -> usize {
    let messages = store.messages("conv_1").unwrap();
    assert!(
        (saved..=saved + 1).contains(&messages.len()),
        "{} of {saved} are there: {:?}",
        messages.len(),
        ids(&messages)
    );
    assert_eq!(store.conversation("conv_1").unwrap().messages, messages.len() as u64, "list and file agree");
    assert_eq!(messages.len(), messages.iter().filter(|message| message.content.len() == 5000).count());
    messages.len()
}

#[test]
fn a_full_disk_harms_nothing_and_is_over_when_there_is_space() {
    // The disk fills at each of the calls of a few transactions in turn.
    for calls in 0..40 {
        let disk = Disk::new();
        let store = disk.open().unwrap();
        store.create(&conversation("conv_1"), &[]).unwrap();
        let mut saved = 0;
        disk.allow(calls);
        let error = loop {
            match put(&store, saved) {
                Ok(()) => saved += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
        let failing = store.state();
        assert_eq!(failing.failing.as_deref(), Some("the disk of test is full"));
        // Readable meanwhile, and further attempts change nothing.
        saved = has(&store, saved);
        for _ in 0..2 {
            assert!(matches!(put(&store, 1000), Err(StoreError::DiskFull { .. })));
            assert_eq!(store.state().failing_since_ms, failing.failing_since_ms);
            has(&store, saved);
        }
        disk.allow(u64::MAX / 2);
        thread::sleep(Duration::from_millis(60));
        saved = store.messages("conv_1").unwrap().len();
        put(&store, 2000).unwrap();
        assert_eq!((store.state().failing, has(&store, saved + 1)), (None, saved + 1));
        assert_eq!(store.search("word", 5).unwrap().len(), 1);
        drop(store);
        has(&disk.open().unwrap(), saved + 1);
    }
}

#[test]
fn a_broken_disk_says_what_it_said_and_an_open_store_is_read_on() {
    let disk = Disk::new();
    let store = disk.open().unwrap();
    store.create(&conversation("conv_1"), &[]).unwrap();
    put(&store, 0).unwrap();
    disk.broken.store(true, Ordering::SeqCst);
    disk.allow(1);
    let error = put(&store, 1).unwrap_err();
    assert_eq!(error.to_string(), "test: sector not found");
    has(&store, 1);
    // A request that cannot be met is no failure of the disk, and does not hide one.
    assert!(matches!(store.conversation("x"), Err(StoreError::NotFound { .. })));
    assert!(store.state().failing.is_some());
    drop(store);
    // Opening repairs, which this disk does not let it do.
    assert!(matches!(disk.open(), Err(StoreError::Io { .. })));
    disk.allow(u64::MAX / 2);
    has(&disk.open().unwrap(), 1);
}

#[test]
fn a_loss_of_power_takes_nothing_that_was_acknowledged() {
    let mut random = Random(0x5eed);
    for round in 0..80 {
        let disk = Disk::new();
        let store = disk.open().unwrap();
        store.create(&conversation("conv_1"), &[generating(user("running", None, ""))]).unwrap();
        store.delete_message("conv_1", "running").unwrap();
        let before = random.below(4) as usize;
        for i in 0..before {
            put(&store, i).unwrap();
        }
        // The power goes within the next transaction, or one that follows a repair.
        disk.allow(random.below(14));
        disk.broken.store(true, Ordering::SeqCst);
        let saved = before + (0..3).take_while(|i| put(&store, before + i).is_ok()).count();
        let after = disk.lose_power(&mut random);
        let store = after.open().unwrap_or_else(|error| panic!("round {round}: {error}"));
        let found = has(&store, saved);
        put(&store, 100).unwrap();
        assert_eq!(has(&store, found + 1), found + 1);
    }
}

#[test]
fn damaged_and_foreign_files_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let damaged = || match RedbStore::open(folder.path()).map(drop) {
        Err(StoreError::Damaged { message, .. }) => message,
        other => panic!("not refused: {other:?}"),
    };
    fs::write(&path, "SQLite format 3\0 and so on".repeat(1000)).unwrap();
    assert!(damaged().contains("not a database of tern"));
    fs::write(&path, [0; 17]).unwrap();
    damaged();
    fs::remove_file(&path).unwrap();
    let other = redb::Database::create(&path).unwrap();
    let write = other.begin_write().unwrap();
    write.open_table(redb::TableDefinition::<u64, u64>::new("other")).unwrap();
    write.commit().unwrap();
    drop(other);
    assert!(damaged().contains("another program"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(RedbStore::open(folder.path()), Err(StoreError::Io { .. })));
}

#[test]
fn a_file_that_is_cut_or_altered_is_an_error_at_worst() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    {
        let store = RedbStore::open(folder.path()).unwrap();
        store.create(&conversation("conv_1"), &[]).unwrap();
        (0..20).for_each(|i| put(&store, i).unwrap());
    }
    let whole = fs::read(&path).unwrap();
    let mut random = Random(0xbad);
    let (mut refused, mut opened) = (0, 0);
    for round in 0..72 {
        let mut bytes = whole.clone();
        if round % 3 == 0 {
            bytes.truncate(random.below(whole.len() as u64) as usize);
        } else {
            for _ in 0..1 << (round % 8) {
                // Half of them in the first pages, where most is said about the rest.
                let end = if random.below(2) == 0 { 16_384 } else { bytes.len() as u64 };
                let at = random.below(end.min(bytes.len() as u64)) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
        }
        fs::write(&path, bytes).unwrap();
        match RedbStore::open(folder.path()) {
            Err(StoreError::Damaged { .. } | StoreError::TooNew { .. } | StoreError::Io { .. }) => refused += 1,
            Err(error) => panic!("round {round}: {error:?}"),
            Ok(store) => {
                opened += 1;
                let _ = store.messages("conv_1");
                let _ = put(&store, 1000);
                let _ = store.delete_message("conv_1", "msg_3");
                let _ = store.search("word", 5);
                let _ = store.delete(&["conv_1".to_owned()]);
            }
        }
    }
    assert!(refused > 10 && opened > 10, "{refused} {opened}");
}

#[test]
fn answers_that_grow_at_the_same_time_share_a_transaction() {
    const ANSWERS: u64 = 8;
    let disk = Disk::new();
    let store = disk.open().unwrap();
    let answers: Vec<_> = (0..ANSWERS).map(|i| generating(user(&format!("msg_{i}"), None, "text"))).collect();
    store.create(&conversation("conv_1"), &answers).unwrap();
    let grown =
        |i: usize| Message { conversation: "conv_1".into(), content: format!("text of {i}"), ..answers[i].clone() };
    // The first makes the file grow.
    store.put_progress(&grown(0)).unwrap();
    let before = disk.syncs.load(Ordering::SeqCst);
    store.put_progress(&grown(0)).unwrap();
    let alone = disk.syncs.load(Ordering::SeqCst) - before;

    let until = |what: &dyn Fn() -> bool| {
        while !what() {
            thread::sleep(Duration::from_millis(1));
        }
    };
    let closed = disk.gate.lock().unwrap();
    let before = disk.syncs.load(Ordering::SeqCst);
    thread::scope(|scope| {
        let (store, grown) = (&store, &grown);
        let first = scope.spawn(|| store.put_progress(&grown(0)));
        // It has the turn, and waits for the disk; the others wait for it.
        until(&|| disk.syncs.load(Ordering::SeqCst) > before);
        let others: Vec<_> =
            (1..ANSWERS as usize).map(|i| scope.spawn(move || store.put_progress(&grown(i)))).collect();
        let gone = scope.spawn(|| store.put_progress(&Message { id: "msg_x".into(), ..grown(0) }));
        until(&|| store.growing.len() as u64 == ANSWERS);
        drop(closed);
        first.join().unwrap().unwrap();
        others.into_iter().for_each(|other| other.join().unwrap().unwrap());
        assert!(matches!(gone.join().unwrap(), Err(StoreError::NotFound { .. })), "one that is gone harms no other");
    });
    assert_eq!(disk.syncs.load(Ordering::SeqCst) - before, 2 * alone);
    for (i, message) in store.messages("conv_1").unwrap().iter().enumerate() {
        assert_eq!(message.content, format!("text of {i}"));
    }

    // When the disk refuses, all who wait hear of it.
    disk.allow(0);
    let failed = thread::scope(|scope| {
        let (store, grown) = (&store, &grown);
        let all: Vec<_> = (0..ANSWERS as usize).map(|i| scope.spawn(move || store.put_progress(&grown(i)))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(failed.iter().all(|one| matches!(one, Err(StoreError::DiskFull { .. }))), "{failed:?}");
}
