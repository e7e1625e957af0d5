//! Frames that aren't what they should be: every one is an error, none a panic or a large allocation.

use proptest::prelude::*;
use proto::codec::{CodecError, FrameKind, HEADER, Header, MAX_FRAME, join, split};
use proto::message::{Events, Hello, Killed, Reply, Request, StoredEvent};

use crate::frames::frames;
use crate::samples::{SECRET, requests, session};

/// Decodes as whichever side would; true if it is a message.
fn decodes(message: u16, body: &[u8]) -> bool {
    if message < 100 { Request::decode(message, body).is_ok() } else { Reply::decode(message, body).is_ok() }
}

#[test]
fn headers_round_trip() {
    for kind in [FrameKind::Request, FrameKind::Reply, FrameKind::Item] {
        for (message, request) in [(0, 0), (1, 2), (u16::MAX, u32::MAX)] {
            let header = Header { kind, message, request };
            assert_eq!(split(&join(header, b"body")), Ok((header, &b"body"[..])));
        }
    }
}

#[test]
fn malformed_frames_are_errors() {
    for length in 0..HEADER {
        assert_eq!(split(&vec![1; length]), Err(CodecError::Short(length)));
    }
    for kind in [0, 4, 255] {
        assert_eq!(split(&[kind, 1, 0, 0, 0, 0, 0]), Err(CodecError::Kind(kind)));
    }
    for number in [0, 15, 100, 119, u16::MAX] {
        assert_eq!(Request::decode(number, &[]), Err(CodecError::UnknownMessage(number)));
        assert_eq!(Reply::decode(number, &[]), Err(CodecError::UnknownMessage(number)));
    }
    // Neither side takes the other's messages.
    assert_eq!(Request::decode(113, &[]), Err(CodecError::UnknownMessage(113)));
    assert_eq!(Reply::decode(5, &[]), Err(CodecError::UnknownMessage(5)));
}

#[test]
fn a_body_is_exactly_one_message() {
    for (name, frame) in frames() {
        let (header, body) = split(&frame).unwrap();
        assert!(decodes(header.message, body), "{name}");
        for length in 0..body.len() {
            assert!(!decodes(header.message, &body[..length]), "{name} cut at {length}");
        }
        let mut longer = body.to_vec();
        longer.push(0);
        assert!(!decodes(header.message, &longer), "{name} with a byte left over");
    }
    let error = Request::decode(5, &[0]).unwrap_err();
    assert_eq!(error.to_string(), "malformed body of message 5: 1 bytes left over");
}

#[test]
fn text_must_be_utf8() {
    assert!(Request::decode(1, &[2, b'o', b'k']).is_ok());
    assert!(matches!(Request::decode(1, &[2, 0xff, 0xfe]), Err(CodecError::Body { message: 1, .. })));
}

#[test]
fn an_unknown_variant_is_an_error() {
    let frame = frames().into_iter().find(|(name, _)| name == "reply.attach_end.idle").unwrap().1;
    let (header, body) = split(&frame).unwrap();
    let mut body = body.to_vec();
    body[0] = 3;
    assert!(Reply::decode(header.message, &body).is_err());
}

/// A message of one text that has just that many bytes as a body.
fn hello(body: usize) -> Request {
    // Lengths from 2^16 on take five bytes.
    Request::Hello(Hello { build: "x".repeat(body - 5) })
}

#[test]
fn the_longest_frame_goes_through_and_a_longer_one_does_not() {
    let longest = hello(MAX_FRAME - HEADER);
    let frame = longest.encode(FrameKind::Request, 1).unwrap();
    assert_eq!(frame.len(), MAX_FRAME);
    let (header, body) = split(&frame).unwrap();
    assert!(Request::decode(header.message, body) == Ok(longest));
    let body = MAX_FRAME - HEADER + 1;
    assert_eq!(hello(body).encode(FrameKind::Request, 1), Err(CodecError::TooLong(body)));
}

#[test]
fn a_frame_of_many_small_values_goes_through() {
    let rounds = Reply::Killed(Killed { session: session(), rounds: vec![1; 4 << 20] });
    let lines = (0..1 << 20).map(|_| StoredEvent { seq: 1, json: "{}".into() }).collect();
    let events = Reply::Events(Events { session: session(), lines });
    for message in [rounds, events] {
        let frame = message.encode(FrameKind::Reply, 1).unwrap();
        let (header, body) = split(&frame).unwrap();
        match Reply::decode(header.message, body) {
            Ok(decoded) => assert!(decoded == message),
            Err(error) => panic!("{} bytes: {error}", frame.len()),
        }
    }
}

#[test]
fn no_secret_is_printed() {
    for (name, message) in requests() {
        assert!(!format!("{message:?}").contains(SECRET), "{name}");
    }
}

/// A length as the encoding writes it.
fn length(value: u64) -> Vec<u8> {
    [&[253][..], &value.to_le_bytes()].concat()
}

#[test]
fn a_claimed_length_is_not_allocated() {
    // Allocating half of the address space would end the process.
    for claimed in [MAX_FRAME as u64 + 1, 1 << 40, u64::MAX / 2, u64::MAX] {
        // The text of Hello, the names of Needs, the sessions of Sessions.
        assert!(Request::decode(1, &length(claimed)).is_err(), "{claimed}");
        assert!(Request::decode(1, &[&length(claimed)[..], &[0; 64]].concat()).is_err(), "{claimed}");
        assert!(Reply::decode(106, &[&length(claimed)[..], &[0; 64]].concat()).is_err(), "{claimed}");
        assert!(Reply::decode(108, &[&length(claimed)[..], &[0; 64]].concat()).is_err(), "{claimed}");
    }
}

fn any_number() -> impl Strategy<Value = u16> {
    prop_oneof![1_u16..=12, 100_u16..=116, any::<u16>()]
}

proptest! {
    #[test]
    fn arbitrary_frames_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok((header, body)) = split(&bytes) {
            prop_assert_eq!(join(header, body), bytes);
        }
    }

    #[test]
    fn arbitrary_bodies_never_panic(number in any_number(), body in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Request::decode(number, &body);
        let _ = Reply::decode(number, &body);
    }

    /// What decodes at all is encoded to something that decodes to the same.
    #[test]
    fn damaged_frames_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let frames = frames();
        let (_, frame) = which.get(&frames);
        let mut frame = frame.clone();
        let at = at.index(frame.len());
        frame[at] = byte;
        if let Ok((header, body)) = split(&frame) {
            if let Ok(message) = Request::decode(header.message, body) {
                let again = message.encode(header.kind, header.request).unwrap();
                prop_assert_eq!(Request::decode(header.message, &again[HEADER..]), Ok(message));
            }
            if let Ok(message) = Reply::decode(header.message, body) {
                let again = message.encode(header.kind, header.request).unwrap();
                prop_assert_eq!(Reply::decode(header.message, &again[HEADER..]), Ok(message));
            }
        }
    }
}
