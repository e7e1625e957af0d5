//! A disk that forgets. SQLite works on real files through its own layer for Unix; every write, cut, sync and removal below one dir is
//! recorded on the way, and from the record comes what a crash at any moment leaves.
//!
//! There is no safe way to stand between SQLite and its files: the function tables are C. The `unsafe` here is that of a copied table
//! whose functions note what they are called with and call the original ones. Nothing else of SQLite's is replaced (locks, shared memory
//! and reads are the real ones), and nothing here is part of a program that is shipped.
#![allow(unsafe_code, reason = "the tables of a SQLite VFS are C; see above")]

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi;

/// What was done to a file.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// It came into being, empty.
    Made,
    /// It came from elsewhere under this name, whole and durable (a rename whose dir was synced).
    Came(Vec<u8>),
    /// Bytes were written at an offset.
    Wrote(usize, Vec<u8>),
    /// It got this length.
    Cut(usize),
    /// Everything so far is durable.
    Synced,
    /// Which files are there is durable. Of the dir, not of a file.
    Listed,
    /// It was removed; whether that is durable.
    Removed(bool),
}

/// One operation, on the file with this name.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) op: Op,
}

/// A dir: names and contents.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

#[derive(Default)]
struct Disk {
    root: Option<PathBuf>,
    known: std::collections::BTreeSet<String>,
    log: Vec<Entry>,
    /// Open files by their address.
    open: HashMap<usize, Handle>,
    /// Our tables by the address of the original ones.
    tables: HashMap<usize, &'static ffi::sqlite3_io_methods>,
}

#[derive(Clone)]
struct Handle {
    /// None if it isn't recorded.
    name: Option<String>,
    /// The functions that it came with.
    methods: &'static ffi::sqlite3_io_methods,
    /// SQLite syncs the dir as well when it first syncs a log that it may have made.
    lists: bool,
}

static DISK: OnceLock<Mutex<Disk>> = OnceLock::new();
/// Address of SQLite's own layer.
static REAL: OnceLock<usize> = OnceLock::new();

fn disk() -> MutexGuard<'static, Disk> {
    DISK.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on what SQLite does below `root` is recorded, `files` being what is there. What was recorded before is forgotten.
pub(crate) fn record(root: &Path, files: &Files) {
    install();
    let mut disk = disk();
    disk.root = Some(root.to_owned());
    disk.known = files.keys().cloned().collect();
    disk.log.clear();
}

/// How much is recorded: everything that was acknowledged before now must survive a crash at this position or later.
pub(crate) fn position() -> usize {
    disk().log.len()
}

/// The record; nothing is recorded any more.
pub(crate) fn taken() -> Vec<Entry> {
    let mut disk = disk();
    disk.root = None;
    std::mem::take(&mut disk.log)
}

fn install() {
    REAL.get_or_init(|| {
        // SAFETY: the table of the default layer lives as long as the process; ours is a copy that is never freed. Its private data
        // stays the original's, and the functions that aren't replaced don't look at whose table they were called through.
        unsafe {
            let real = ffi::sqlite3_vfs_find(std::ptr::null());
            let ours: &'static mut ffi::sqlite3_vfs = Box::leak(Box::new(*real));
            ours.pNext = std::ptr::null_mut();
            ours.zName = c"forgetful".as_ptr();
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(ours, 1), ffi::SQLITE_OK);
            real as usize
        }
    });
}

fn real() -> *mut ffi::sqlite3_vfs {
    *REAL.get().expect("installed") as *mut ffi::sqlite3_vfs
}

