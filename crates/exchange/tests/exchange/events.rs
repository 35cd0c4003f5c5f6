//! Step events, true and forged.

use exchange::ExchangeConfig;
use futon_model::{EventKind, GuestEvent, TOKEN_HEADER};

use crate::support::{Server, curl};

const TOKEN: &str = "a-token";

#[test]
fn events_say_whether_they_are_authentic() {
    let mut server = Server::start(|scratch, events| {
        let mut config = ExchangeConfig::run([].into(), scratch.join("uploads"), events);
        config.token = Some(TOKEN.to_owned());
        config.limits.event_body = 10_000;
        config
    });
    let url = server.url("/_futon/events");
    let started = r#"{"kind":"step_started","name":"pull"}"#;
    let finish = r#"{"kind":"finish","status":0}"#;
    let right = format!("{TOKEN_HEADER}: {TOKEN}");
    let both = format!("{started}\n\n{finish}\n");
    assert_eq!(curl(&[&url, "-H", &right, "--data-binary", &both]).status, 204);
    let guest = |authentic, guest| EventKind::Guest { authentic, guest };
    let expected = [
        guest(true, GuestEvent::StepStarted { name: "pull".to_owned() }),
        guest(true, GuestEvent::Finish { status: 0 }),
    ];
    assert_eq!(server.events(), expected);
    let forged = [None, Some(""), Some("A-token"), Some("a-toke"), Some("a-token2"), Some("a-token a-token")];
    for token in forged {
        let header = format!("{TOKEN_HEADER}: {}", token.unwrap_or_default());
        let header = if token.is_some() { vec!["-H", header.as_str()] } else { vec![] };
        assert_eq!(curl(&[&[url.as_str(), "-d", finish], &header[..]].concat()).status, 204);
        assert_eq!(server.events(), [guest(false, GuestEvent::Finish { status: 0 })], "{token:?}");
    }
    for (body, status) in
        [("", 400), ("{}", 400), ("not json", 400), (r#"{"kind":"reboot"}"#, 400), (&"x".repeat(10_001), 413)]
    {
        assert_eq!(curl(&[&url, "-H", &right, "-d", body]).status, status, "{body}");
        assert!(matches!(&server.events()[..], [EventKind::MalformedGuestEvent { authentic: true, .. }]), "{body}");
    }
    assert_eq!(curl(&[&url, "-d", &format!("{started}\nnonsense\n{finish}")]).status, 400);
    assert_eq!(server.events().len(), 3, "what is readable is told, and that a line is not");
    assert_eq!(curl(&[&url]).status, 405);
    assert_eq!(curl(&["-X", "PUT", "-d", started, &url]).status, 405);
}
