//! Fuzzing of what reads bytes from the other side: preambles, frames, and the body of every message.
//!
//! Bytes are made from true ones by flipping, cutting, doubling and splicing; `proto::fuzz` runs the targets.

use proto::codec::{HEADER, MAX_FRAME, join, split};
use proto::fuzz::{Rng, Target};
use proto::message::{Reply, Request};
use proto::preamble::{FIXED, Fixed, Kind, MAX_TEXT, Preamble, Status};

use crate::frames::frames;

/// Longest input.
const LONGEST: usize = 64 << 10;
/// What lengths and numbers look like at their limits, as the encoding writes them.
const EDGES: &[&[u8]] = &[
    &[0],
    &[250],
    &[251, 255, 255],
    &[252, 255, 255, 255, 255],
    &[253, 255, 255, 255, 255, 255, 255, 255, 255],
    &[253, 255, 255, 255, 255, 255, 255, 255, 127],
    &[254, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    &[255],
    &[0xff, 0xfe],
    &[0xed, 0xa0, 0x80],
    b"etd\n",
];

fn damaged(random: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.usize(0..seeds.len())].clone();
    for _ in 0..random.usize(0..=6) {
        let at = random.usize(0..=bytes.len());
        let end = random.usize(at..=bytes.len());
        match random.u8(0..7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let edge = EDGES[random.usize(0..EDGES.len())];
                bytes.splice(at..end.min(at + edge.len()), edge.iter().copied());
            }
            4 => {
                let other = &seeds[random.usize(0..seeds.len())];
                let from = random.usize(0..=other.len());
                bytes.splice(at..end, other[from..].iter().copied());
            }
            _ if at < bytes.len() => bytes[at] = random.u8(..),
            _ => bytes.push(random.u8(..)),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn run(name: &str, seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    Target { name, command: "cargo test -p proto --test suite" }.run(|random| damaged(random, seeds), target);
}

#[test]
fn wire_frames() {
    let seeds: Vec<Vec<u8>> = frames().into_iter().map(|(_, frame)| frame).collect();
    run("fuzz::wire_frames", &seeds, |bytes| {
        let Ok((header, body)) = split(bytes) else { return };
        assert_eq!(join(header, body), bytes, "a frame is its header and its body");
        // What decodes is encoded to something that decodes to the same, and that still fits.
        let asked = Request::decode(header.message, body);
        if let Ok(message) = &asked {
            let again = message.encode(header.kind, header.request).unwrap();
            assert!(again.len() <= MAX_FRAME);
            assert_eq!(Request::decode(header.message, &again[HEADER..]).as_ref(), Ok(message));
        }
        if let Ok(message) = Reply::decode(header.message, body) {
            assert!(asked.is_err(), "a number means one thing");
            let again = message.encode(header.kind, header.request).unwrap();
            assert_eq!(Reply::decode(header.message, &again[HEADER..]), Ok(message));
        }
    });
}

#[test]
fn bodies_of_every_message() {
    let frames = frames();
    let seeds: Vec<Vec<u8>> = frames.iter().map(|(_, frame)| frame[HEADER..].to_vec()).collect();
    let mut numbers: Vec<u16> = frames.iter().map(|(_, frame)| split(frame).unwrap().0.message).collect();
    numbers.dedup();
    // The same bytes as every message: a body may come with any number.
    run("fuzz::bodies_of_every_message", &seeds, |body| {
        for number in &numbers {
            if let Ok(message) = Request::decode(*number, body) {
                assert_eq!(message.number(), *number);
                assert!(format!("{message:?}").len() < (body.len() + 64) * 256, "more than was said");
            }
            if let Ok(message) = Reply::decode(*number, body) {
                assert_eq!(message.number(), *number);
            }
        }
    });
}

#[test]
fn preambles() {
    let mut seeds = Vec::new();
    for kind in [Kind::Data, Kind::ControlStatus, Kind::ControlStop] {
        for (status, text) in [(Status::Ok, ""), (Status::OtherVersion, "busy 1.0"), (Status::Denied, "né")] {
            seeds.push(Preamble { kind, version: 1, status, text: text.to_owned() }.encode());
        }
        seeds.push(Preamble { kind, version: u16::MAX, status: Status::Ok, text: "é".repeat(MAX_TEXT) }.encode());
    }
    run("fuzz::preambles", &seeds, |bytes| {
        let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else { return };
        let Ok(fixed) = Fixed::decode(fixed) else { return };
        assert!(fixed.text_len <= MAX_TEXT);
        let Some(text) = rest.get(..fixed.text_len) else { return };
        if let Ok(preamble) = fixed.with_text(text.to_vec()) {
            assert_eq!(preamble.encode(), bytes[..FIXED + fixed.text_len], "frozen: one form for each preamble");
        }
    });
}
