//! Whether the write-ahead log beside a database is what SQLite left there.
//!
//! SQLite takes the frames of a log up to the first one that isn't whole and forgets the rest without a word. After a crash that is right:
//! the rest was never acknowledged. It is wrong when the disk, or somebody, spoiled a frame in the middle: then what was acknowledged is
//! lost. Since each commit is synced before the next one is written, whole frames of a *second* transaction behind a broken frame prove
//! that the broken one had been synced. Likewise a header is synced before the first frame. A spoiled last transaction looks like one that
//! never arrived; that can't be told.
//!
//! Format: <https://www.sqlite.org/fileformat2.html#walformat>.

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// What is wrong with a log, if anything is.
pub(super) fn broken(log: &[u8]) -> Option<String> {
    if log.len() <= HEADER {
        return None;
    }
    let header = &log[..HEADER];
    let big_endian = match word(header, 0) {
        0x377f_0682 => false,
        0x377f_0683 => true,
        _ => return Some("its log doesn't begin like one".to_owned()),
    };
    let sums = sum((0, 0), &header[..24], big_endian);
    let page = word(header, 8) as usize;
    if sums != (word(header, 24), word(header, 28)) || !page.is_power_of_two() || !(512..=65536).contains(&page) {
        return Some("the head of its log is damaged".to_owned());
    }
    let mut frames = log[HEADER..].chunks_exact(FRAME_HEADER + page);
    let mut sums = sums;
    // Up to the first frame that isn't whole.
    for (number, frame) in (1..).zip(frames.by_ref()) {
        if !belongs(frame, header) {
            break;
        }
        let next = frame_sum(sums, frame, big_endian);
        if next != stored(frame) {
            // How many transactions end behind it, each frame held against the one before.
            let (mut before, mut ends) = (stored(frame), 0);
            for later in frames.take_while(|later| belongs(later, header)) {
                let whole = frame_sum(before, later, big_endian) == stored(later);
                ends += u32::from(whole && word(later, 4) != 0);
                before = stored(later);
            }
            // The first end may be that of the broken frame's own transaction.
            return (ends > 1).then(|| format!("frame {number} of its log is damaged, with whole ones behind it"));
        }
        sums = next;
    }
    None
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// Whether a frame was written after the log was begun anew last.
fn belongs(frame: &[u8], header: &[u8]) -> bool {
    frame[8..16] == header[16..24]
}

fn stored(frame: &[u8]) -> (u32, u32) {
    (word(frame, 16), word(frame, 20))
}

fn frame_sum(before: (u32, u32), frame: &[u8], big_endian: bool) -> (u32, u32) {
    sum(sum(before, &frame[..8], big_endian), &frame[FRAME_HEADER..], big_endian)
}

fn sum((mut one, mut two): (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let read = |four: &[u8]| {
        let four = [four[0], four[1], four[2], four[3]];
        if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    for eight in bytes.chunks_exact(8) {
        one = one.wrapping_add(read(&eight[..4])).wrapping_add(two);
        two = two.wrapping_add(read(&eight[4..])).wrapping_add(one);
    }
    (one, two)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    /// The log of five transactions, which begins anew if asked for, so that frames of an older one follow.
    fn log(begun_anew: bool) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        db.execute_batch("CREATE TABLE t (a TEXT)").unwrap();
        let write = |count: usize| {
            for number in 0..count {
                db.execute("INSERT INTO t VALUES (?1)", ["x".repeat(3000 + number)]).unwrap();
            }
        };
        if begun_anew {
            write(20);
            db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
        }
        write(5);
        std::fs::read(dir.path().join("a.db-wal")).unwrap()
    }

    #[test]
    fn a_whole_log_and_one_that_lacks_its_end_are_sound() {
        for log in [log(false), log(true)] {
            assert_eq!(broken(&log), None);
            for length in [0, 10, 32, 40, 5000, log.len() / 2, log.len() - 1, log.len() - 4000] {
                assert_eq!(broken(&log[..length]), None, "{length}");
            }
        }
    }

    #[test]
    fn an_end_that_never_arrived_is_no_damage() {
        let mut log = log(false);
        let end = log.len();
        // The last transaction, in all of its frames but the last.
        for at in [end - 100, end - 4096 - 24 + 2] {
            let kept = log[at];
            log[at] ^= 1;
            assert_eq!(broken(&log), None, "{at}");
            log[at] = kept;
        }
    }

    #[test]
    fn what_is_spoiled_before_the_end_is_found() {
        for mut log in [log(false), log(true)] {
            for at in [0, 5, 9, 17, 26, 32 + 100, 32 + 2, 32 + 17, 4120 + 32 + 60] {
                log[at] ^= 0x10;
                assert!(broken(&log).is_some(), "{at}");
                log[at] ^= 0x10;
            }
            assert_eq!(broken(&log), None);
        }
        assert!(broken(&[7; 9000]).is_some());
    }
}
