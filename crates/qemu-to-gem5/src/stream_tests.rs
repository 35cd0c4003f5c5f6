use super::format::DESCRIPTION;
use super::*;
use crate::fixture::{STATE, renamed, stopped};

#[test]
fn reads_the_recorded_stream() {
    let stream = Stream::parse(STATE).unwrap();
    assert_eq!(stream.machine_type(), "pc-i440fx-7.2");
    assert_eq!(stream.sections().len(), 29);
    let cpu = stream.sections().iter().find(|s| s.title() == "cpu 1").unwrap();
    assert_eq!(cpu.version, 12);
    let regs: Vec<_> = cpu.items.iter().filter(|i| *i.path == *"env.regs[]").collect();
    assert_eq!(regs.len(), 16);
    assert!(matches!(regs[0].value, Value::Number(0xffff_8880_3ed2_4540)), "{:?}", regs[0]);
    let a20 = cpu.items.iter().find(|i| *i.path == *"env.a20_mask").unwrap();
    assert!(matches!(a20.value, Value::Number(-1)));
    let ide = stream.sections().iter().find(|s| s.device() == "ide").unwrap();
    assert_eq!(ide.name, "0000:00:01.1/ide");
    let drives = stream.sections().iter().find(|s| s.name == "fdc").unwrap();
    let media = drives.items.iter().filter(|i| *i.path == *"state.drives[].fdrive/media_rate.media_rate");
    assert_eq!(media.count(), 2);
}

#[test]
fn a_cut_stream_is_an_error_at_every_byte() {
    for end in 0..STATE.len() {
        assert!(Stream::parse(&STATE[..end]).is_err(), "{end}");
    }
    let (end, description) = Description::find(STATE).unwrap();
    assert!(Stream::read(&STATE[..end], &description).is_ok());
    for end in 0..end {
        assert!(Stream::read(&STATE[..end], &description).is_err(), "{end}");
    }
}

#[test]
fn changed_bytes_never_panic() {
    let state = stopped();
    let (end, description) = Description::find(&state).unwrap();
    let mut body = state[..end].to_vec();
    for at in 0..end {
        let old = body[at];
        body[at] = [0, 0xFF, old ^ 1, old ^ 0x80][at % 4];
        if let Ok(stream) = Stream::read(&body, &description) {
            let _ = crate::Machine::from_stream(&stream, 2);
        }
        body[at] = old;
    }
    let mut state = state;
    for at in (end..state.len()).step_by(23) {
        for value in [b'9', b'0'] {
            let old = std::mem::replace(&mut state[at], value);
            let _ = Stream::parse(&state);
            state[at] = old;
        }
    }
}

fn described(json: &str) -> Vec<u8> {
    let mut out = STATE[..Description::find(STATE).unwrap().0].to_vec();
    out.push(DESCRIPTION);
    out.extend_from_slice(&u32::try_from(json.len()).unwrap().to_be_bytes());
    out.extend_from_slice(json.as_bytes());
    out
}

#[test]
fn hostile_descriptions_end_soon() {
    let field = |inner: &str| {
        let device = format!(r#"{{"name":"timer","instance_id":0,"version":2,"fields":[{inner}]}}"#);
        Stream::parse(&described(&format!(r#"{{"page_size":4096,"devices":[{device}]}}"#))).unwrap_err().to_string()
    };
    let huge = field(r#"{"name":"a","type":"uint8","size":1,"array_len":4000000000}"#);
    assert!(huge.contains("4000000000 elements"), "{huge}");
    let none = field(r#"{"name":"a","type":"uint8","size":0,"array_len":9}"#);
    assert!(none.contains("has no bytes"), "{none}");
    let mut nested = r#"{"name":"a","type":"uint8","size":1}"#.to_owned();
    for _ in 0..20 {
        nested = format!(r#"{{"name":"a","type":"struct","size":1,"struct":{{"fields":[{nested}]}}}}"#);
    }
    assert!(field(&nested).contains("structures within structures"));
    let wrong =
        field(r#"{"name":"a","type":"struct","size":2,"struct":{"fields":[{"name":"b","type":"uint8","size":1}]}}"#);
    assert!(wrong.contains("a has 1 bytes, not 2"), "{wrong}");
    let empty = field(r#"{"name":"a","type":"struct","size":0,"array_len":2000,"struct":{"fields":[]}}"#);
    assert!(empty.contains("does not end where"), "{empty}");
}

#[test]
fn parts_without_a_rule_are_named() {
    let why = |state: &[u8]| Stream::parse(state).unwrap_err().to_string();
    assert!(why(&renamed(STATE, "x-ignore-shared", "x-ignore-sharee")).contains("capability x-ignore-sharee"));
    assert!(why(&renamed(STATE, "configuration/capa", "configuration/capb")).contains("configuration/capbbilities"));
    assert!(why(&renamed(STATE, "pc.bios", "pc.ram0")).contains("memory block `pc.ram0`"));
    assert!(why(b"QEVM\0\0\0\x03").contains("no description"));
    let mut no_footer = STATE.to_vec();
    let at = STATE
        .windows(6)
        .rposition(|w| w == b"\x7e\0\0\0\x22\0")
        .or_else(|| STATE.iter().position(|b| *b == 0x7E))
        .unwrap();
    no_footer[at] = 0;
    assert!(why(&no_footer).contains("does not end where"));
    let huge = vec![0; LARGEST + 1];
    assert!(why(&huge).contains("x-ignore-shared"));
}
