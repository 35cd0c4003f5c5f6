//! What is declared around the calls: when the function is ready, what logs must have.

use crate::declare::{Check, Declaration, Health, Ready};
use crate::error::Complaint;
use crate::http;
use crate::rules::{between_slashes, regex};

/// Longest name of a service whose health is asked, bytes: the guest writes it by hand.
const LONGEST_SERVICE: usize = 100;

/// Checks all of it that needs no schema.
pub(crate) fn check(declaration: &Declaration) -> Result<(), Complaint> {
    if let Some(ready) = &declaration.ready {
        ready.check().map_err(|c| c.below("ready"))?;
        if declaration.tls.is_some() && matches!(ready, Ready::Http(_) | Ready::GrpcHealth(_)) {
            let words = "it is asked without TLS, and the function has `tls`";
            return Err(Complaint::new("ready", words)
                .hint("`protocol: true` waits for TLS itself; there are `tcp` and `log`, too"));
        }
    }
    if let Some(tls) = &declaration.tls
        && tls.ca.is_some() == tls.accept
    {
        return Err(Complaint::new("tls", "either a certificate is given, or any is accepted")
            .hint("write `tls: {ca: FILE}` or `tls: {accept: true}`"));
    }
    if let Some(schema) = declaration.schema.as_ref().filter(|schema| schema.reflection)
        && (schema.protoset.is_some() || !schema.proto.is_empty())
    {
        let hint = "leave one of them out: what the server says of itself, or what the files say";
        return Err(Complaint::new("schema", "`reflection` beside files").hint(hint));
    }
    for (at, check) in declaration.checks.iter().enumerate() {
        check.check().map_err(|c| c.below(&format!("checks[{at}]")))?;
    }
    Ok(())
}

impl Ready {
    fn check(&self) -> Result<(), Complaint> {
        match self {
            Self::Protocol(false) | Self::Tcp(false) | Self::GrpcHealth(Health::Server(false)) => {
                Err(Complaint::new("", "`false` says nothing").hint("leave the key out"))
            }
            Self::Protocol(true) | Self::Tcp(true) | Self::GrpcHealth(Health::Server(true)) => Ok(()),
            Self::Http(text) => http::split(text).map(drop),
            Self::GrpcHealth(Health::Service(name)) => {
                let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
                if name.is_empty() || name.len() > LONGEST_SERVICE || !plain {
                    return Err(Complaint::new("grpc_health", format!("{name:?} is no name of a service")));
                }
                Ok(())
            }
            Self::Log(text) => {
                let inside = log_regex(text);
                if inside.is_empty() {
                    return Err(Complaint::new("log", "a regular expression is wanted"));
                }
                regex(inside).map(drop).map_err(|c| c.below("log"))
            }
        }
    }
}

/// The regular expression of `log`, which may stand between slashes.
pub fn log_regex(text: &str) -> &str {
    between_slashes(text).unwrap_or(text)
}

impl Check {
    fn check(&self) -> Result<(), Complaint> {
        if self.must_match.is_none() && self.must_not_match.is_none() {
            return Err(Complaint::new("", "it says nothing").hint("give it `must_match` or `must_not_match`"));
        }
        for (key, text) in [("must_match", &self.must_match), ("must_not_match", &self.must_not_match)] {
            if let Some(text) = text {
                regex(text).map_err(|c| c.below(key))?;
            }
        }
        let plain =
            !self.file.is_empty() && !self.file.starts_with('/') && !self.file.split('/').any(|part| part == "..");
        if !plain {
            return Err(Complaint::new("file", format!("{:?} is no file of the results", self.file)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Declaration, Source};

    #[test]
    fn what_stands_around_the_calls_is_checked_with_its_place() {
        for (text, words) in [
            ("ready: {tcp: false}", "x.yaml:1:1: `ready`: `false` says nothing"),
            ("ready: {protocol: false}", "`false` says nothing"),
            ("ready: {grpc_health: false}", "`false` says nothing"),
            ("ready: {http: /healthz}", "`ready.http`: \"/healthz\" is no request"),
            ("ready: {http: FETCH /}", "no method of HTTP"),
            ("ready: {grpc_health: a b}", "is no name of a service"),
            ("ready: {grpc_health: \"\"}", "is no name of a service"),
            ("ready: {log: (}", "`ready.log`: no regular expression"),
            ("tls: {}", "`tls`: either a certificate is given, or any is accepted"),
            ("tls: {ca: a.pem, accept: true}", "either a certificate is given"),
            ("tls: {accept: true}\nready: {grpc_health: true}", "x.yaml:2:1: `ready`: it is asked without TLS"),
            ("ready: {log: //}", "a regular expression is wanted"),
            ("checks:\n  - {file: console}", "x.yaml:2:5: `checks[0]`: it says nothing"),
            ("checks: [{file: console, must_match: (}]", "`checks[0].must_match`: no regular expression"),
            ("checks: [{file: console, must_not_match: (}]", "`checks[0].must_not_match`: no regular expression"),
            ("checks: [{file: ../plan.json, must_match: x}]", "`checks[0].file`: \"../plan.json\" is no file"),
            ("checks: [{file: /etc/passwd, must_match: x}]", "is no file of the results"),
        ] {
            let error = Declaration::parse(text, &Source::new("x.yaml")).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        for text in [
            "ready: {http: GET /healthz}",
            "ready: {log: /ready/}",
            "ready: {log: ready}",
            "ready: {grpc_health: a.B}",
            "tls: {accept: true, name: fn.example}\nready: {protocol: true}",
            "checks: [{file: uploads/a.log, must_match: x, must_not_match: y, level: warn}]",
        ] {
            Declaration::parse(text, &Source::new("x.yaml")).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }
}
