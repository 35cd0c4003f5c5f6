//! The calls in their order: the warm-up, the measured ones.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use calls::wire::{Broken, Call, CallList, Protocol, Reply};

use super::{grpc, http, link::Link, replies::Replies};
use crate::{
    grpc::Secure,
    m5::{FIRST_WORK_ITEM, Gem5, Marks, STARTED, WARMUP_BEGINS, WARMUP_ENDS},
    run::Verdict,
    setup::Setup,
};

/// Makes all calls of the file `calls`, and writes what came back to `replies`. Right is here what could be done: the host looks at replies.
pub async fn drive(setup: &Setup, calls: &Path, replies: &Path) -> Verdict {
    let log = &setup.log;
    let list = match fs::read(calls).map_err(|e| e.to_string()).and_then(|bytes| CallList::from_bytes(&bytes)) {
        Ok(list) => list,
        Err(why) => {
            log.error(format!("cannot read the calls {}: {why}", calls.display()));
            return Verdict::Wrong;
        }
    };
    log.info("-- Invokation test --");
    let marks = Gem5::open(setup.options.m5ops, log);
    marks.point(STARTED);
    let mut kept = Replies::default();
    let secure = match list.tls.as_ref().map(Secure::new).transpose() {
        Ok(secure) => secure,
        Err(why) => {
            log.error(format!("TLS: {why}"));
            return Verdict::Wrong;
        }
    };
    let start = Instant::now();
    let mut verdict = match connect(setup, &list, secure).await {
        Ok(mut links) => {
            kept.connected(start.elapsed());
            log.info("Connection established.\n");
            all(setup, &list, &mut links, &marks, &mut kept).await
        }
        Err(why) => {
            log.error(format!("Fail to init client: {why}\n"));
            kept.not_connected(&why);
            Verdict::NotConnected
        }
    };
    if let Err(error) = fs::write(replies, kept.list().to_bytes()) {
        log.error(format!("cannot write the replies {}: {error}", replies.display()));
        verdict = Verdict::Wrong;
    }
    verdict
}

/// A connection to each function that is called, in the order of [`Call::at`].
async fn connect(setup: &Setup, list: &CallList, secure: Option<Secure>) -> Result<Vec<Link>, String> {
    let addresses: Vec<SocketAddr> =
        std::iter::once(setup.address).chain(setup.options.beside.iter().copied()).collect();
    let made = || list.warmup.iter().chain(&list.sequence).filter_map(|place| list.calls.get(*place as usize));
    if let Some(call) = made().find(|call| call.at as usize >= addresses.len()) {
        return Err(format!(
            "{}: its function's address is not among the {} of -url and -beside",
            call.name,
            addresses.len()
        ));
    }
    let mut links = Vec::new();
    for (at, address) in (0_u32..).zip(addresses) {
        let first = made().find(|call| call.at == at);
        let mut link = Link::new(address, secure.clone()).called(list.host(address));
        match at {
            0 => setup.log.info(format!("Connect to  {}:{}", setup.options.url, setup.options.port)),
            _ => setup.log.info(format!("Connect to  {address}")),
        }
        link.connect(first.map_or(Protocol::Grpc, Call::protocol), setup.options.connect_timeout).await?;
        links.push(link);
    }
    Ok(links)
}

async fn all(setup: &Setup, list: &CallList, links: &mut [Link], marks: &impl Marks, kept: &mut Replies) -> Verdict {
    let log = &setup.log;
    let limit = setup.options.timeout;
    if !list.warmup.is_empty() {
        log.info(format!("Invoke functions {} times for warming", list.warmup.len()));
        marks.point(WARMUP_BEGINS);
        for at in &list.warmup {
            let (reply, took) = one(links, &list.calls[*at as usize], limit).await;
            let hopeless = hopeless(&reply);
            kept.add(false, reply, took);
            if let Some(verdict) = hopeless {
                return verdict;
            }
        }
        marks.point(WARMUP_ENDS);
    }
    if !list.sequence.is_empty() {
        marks.measuring();
    }
    for (item, at) in (FIRST_WORK_ITEM..).zip(&list.sequence) {
        let call = &list.calls[*at as usize];
        // Marks stand right around the call.
        marks.begin(item);
        let (reply, took) = one(links, call, limit).await;
        marks.end(item);
        let hopeless = hopeless(&reply);
        kept.add(true, reply, took);
        if let Some(verdict) = hopeless {
            log.error(format!("{}: no reply; no further calls are made", call.name));
            return verdict;
        }
    }
    log.info(format!("DONE: Called functions for {} times, the host judges the replies", list.sequence.len()));
    Verdict::Right
}

async fn one(links: &mut [Link], call: &Call, limit: Duration) -> (Reply, Duration) {
    let link = &mut links[call.at as usize];
    let start = Instant::now();
    let reply = match call.protocol() {
        Protocol::Grpc => grpc::call(link, call, limit).await,
        Protocol::Http1 | Protocol::H2c => http::call(link, call, limit).await,
    };
    (reply, start.elapsed())
}

/// Whether further calls would only cost time: one hung, or the server is gone.
fn hopeless(reply: &Reply) -> Option<Verdict> {
    match reply.broken() {
        Broken::Deadline => Some(Verdict::Deadline),
        Broken::Lost => Some(Verdict::Wrong),
        Broken::Whole | Broken::Protocol | Broken::TooLong => None,
    }
}
