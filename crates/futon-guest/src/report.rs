//! Telling the exchange what happens. A report that cannot be delivered never changes what is done.

use std::{fs, path::PathBuf, thread, time::Duration};

use futon_model::GuestEvent;
use guest_net::{
    Result,
    http::{Payload, Request},
};

use crate::{
    exchange::{Exchange, SHORT},
    gem5,
    runlog::RunLog,
};

const PATH: &str = "/_futon/events";
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);

/// Statuses of a server that has no such end point, such as the Python upload server.
const NOT_OFFERED: [u16; 3] = [404, 405, 501];

/// What came of a report.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Delivered,
    NotOffered,
    Failed(String),
}

/// Reports an event; whatever prevents it is written to the results log.
pub(crate) fn report(event: &GuestEvent, log: &RunLog) {
    if gem5::is_wanted() {
        if let Err(error) = write_out(event, log) {
            drop(log.line(&format!("futon: cannot report an event: {error}")));
        }
        return;
    }
    let marker = marker(log);
    if marker.exists() {
        return;
    }
    let outcome = match Exchange::find() {
        Ok(exchange) => deliver(&exchange, event),
        Err(error) => Outcome::Failed(error.to_string()),
    };
    match outcome {
        Outcome::Delivered => {}
        // A marker that cannot be made costs one request per event.
        Outcome::NotOffered => drop(fs::write(marker, "")),
        Outcome::Failed(why) => drop(log.line(&format!("futon: cannot report an event: {why}"))),
    }
}

/// Hands an event to the simulator.
fn write_out(event: &GuestEvent, log: &RunLog) -> Result<()> {
    let Some(outlet) = gem5::outlet()? else { return Ok(()) };
    gem5::append_event(&*outlet, log.folder(), gem5::token().as_deref(), event)
}

/// Stands beside the log when the exchange does not take events.
fn marker(log: &RunLog) -> PathBuf {
    log.path().with_file_name("no-events")
}

fn deliver(exchange: &Exchange, event: &GuestEvent) -> Outcome {
    let mut line = match serde_json::to_vec(event) {
        Ok(line) => line,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    line.push(b'\n');
    let mut why = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            thread::sleep(PAUSE * attempt);
        }
        let request = Request::post(PATH, Payload::Bytes(&line)).header("Content-Type", "application/x-ndjson");
        match exchange.send(SHORT, request) {
            Ok(response) if (200..300).contains(&response.status) => return Outcome::Delivered,
            Ok(response) if NOT_OFFERED.contains(&response.status) => return Outcome::NotOffered,
            Ok(response) => why = format!("{} answered with status {}", exchange.target(), response.status),
            Err(error) => why = format!("{}: {error}", exchange.target()),
        }
    }
    Outcome::Failed(why)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread::JoinHandle,
    };

    use super::*;
    use guest_net::http::Target;

    /// Answers one connection each with the statuses given and returns the requests.
    fn serve(statuses: &'static [u16]) -> (Exchange, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let exchange = Exchange::at(Target::Tcp(listener.local_addr().unwrap()));
        let server = thread::spawn(move || {
            statuses
                .iter()
                .map(|status| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut text = String::new();
                    let mut buffer = [0; 4096];
                    while !text.ends_with("}\n") {
                        let got = stream.read(&mut buffer).unwrap();
                        text.push_str(std::str::from_utf8(&buffer[..got]).unwrap());
                    }
                    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").unwrap();
                    text
                })
                .collect()
        });
        (exchange, server)
    }

    #[test]
    fn an_event_is_one_json_line_and_is_tried_again() {
        let (exchange, server) = serve(&[500, 204]);
        assert_eq!(deliver(&exchange, &GuestEvent::Finish { status: 0 }), Outcome::Delivered);
        let requests = server.join().unwrap();
        assert!(requests[1].starts_with("POST /_futon/events HTTP/1.1\r\n"), "{requests:?}");
        assert!(requests[1].ends_with("\r\n\r\n{\"kind\":\"finish\",\"status\":0}\n"), "{requests:?}");
    }

    #[test]
    fn a_server_without_events_is_left_alone() {
        for status in [&[404_u16][..], &[405], &[501]] {
            let (exchange, server) = serve(status);
            assert_eq!(deliver(&exchange, &GuestEvent::Finish { status: 0 }), Outcome::NotOffered);
            server.join().unwrap();
        }
    }

    #[test]
    fn a_server_that_refuses_is_named() {
        let (exchange, _server) = serve(&[507, 507, 507, 507]);
        let Outcome::Failed(why) = deliver(&exchange, &GuestEvent::Finish { status: 0 }) else { panic!("delivered") };
        assert!(why.contains("status 507"), "{why}");
    }
}