/// The name of a file that is recorded.
///
/// # Safety
/// `path` is null or ends with a zero byte.
unsafe fn recorded(disk: &Disk, path: *const c_char) -> Option<(String, PathBuf)> {
    if path.is_null() {
        return None;
    }
    let path = PathBuf::from(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    let below = path.parent()? == disk.root.as_deref()?;
    below.then(|| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path.clone()))
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let mut disk = disk();
    // SAFETY: SQLite's own arguments, handed on; a file that was opened has a table, and gets one with the same functions but five.
    unsafe {
        let recorded = recorded(&disk, path);
        let there = recorded.as_ref().and_then(|(_, path)| std::fs::read(path).ok());
        let code = (*real()).xOpen.expect("SQLite's own")(real(), path, file, flags, out);
        if code != ffi::SQLITE_OK || (*file).pMethods.is_null() {
            return code;
        }
        let name = recorded.map(|(name, _)| name);
        if let Some(file) = &name
            && disk.known.insert(file.clone())
        {
            disk.log.push(Entry { file: file.clone(), op: there.map_or(Op::Made, Op::Came) });
        }
        let methods: &'static ffi::sqlite3_io_methods = &*(*file).pMethods;
        let ours = *disk.tables.entry(std::ptr::from_ref(methods) as usize).or_insert_with(|| {
            Box::leak(Box::new(ffi::sqlite3_io_methods {
                xClose: Some(close),
                xWrite: Some(write),
                xTruncate: Some(truncate),
                xSync: Some(sync),
                ..*methods
            }))
        });
        (*file).pMethods = ours;
        let log = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;
        let lists = flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & log != 0;
        disk.open.insert(file as usize, Handle { name, methods, lists });
        code
    }
}

unsafe extern "C" fn delete(_vfs: *mut ffi::sqlite3_vfs, path: *const c_char, synced: c_int) -> c_int {
    let mut disk = disk();
    // SAFETY: SQLite's own arguments, handed on.
    unsafe {
        let name = recorded(&disk, path);
        let code = (*real()).xDelete.expect("SQLite's own")(real(), path, 0);
        if let (Some((file, _)), ffi::SQLITE_OK) = (name, code) {
            disk.known.remove(&file);
            disk.log.push(Entry { file, op: Op::Removed(synced != 0) });
        }
        code
    }
}

/// Does what was asked for and notes it, if it was done.
fn noting(
    file: *mut ffi::sqlite3_file,
    op: impl FnOnce() -> Op,
    original: impl FnOnce(&ffi::sqlite3_io_methods) -> c_int,
) -> c_int {
    let mut disk = disk();
    let Some(handle) = disk.open.get(&(file as usize)).cloned() else { return ffi::SQLITE_MISUSE };
    let code = original(handle.methods);
    let Some(name) = handle.name.clone().filter(|_| code == ffi::SQLITE_OK && disk.root.is_some()) else { return code };
    let op = op();
    let lists = handle.lists && matches!(op, Op::Synced);
    disk.log.push(Entry { file: name, op });
    if lists {
        disk.open.insert(file as usize, Handle { lists: false, ..handle });
        disk.log.push(Entry { file: String::new(), op: Op::Listed });
    }
    code
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    match disk().open.remove(&(file as usize)) {
        // SAFETY: the function that the file came with, with its own argument.
        Some(handle) => unsafe { handle.methods.xClose.expect("SQLite's own")(file) },
        None => ffi::SQLITE_MISUSE,
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, at: i64) -> c_int {
    // SAFETY: SQLite hands over as many bytes as it says.
    let bytes = || unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length as usize) }.to_vec();
    // SAFETY: the function that the file came with, with its own arguments.
    let original =
        |methods: &ffi::sqlite3_io_methods| unsafe { methods.xWrite.expect("SQLite's own")(file, from, length, at) };
    noting(file, || Op::Wrote(at as usize, bytes()), original)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: as above.
    let original =
        |methods: &ffi::sqlite3_io_methods| unsafe { methods.xTruncate.expect("SQLite's own")(file, length) };
    noting(file, || Op::Cut(length as usize), original)
}

/// Only noted: the machine under this test doesn't lose its power.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    noting(file, || Op::Synced, |_| ffi::SQLITE_OK)
}

/// What becomes of operations that weren't synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// None of them happened.
    Lost,
    /// All of them did.
    Kept,
    /// Each did, or didn't, or half.
    Drawn,
}

