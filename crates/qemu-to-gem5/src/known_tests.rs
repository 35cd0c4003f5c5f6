use super::rule::{Field, Rule};
use super::*;
use crate::fixture::{STATE, machine, renamed, set, set_bytes, stopped};
use crate::stream::{Item, Value};

fn refused(device: &str, instance: u32, path: &str, nth: usize, value: i128) -> String {
    let mut state = stopped();
    set(&mut state, device, instance, path, nth, value);
    let error = machine(&state).unwrap_err();
    assert!(matches!(error, TransferError::NotAtRest { .. }), "{error}");
    error.to_string()
}

#[test]
fn the_recorded_machine_is_at_rest() {
    check(&Stream::parse(STATE).unwrap(), 2).unwrap();
}

#[test]
fn lines_are_unique_and_say_why() {
    for rules in known() {
        for (at, Field(path, rule, why)) in rules.fields.iter().enumerate() {
            assert!(rules.fields[..at].iter().all(|f| f.0 != *path), "{}: {path} is there twice", rules.section);
            assert!(!why.is_empty() || matches!(rule, Rule::Used), "{}: {path} has no reason", rules.section);
        }
    }
}

/// Each field that is checked is refused where it is not at rest: the value is changed to one that its rule does not allow.
#[test]
fn every_checked_field_is_refused() {
    let stream = Stream::parse(STATE).unwrap();
    let mut tried = 0;
    for section in stream.sections() {
        let rules = known().find(|k| k.section == section.device()).unwrap();
        for Field(path, rule, why) in rules.fields {
            let Some(item) = section.items.iter().find(|i| *i.path == **path) else { continue };
            let value = match (rule, &item.value) {
                (Rule::Zero, Value::Number(_)) => 1,
                (Rule::Is(n), _) => n - 1,
                (Rule::OneOf(_), _) => 5,
                (Rule::Bits(mask, wanted), Value::Number(n)) => {
                    let size = item.place.len() * 8;
                    let bit =
                        (0..size).find(|b| mask >> b & 1 == 1 && (n >> b & 1) == i128::from(wanted >> b & 1)).unwrap();
                    n ^ (1 << bit)
                }
                (Rule::Zero | Rule::Text(_), Value::Bytes(_)) => {
                    let mut state = stopped();
                    set_bytes(&mut state, section.device(), section.instance, path, 0, b"running\0");
                    let error = machine(&state).unwrap_err().to_string();
                    assert!(error.contains(path) && error.contains(why), "{error}");
                    tried += 1;
                    continue;
                }
                _ => continue,
            };
            let error = refused(section.device(), section.instance, path, 0, value);
            assert!(error.contains(&section.title()) && error.contains(path) && error.contains(why), "{error}");
            tried += 1;
        }
    }
    assert!(tried > 130, "{tried}");
}

#[test]
fn what_has_no_rule_is_named() {
    let why = |from, to| machine(&renamed(&stopped(), from, to)).unwrap_err().to_string();
    assert!(why("pcspk", "pcspq").contains("section pcspq 0, version 1"));
    assert!(why("\"env.eip\"", "\"env.eiq\"").contains("cpu 0: field env.eiq"));
    assert!(why("cpu/poll_control_msr", "cpu/poll_control_mss").contains("subsection cpu/poll_control_mss"));
    // A device that is moved must be there.
    assert!(why("mc146818rtc", "port92_____").contains("section port92_____ 0"));
}

#[test]
fn a_subsection_of_something_under_way_is_refused() {
    let stream = Stream::parse(STATE).unwrap();
    let mut tried = 0;
    for rules in known() {
        let Some(section) = stream.sections().iter().find(|s| s.device() == rules.section) else { continue };
        for field in rules.fields.iter().filter(|f| matches!(f.1, Rule::Never)) {
            let item = Item { path: field.0.into(), place: 0..0, value: Value::Subsection(1) };
            let error = field.check(section, &item).unwrap_err().to_string();
            assert!(error.contains(field.0) && error.contains(field.2), "{error}");
            tried += 1;
        }
    }
    assert_eq!(tried, 18);
}

#[test]
fn another_version_is_refused() {
    let mut state =
        renamed(&stopped(), r#""vmsd_name": "port92", "version": 1"#, r#""vmsd_name": "port92", "version": 2"#);
    let at = state.windows(7).position(|w| w == b"\x06port92").unwrap() + 7;
    state[at + 7] = 2;
    let error = machine(&state).unwrap_err().to_string();
    assert!(error.contains("section port92 0 is version 2; known: [1]"), "{error}");
}

#[test]
fn more_cores_than_wanted_are_refused() {
    let stream = Stream::parse(&stopped()).unwrap();
    assert!(crate::Machine::from_stream(&stream, 1).unwrap_err().to_string().contains("at most 1"));
    assert!(crate::Machine::from_stream(&stream, 3).unwrap_err().to_string().contains("no section cpu_common 2"));
    assert!(crate::Machine::from_stream(&stream, 0).is_err());
}
