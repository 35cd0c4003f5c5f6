//! The calls in their order: one greeting unless none is wanted, the warm-up, the measured ones.

use calls::{
    oracle,
    text::{common_bytes, shorten},
};
use futon_model::{ClientFailure as Failure, ClientFailureKind as Kind, Phase};

use crate::{
    generate::Generator,
    grpc::{CallError, Transport},
    log::Log,
    m5::{FIRST_WORK_ITEM, Marks, WARMUP_BEGINS, WARMUP_ENDS},
};

use super::{plan::Plan, tally::Tally};

/// Characters of a wrong reply that a log line shows.
const LOG_CHARS: usize = 200;
/// Characters of a reply that the report holds, and that lines about replies as such show.
const REPORT_CHARS: usize = 2000;
/// Failures that are logged one by one; a console is slow, and more of the same helps nobody.
const LOGGED_FAILURES: u64 = 10;

/// Makes all calls of `plan`; stops early when further ones would only cost time.
pub async fn run(
    plan: &Plan,
    transport: &mut impl Transport,
    generator: &mut Generator,
    marks: &impl Marks,
    log: &Log,
    tally: &mut Tally,
) {
    let mut session = Session { plan, transport, generator, marks, log, tally };
    let greeting = if plan.greets { session.greet().await } else { String::new() };
    if plan.warmups > 0 && !session.tally.is_hopeless() {
        session.warm_up().await;
    }
    if !session.tally.is_hopeless() {
        session.measure().await;
    }
    log.info(format!("Finished invoking: {greeting}"));
}

struct Session<'a, T, M> {
    plan: &'a Plan,
    transport: &'a mut T,
    generator: &'a mut Generator,
    marks: &'a M,
    log: &'a Log,
    tally: &'a mut Tally,
}

impl<T: Transport, M: Marks> Session<'_, T, M> {
    async fn greet(&mut self) -> String {
        let reply = self.call(Phase::Greeting).await.unwrap_or_default();
        let reply = shorten(&reply, REPORT_CHARS);
        self.log.info(format!("Greeting: {reply}"));
        reply
    }

    async fn warm_up(&mut self) {
        let warmups = self.plan.warmups;
        self.log.info(format!("Invoke functions {warmups} times for warming"));
        self.marks.point(WARMUP_BEGINS);
        for _ in 0..warmups {
            self.pause().await;
            self.call(Phase::Warmup).await;
            if self.tally.is_hopeless() {
                return;
            }
        }
        self.marks.point(WARMUP_ENDS);
    }

    async fn measure(&mut self) {
        let measured = self.plan.measured;
        let every = if measured > 10 { measured / 5 } else { 1 };
        if measured > 0 {
            self.marks.measuring();
        }
        for index in 0..measured {
            self.pause().await;
            if let Some(reply) = self.call(Phase::Measured).await {
                let reply = shorten(&reply, REPORT_CHARS);
                self.log.debug(format!("Invocation {index}: {reply}"));
            }
            if self.tally.is_hopeless() {
                return;
            }
            if index % every == 0 {
                self.log.info(format!("Invoked for {index} times\n"));
            }
        }
    }

    async fn pause(&self) {
        if !self.plan.pause.is_zero() {
            tokio::time::sleep(self.plan.pause).await;
        }
    }

    /// One call; its reply, right or wrong, if there was one.
    async fn call(&mut self, phase: Phase) -> Option<String> {
        let (call, invocation) = self.tally.next(phase);
        let input = self.generator.next();
        // Marks stand right around the call: checking the reply is not part of what is measured.
        let work_item = invocation.map(|invocation| FIRST_WORK_ITEM + invocation - 1);
        work_item.inspect(|item| self.marks.begin(*item));
        let result = self.transport.call(&input, self.plan.limit).await;
        work_item.inspect(|item| self.marks.end(*item));

        let place = match (phase, invocation) {
            (Phase::Greeting, _) => format!("call {call} (greeting)"),
            (_, Some(invocation)) => format!("call {call} (invocation {invocation})"),
            (_, None) => format!("call {call} (warm-up)"),
        };
        let shown = shorten(&input, 40);
        let failure = |kind, status, wrong: Option<(String, String)>, message| {
            let (expected, got) = wrong.unzip();
            Failure { call, phase, invocation, kind, status, expected, got, message }
        };
        match result {
            Ok(reply) => {
                match self.judge(&input, &reply.text) {
                    None => self.tally.right(phase, reply.took),
                    Some((expected, difference)) => {
                        let message = format!("{place} for \"{shown}\": wrong reply{difference}");
                        self.complain(|log| log.error(&message));
                        let expected = shorten(&expected, REPORT_CHARS);
                        let wrong = Some((expected, shorten(&reply.text, REPORT_CHARS)));
                        self.tally.failed(failure(Kind::WrongReply, None, wrong, message));
                    }
                }
                Some(reply.text)
            }
            Err(error) => {
                let message = format!("{place} for \"{shown}\": {error}");
                self.complain(|log| match phase {
                    Phase::Greeting => log.error(format!("Fail to send request: {message}\n")),
                    _ => log.warning(format!("Fail to invoke: {message}\n")),
                });
                self.tally.failed(match error {
                    CallError::Deadline(_) => failure(Kind::Deadline, None, None, message),
                    CallError::Status { code, .. } => failure(Kind::RpcError, Some(code.to_owned()), None, message),
                });
                None
            }
        }
    }

    /// The right reply and how this one differs; nothing if it is right or need not be.
    fn judge(&self, input: &str, reply: &str) -> Option<(String, String)> {
        if !self.plan.verify {
            return None;
        }
        let expected = oracle::expected(&self.plan.function, input);
        if expected.accepts(reply) {
            return None;
        }
        let expected = expected.describe();
        let difference = format!(
            " (from byte {}): expected {:?}, got {:?}",
            common_bytes(&expected, reply) + 1,
            shorten(&expected, LOG_CHARS),
            shorten(reply, LOG_CHARS),
        );
        Some((expected, difference))
    }

    fn complain(&self, say: impl FnOnce(&Log)) {
        match self.tally.failures() {
            0..LOGGED_FAILURES => say(self.log),
            LOGGED_FAILURES => self.log.error("further failures are counted, not logged"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
