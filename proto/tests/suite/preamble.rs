//! The first bytes of a connection. The bytes in this file are frozen: any `et` must understand any `etd`.

use proptest::prelude::*;
use proto::preamble::{FIXED, Fixed, Kind, MAX_TEXT, Preamble, PreambleError, Status};

use crate::to_hex;

const KINDS: [Kind; 3] = [Kind::Data, Kind::ControlStatus, Kind::ControlStop];
const STATUSES: [Status; 6] =
    [Status::Ok, Status::OtherVersion, Status::Starting, Status::Draining, Status::Overloaded, Status::Denied];

/// Reads as both sides do: the fixed part, then its text; none if the bytes end before.
fn read(bytes: &[u8]) -> Option<Result<Preamble, PreambleError>> {
    let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
    let fixed = match Fixed::decode(fixed) {
        Ok(fixed) => fixed,
        Err(error) => return Some(Err(error)),
    };
    Some(fixed.with_text(rest.get(..fixed.text_len)?.to_vec()))
}

fn preamble(kind: Kind, version: u16, status: Status, text: &str) -> Preamble {
    Preamble { kind, version, status, text: text.to_owned() }
}

#[test]
fn the_frozen_bytes() {
    for (preamble, bytes) in [
        (preamble(Kind::Data, 1, Status::Ok, "0.1.0"), "6574640a010100000500302e312e30"),
        (preamble(Kind::Data, 0x0201, Status::OtherVersion, "idle 9"), "6574640a01010201060069646c652039"),
        (preamble(Kind::Data, 1, Status::Starting, ""), "6574640a010100020000"),
        (preamble(Kind::Data, 1, Status::Draining, ""), "6574640a010100030000"),
        (preamble(Kind::Data, 1, Status::Overloaded, ""), "6574640a010100040000"),
        (preamble(Kind::Data, 1, Status::Denied, ""), "6574640a010100050000"),
        (preamble(Kind::ControlStatus, 1, Status::Ok, "pid=7\n"), "6574640a0201000006007069643d370a"),
        (preamble(Kind::ControlStop, 65535, Status::Ok, "é"), "6574640a03ffff000200c3a9"),
    ] {
        assert_eq!(to_hex(&preamble.encode()), bytes, "{preamble:?}: these bytes never change");
        assert_eq!(read(&preamble.encode()), Some(Ok(preamble)));
    }
    assert_eq!((FIXED, MAX_TEXT), (10, 4096));
}

#[test]
fn malformed_ones_are_errors() {
    let good = preamble(Kind::Data, 1, Status::Ok, "ab").encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        read(&bytes)
    };
    for at in 0..4 {
        assert_eq!(with(at, 0), Some(Err(PreambleError::Magic)));
    }
    for kind in [0, 4, 255] {
        assert_eq!(with(4, kind), Some(Err(PreambleError::Kind(kind))));
    }
    for status in [6, 255] {
        assert_eq!(with(7, status), Some(Err(PreambleError::Status(status))));
    }
    assert_eq!(with(9, 0x10), Some(Err(PreambleError::Length(0x1002))));
    assert_eq!(with(9, 0xff), Some(Err(PreambleError::Length(0xff02))));
    assert_eq!(with(10, 0xff), Some(Err(PreambleError::Text)));
    // An HTTP client, by mistake.
    assert_eq!(read(b"GET / HTTP/1.1\r\n"), Some(Err(PreambleError::Magic)));
    for length in 0..good.len() {
        assert_eq!(read(&good[..length]), None, "cut at {length}");
    }
}

#[test]
fn a_long_text_is_cut_between_characters() {
    for (text, kept) in
        [("x".repeat(4096), 4096), ("x".repeat(4097), 4096), ("é".repeat(3000), 4096), ("€".repeat(3000), 4095)]
    {
        let read = read(&preamble(Kind::Data, 1, Status::Ok, &text).encode()).unwrap().unwrap();
        assert_eq!(read.text, text[..kept]);
    }
}

proptest! {
    #[test]
    fn they_round_trip(kind in 0_usize..3, version: u16, status in 0_usize..6, text in ".{0,200}") {
        let preamble = preamble(KINDS[kind], version, STATUSES[status], &text);
        prop_assert_eq!(read(&preamble.encode()), Some(Ok(preamble)));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&bytes);
    }

    #[test]
    fn bytes_after_the_magic_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Some(Ok(preamble)) = read(&[&b"etd\n"[..], &bytes].concat()) {
            let encoded = preamble.encode();
            prop_assert_eq!(&encoded[4..], &bytes[..encoded.len() - 4]);
        }
    }
}
