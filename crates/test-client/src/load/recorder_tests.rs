use std::time::Duration;

use calls::wire::Broken;

use super::super::flight::push_header;
use super::*;

fn recorder(places: usize) -> Recorder {
    Recorder::new(vec![true; places], Meter::new(Instant::now(), Duration::from_secs(1)).unwrap())
}

fn raw(body: &[u8], trailer: &str) -> Raw {
    let mut raw = Raw { body: body.to_vec(), ..Raw::default() };
    push_header(&mut raw.head, STATUS, b"200");
    push_header(&mut raw.head, b"content-type", b"application/grpc");
    push_header(&mut raw.tail, b"grpc-status", trailer.as_bytes());
    raw
}

fn flight(place: u32, measured: bool) -> Flight {
    let now = Instant::now();
    Flight { place, since: now, expires: now, own_deadline: false, measured }
}

#[test]
fn replies_are_kept_once_and_counted_at_their_places() {
    let mut recorder = recorder(2);
    let one = raw(b"\0\0\0\0\x01a", "0");
    for (place, measured) in [(0, false), (0, true), (1, true), (0, true)] {
        recorder.done(&flight(place, measured), &one, &Fate::Whole, Instant::now());
    }
    // The same bytes with another status are another reply, and so is one that is cut off.
    recorder.done(&flight(0, true), &raw(b"\0\0\0\0\x01a", "5"), &Fate::Whole, Instant::now());
    recorder.done(&flight(0, true), &raw(b"\0\0\0\0\x02a", "0"), &Fate::Whole, Instant::now());
    recorder.done(&flight(1, true), &Raw::default(), &Fate::Broken(Broken::Lost, "gone".into()), Instant::now());
    let load = recorder.replies();
    let counted: Vec<_> = load.counted.iter().map(|c| (c.place, c.reply, c.measured, c.warmup)).collect();
    assert_eq!(counted, [(0, 0, 2, 1), (1, 0, 1, 0), (0, 1, 1, 0), (0, 2, 1, 0), (1, 3, 1, 0)]);
    assert_eq!((load.replies[0].messages.clone(), load.replies[0].status), (vec![b"a".to_vec()], 200));
    assert_eq!(load.replies[1].trailers[0].value, b"5");
    assert!(load.replies[2].broken() == Broken::Protocol && load.replies[2].words.contains("within a message"));
    assert_eq!((load.replies[3].broken(), load.replies[3].words.as_str()), (Broken::Lost, "gone"));
    assert_eq!((load.beyond.len(), recorder.answered), (0, 6));
}

#[test]
fn what_is_not_kept_is_counted_and_named() {
    let mut recorder = recorder(1);
    for n in 0..KEPT_AT_A_PLACE + 5 {
        let body = [&[0, 0, 0, 0, 1][..], &[u8::try_from(n).unwrap()]].concat();
        recorder.done(&flight(0, n % 2 == 0), &raw(&body, "0"), &Fate::Whole, Instant::now());
    }
    let load = recorder.replies();
    assert_eq!((load.replies.len(), load.counted.len()), (KEPT_AT_A_PLACE, KEPT_AT_A_PLACE));
    assert_eq!((load.beyond[0].place, load.beyond[0].measured, load.beyond[0].warmup), (0, 3, 2));
}

#[test]
fn what_is_no_grpc_says_what_it_is() {
    let mut page = Raw { body: b"<html>".to_vec(), ..Raw::default() };
    push_header(&mut page.head, STATUS, b"502");
    let made = reply(&page, &Fate::Whole, true);
    assert_eq!((made.status, made.words.as_str(), made.messages.len()), (502, "<html>", 0));
    assert_eq!(reply(&page, &Fate::Whole, false).messages, [b"<html>"]);
    let local = reply(&Raw::default(), &Fate::Local(4, "the deadline has passed"), true);
    assert_eq!((local.local_status, local.words.as_str()), (5, "the deadline has passed"));
}
