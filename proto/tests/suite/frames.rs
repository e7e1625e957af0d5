//! The bytes of every frame, held against `golden/frames.txt`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proto::PROTOCOL_VERSION;
use proto::codec::{CodecError, FrameKind, HEADER, split};
use proto::message::{Reply, Request};

use crate::samples::{replies, requests};
use crate::{from_hex, to_hex, update};

const REQUEST: u32 = 0x0403_0201;
const HEADING: &str = "# protocol version ";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/frames.txt")
}

/// Every frame with its name.
pub(crate) fn frames() -> Vec<(String, Vec<u8>)> {
    let asked = requests()
        .into_iter()
        .map(|(name, message)| (format!("request.{name}"), message.encode(FrameKind::Request, REQUEST).unwrap()));
    let answered = replies().into_iter().map(|(name, message)| {
        // Both kinds, since a daemon sends both.
        let kind = if name == "events" { FrameKind::Item } else { FrameKind::Reply };
        (format!("reply.{name}"), message.encode(kind, REQUEST).unwrap())
    });
    asked.chain(answered).collect()
}

/// What a golden file says: its version and its frames.
fn parse(text: &str) -> (u16, BTreeMap<String, String>) {
    let mut lines = text.lines();
    let version = lines.next().and_then(|line| line.strip_prefix(HEADING)).expect("a heading with the version");
    let frames = lines.map(|line| line.split_once(' ').expect("name and bytes"));
    (version.parse().unwrap(), frames.map(|(name, hex)| (name.to_owned(), hex.to_owned())).collect())
}

fn print(frames: &[(String, Vec<u8>)]) -> String {
    let mut text = format!("{HEADING}{PROTOCOL_VERSION}\n");
    for (name, bytes) in frames {
        text.push_str(&format!("{name} {}\n", to_hex(bytes)));
    }
    text
}

/// Why a golden file doesn't fit these frames, with what to do; and whether it may be written again.
fn complaint(golden: &str, frames: &[(String, Vec<u8>)], version: u16) -> Option<(String, bool)> {
    let (made_for, held) = parse(golden);
    let now: BTreeMap<&str, String> = frames.iter().map(|(name, bytes)| (name.as_str(), to_hex(bytes))).collect();
    let changed: Vec<&str> =
        held.iter().filter(|(name, hex)| now.get(name.as_str()) != Some(hex)).map(|(name, _)| name.as_str()).collect();
    let added: Vec<&str> = now.keys().copied().filter(|name| !held.contains_key(*name)).collect();
    let regenerate = "run UPDATE_GOLDEN=1 cargo test -p proto";
    if !changed.is_empty() && made_for == version {
        let changed = changed.join(", ");
        return Some((
            format!(
                "the bytes of {changed} aren't those of protocol version {version} any more: other builds of that version \
                 would misread them. Raise PROTOCOL_VERSION in proto/src/lib.rs, then {regenerate}"
            ),
            false,
        ));
    }
    if made_for > version {
        return Some((format!("frames.txt was made for the later version {made_for}"), false));
    }
    if made_for != version {
        return Some((format!("frames.txt was made for version {made_for}, this is {version}: {regenerate}"), true));
    }
    (!added.is_empty()).then(|| (format!("{} aren't in frames.txt: {regenerate}", added.join(", ")), true))
}

#[test]
fn frames_are_those_of_their_version() {
    let frames = frames();
    let golden = std::fs::read_to_string(path()).ok();
    let complaint = match &golden {
        Some(golden) => complaint(golden, &frames, PROTOCOL_VERSION),
        None => Some(("frames.txt is missing".to_owned(), true)),
    };
    match complaint {
        Some((_, true)) if update() => std::fs::write(path(), print(&frames)).unwrap(),
        Some((why, _)) => panic!("{why}"),
        None => {}
    }
}

#[test]
fn a_changed_frame_needs_a_new_version() {
    let frame = |name: &str, byte: u8| (name.to_owned(), vec![byte]);
    let golden = format!("{HEADING}4\na 01\nb 02\n");
    for (now, version, says, may_write) in [
        (vec![frame("a", 1), frame("b", 2)], 4, None, false),
        (vec![frame("a", 1), frame("b", 3)], 4, Some("Raise PROTOCOL_VERSION"), false),
        (vec![frame("a", 1)], 4, Some("Raise PROTOCOL_VERSION"), false),
        (vec![frame("a", 1), frame("b", 3)], 5, Some("UPDATE_GOLDEN=1"), true),
        (vec![frame("a", 1), frame("b", 2)], 5, Some("UPDATE_GOLDEN=1"), true),
        (vec![frame("a", 1), frame("b", 2)], 3, Some("later version 4"), false),
        (vec![frame("a", 1), frame("b", 2), frame("c", 3)], 4, Some("c aren't in"), true),
    ] {
        let complaint = complaint(&golden, &now, version);
        assert_eq!(complaint.is_some(), says.is_some(), "{now:?} {version}");
        if let (Some((why, may)), Some(says)) = (complaint, says) {
            assert!(why.contains(says), "{why}");
            assert_eq!(may, may_write, "{why}");
        }
    }
}

#[test]
fn golden_frames_decode_to_what_they_were_made_of() {
    let (_, golden) = parse(&std::fs::read_to_string(path()).unwrap());
    for (name, message) in requests() {
        let bytes = from_hex(&golden[&format!("request.{name}")]);
        let (header, body) = split(&bytes).unwrap();
        assert_eq!((header.kind, header.message, header.request), (FrameKind::Request, message.number(), REQUEST));
        assert_eq!(Request::decode(header.message, body), Ok(message), "{name}");
    }
    for (name, message) in replies() {
        let bytes = from_hex(&golden[&format!("reply.{name}")]);
        let (header, body) = split(&bytes).unwrap();
        assert_eq!((header.message, header.request), (message.number(), REQUEST));
        assert_eq!(Reply::decode(header.message, body), Ok(message), "{name}");
    }
}

#[test]
fn every_message_has_a_frame() {
    let known = |decode: &dyn Fn(u16) -> Option<CodecError>| -> Vec<u16> {
        (0..=u16::MAX).filter(|number| decode(*number) != Some(CodecError::UnknownMessage(*number))).collect()
    };
    let sorted = |mut numbers: Vec<u16>| {
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    let asked = sorted(requests().iter().map(|(_, message)| message.number()).collect());
    assert_eq!(asked, known(&|number| Request::decode(number, &[]).err()));
    let answered = sorted(replies().iter().map(|(_, message)| message.number()).collect());
    assert_eq!(answered, known(&|number| Reply::decode(number, &[]).err()));
    assert!(!asked.iter().any(|number| answered.contains(number)), "a number means one thing");
}

#[test]
fn the_header_is_where_it_belongs() {
    let frame = requests()[0].1.encode(FrameKind::Request, REQUEST).unwrap();
    assert_eq!(frame[..HEADER], [1, 1, 0, 1, 2, 3, 4]);
}