/// What is on the disk after a crash behind the first `position` operations.
pub(crate) fn after_crash(
    before: &Files,
    log: &[Entry],
    position: usize,
    fate: Fate,
    rng: &mut fastrand::Rng,
) -> Files {
    let mut durable: BTreeMap<String, Option<Vec<u8>>> =
        before.iter().map(|(name, bytes)| (name.clone(), Some(bytes.clone()))).collect();
    let mut pending: BTreeMap<String, Vec<&Op>> = BTreeMap::new();
    for Entry { file, op } in &log[..position] {
        if matches!(op, Op::Listed) {
            pending.iter_mut().for_each(|(file, waiting)| list(durable.entry(file.clone()).or_default(), waiting));
            continue;
        }
        let waiting = pending.entry(file.clone()).or_default();
        waiting.push(op);
        if matches!(op, Op::Synced | Op::Removed(true) | Op::Came(_)) {
            let content = durable.entry(file.clone()).or_default();
            std::mem::take(waiting).into_iter().for_each(|op| apply(content, op));
        }
    }
    for (file, waiting) in pending {
        let content = durable.entry(file).or_default();
        for op in waiting {
            let arrives = match fate {
                Fate::Lost => false,
                Fate::Kept => true,
                Fate::Drawn => rng.bool(),
            };
            match op {
                Op::Wrote(at, bytes) if fate == Fate::Drawn => torn(content, *at, bytes, rng),
                op if arrives => apply(content, op),
                _ => {}
            }
        }
    }
    let mut files: Files = durable.into_iter().filter_map(|(name, content)| Some((name, content?))).collect();
    if fate == Fate::Drawn && rng.bool() {
        // The shared memory is a file as well, and nobody syncs it: anything may stand there.
        for name in files.keys().cloned().collect::<Vec<_>>() {
            if name.ends_with(".db") {
                files.insert(format!("{name}-shm"), (0..32768).map(|_| rng.u8(..)).collect());
            }
        }
    }
    files
}

/// Whether a file is there becomes durable; what is in it doesn't.
fn list(content: &mut Option<Vec<u8>>, waiting: &mut Vec<&Op>) {
    if let Some(at) = waiting.iter().rposition(|op| matches!(op, Op::Made | Op::Removed(_))) {
        let last = waiting.drain(..=at).next_back();
        *content = matches!(last, Some(Op::Made)).then(Vec::new);
    }
}

fn apply(content: &mut Option<Vec<u8>>, op: &Op) {
    match op {
        Op::Made => *content = Some(Vec::new()),
        Op::Came(bytes) => *content = Some(bytes.clone()),
        Op::Wrote(at, bytes) => put(content, *at, bytes),
        Op::Cut(length) => content.get_or_insert_default().resize(*length, 0),
        Op::Synced | Op::Listed => {}
        Op::Removed(_) => *content = None,
    }
}

fn put(content: &mut Option<Vec<u8>>, at: usize, bytes: &[u8]) {
    let content = content.get_or_insert_default();
    content.resize(content.len().max(at + bytes.len()), 0);
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A write of which nothing arrives, or all, or some sectors of 512 bytes; where the file grew without its bytes, anything may stand.
fn torn(content: &mut Option<Vec<u8>>, at: usize, bytes: &[u8], rng: &mut fastrand::Rng) {
    let kind = rng.u8(0..4);
    if kind == 0 {
        return;
    }
    let mut done = 0;
    while done < bytes.len() {
        let end = ((at + done) / 512 + 1) * 512 - at;
        let end = end.min(bytes.len());
        let old = content.as_ref().map_or(0, Vec::len);
        match (kind, rng.bool()) {
            (1, _) | (_, true) => put(content, at + done, &bytes[done..end]),
            (2, false) => {}
            (_, false) if at + done >= old => {
                let rubbish: Vec<u8> = (done..end).map(|_| rng.u8(..)).collect();
                put(content, at + done, &rubbish);
            }
            _ => {}
        }
        done = end;
    }
}
