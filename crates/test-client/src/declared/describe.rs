//! `-describe`: asks gRPC servers what they offer, by reflection, and how they are. What came back is written down as it is: the host
//! makes a schema of it.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use calls::{
    reflection::{self, HEALTH, Survey, VERSIONS},
    wire::{Broken, Call, Header, Protocol, Reply, Tls},
};
use futon_model::{Offers, Seen, ServiceHealth, Speaks};

use super::{grpc, link::Link};
use crate::{grpc::Secure, run::Verdict, setup::Setup};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one server may take for all that it is asked.
const PATIENCE: Duration = Duration::from_secs(60);
/// `UNIMPLEMENTED`: there is no such service or method.
const UNIMPLEMENTED: u32 = 12;
/// Services whose health is asked.
const MOST_HEALTH: usize = 32;

/// Completes what the file `seen` has, and writes it to `report`.
pub async fn describe(setup: &Setup, seen: &Path, report: &Path) -> Verdict {
    let log = &setup.log;
    let read = fs::read(seen).map_err(|e| e.to_string());
    let mut seen: Seen = match read.and_then(|text| serde_json::from_slice(&text).map_err(|e| e.to_string())) {
        Ok(seen) => seen,
        Err(why) => {
            log.error(format!("cannot read {}: {why}", seen.display()));
            return Verdict::Wrong;
        }
    };
    for listener in &mut seen.listeners {
        let Some(address) = listener.reached_at else { continue };
        let secure = match listener.speaks {
            Speaks::Http2 => None,
            // Who only looks takes any certificate.
            Speaks::Tls => Secure::new(&Tls { name: "localhost".to_owned(), ..Tls::default() }).ok(),
            _ => continue,
        };
        let mut link = Link::new(address, secure);
        // It listens already.
        let offers = match link.connect(Protocol::Grpc, setup.options.connect_timeout.min(CONNECT)).await {
            Ok(()) => Asked { link, limit: setup.options.timeout, until: Instant::now() + PATIENCE }.offers().await,
            Err(why) => Offers { remarks: vec![why], ..Offers::default() },
        };
        log.info(format!("port {}: {}", listener.port, words(&offers)));
        listener.grpc = Some(offers);
    }
    let text = serde_json::to_vec(&seen).unwrap_or_default();
    match fs::write(report, text) {
        Ok(()) => Verdict::Right,
        Err(error) => {
            log.error(format!("cannot write {}: {error}", report.display()));
            Verdict::Wrong
        }
    }
}

fn words(offers: &Offers) -> String {
    match &offers.reflection {
        Some(version) => format!("{} services by reflection {version}", offers.services.len()),
        None if offers.is_grpc => "gRPC without reflection".to_owned(),
        None => "HTTP/2, but not gRPC".to_owned(),
    }
}

/// A server that is asked.
struct Asked {
    link: Link,
    limit: Duration,
    until: Instant,
}

impl Asked {
    async fn offers(mut self) -> Offers {
        let mut offers = Offers::default();
        for (version, path) in VERSIONS {
            let mut survey = Survey::default();
            match self.survey(path, &mut survey, &mut offers.is_grpc).await {
                Ok(true) => {
                    offers.reflection = Some(version.to_owned());
                    offers.services = survey.services().map(str::to_owned).collect();
                    offers.files = survey.files().map(|file| STANDARD.encode(file)).collect();
                    offers.remarks = survey.remarks().to_vec();
                    break;
                }
                Ok(false) => offers.remarks.push(format!("it has no reflection {version}")),
                Err(why) => offers.remarks.push(format!("reflection {version}: {why}")),
            }
        }
        self.health(&mut offers).await;
        offers
    }

    /// Asks until nothing is left to ask. False: there is no such service.
    async fn survey(&mut self, path: &str, survey: &mut Survey, is_grpc: &mut bool) -> Result<bool, String> {
        let mut first = true;
        loop {
            let questions = survey.ask();
            if questions.is_empty() {
                return Ok(true);
            }
            let body = questions.iter().flat_map(reflection::Question::to_bytes).collect();
            let reply = self.call(path, body).await;
            *is_grpc |= speaks_grpc(&reply);
            for (question, answer) in questions.iter().zip(&reply.messages) {
                survey.take(question, answer);
            }
            if reply.messages.len() >= questions.len() {
                first = false;
                continue;
            }
            match failure(&reply) {
                _ if first && status(&reply) == Some(UNIMPLEMENTED) => return Ok(false),
                why if first => return Err(why),
                // What was told before is of use.
                why => survey.remark(&format!("it did not answer all questions: {why}")),
            }
        }
    }

    async fn health(&mut self, offers: &mut Offers) {
        let services = offers.services.iter().filter(|name| !name.starts_with(reflection::OWN)).cloned();
        let asked: Vec<String> = std::iter::once(String::new()).chain(services.take(MOST_HEALTH)).collect();
        for service in asked {
            let reply = self.call(HEALTH, reflection::health_request(&service)).await;
            offers.is_grpc |= speaks_grpc(&reply);
            match (status(&reply), reply.messages.first()) {
                (Some(0), Some(message)) => {
                    let status = reflection::health_status(message);
                    offers.health.push(ServiceHealth { service, status });
                }
                // A server of no name, or without the service at all, has nothing to say of the others either.
                _ if service.is_empty() && status(&reply) != Some(NOT_FOUND) => return,
                _ => {}
            }
        }
    }

    async fn call(&mut self, path: &str, body: Vec<u8>) -> Reply {
        let left = self.until.saturating_duration_since(Instant::now()).min(self.limit);
        let call = Call { protocol: Protocol::Grpc.into(), path: path.to_owned(), body, ..Call::default() };
        grpc::call(&mut self.link, &call, left).await
    }
}

const NOT_FOUND: u32 = 5;

fn speaks_grpc(reply: &Reply) -> bool {
    header(&reply.headers, "content-type").is_some_and(|kind| calls::wire::is_grpc(kind.as_bytes())) || reply.is_bare()
}

fn header(headers: &[Header], name: &str) -> Option<String> {
    headers.iter().find(|h| h.name == name).map(|h| String::from_utf8_lossy(&h.value).into_owned())
}

/// gRPC's status. A server of HTTP/2 that knows no gRPC has none, and a 404 is gRPC's word for an unknown method.
fn status(reply: &Reply) -> Option<u32> {
    let told = header(&reply.trailers, "grpc-status").or_else(|| header(&reply.headers, "grpc-status"));
    told.and_then(|text| text.parse().ok()).or_else(|| (reply.status == 404).then_some(UNIMPLEMENTED))
}

/// Why a reply is not whole.
fn failure(reply: &Reply) -> String {
    let message = header(&reply.trailers, "grpc-message").or_else(|| header(&reply.headers, "grpc-message"));
    match status(reply) {
        _ if reply.broken() != Broken::Whole || reply.local_status != 0 => reply.words.clone(),
        Some(status) => format!("status {status} {}", message.unwrap_or_default()).trim_end().to_owned(),
        None if !speaks_grpc(reply) => format!("HTTP status {}, not gRPC", reply.status),
        None => "a reply without a status".to_owned(),
    }
}
