//! Compose files: what Compose prints of one, and where things stand in its text.

use compose_model::{Places, Project, escape, parse_duration, unescape};

/// What Compose prints is read or refused, dollars come back, and places lie in the file.
///
/// The same bytes are taken as its JSON, as a YAML text, and as a length of time.
pub fn compose(data: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) {
        assert_eq!(unescape(escape(value.clone())), value, "dollars do not come back");
    }
    if let Ok(project) = Project::from_json(data) {
        let names: Vec<&str> = project.services.keys().map(String::as_str).collect();
        let _ = project.conflict(&names);
        for (name, service) in &project.services {
            let _ = (service.container("project", name), service.replicas(), service.keys().count());
            for port in &service.ports {
                if let Some((low, high)) = port.published_range() {
                    assert!(low <= high, "{port:?}");
                }
            }
            let Ok(order) = project.start_order(name) else { continue };
            assert_eq!(order.last(), Some(&name.as_str()), "a service starts last");
            for (at, started) in order.iter().enumerate() {
                assert!(!order[..at].contains(started), "{started} starts twice");
                for (needed, how) in &project.services[*started].depends_on {
                    assert!(
                        order[..at].contains(&needed.as_str()) || !how.required,
                        "{started} starts before {needed}, which it needs"
                    );
                }
            }
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    let places = Places::find(text);
    for words in [text, "services.web.ports must be a list", "service \"web\" depends on undefined service"] {
        if let Some(place) = places.named_in(words) {
            assert!(place.line >= 1 && place.line <= lines && place.column >= 1, "{place:?} of {lines} lines");
        }
    }
    // Go's lengths of time end at 2^63 ns; what Compose prints is no longer.
    if let Some(time) = parse_duration(text).ok().filter(|time| i64::try_from(time.as_nanos()).is_ok()) {
        let again = parse_duration(&format!("{}ns", time.as_nanos())).expect("a length of time");
        let apart = time.abs_diff(again).as_secs_f64();
        assert!(apart <= 1e-9 + time.as_secs_f64() * 1e-12, "{text:?} is {time:?}, and then {again:?}");
    }
}
