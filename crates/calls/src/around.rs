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
            let words = "it is checked without TLS, but the function has `tls`";
            return Err(
                Complaint::new("ready", words).hint("use `protocol: true`, which waits for TLS, or `tcp` or `log`")
            );
        }
    }
    if let Some(tls) = &declaration.tls
        && tls.ca.is_some() == tls.accept
    {
        return Err(Complaint::new("tls", "give a certificate or accept any, not both")
            .hint("write `tls: {ca: FILE}` or `tls: {accept: true}`"));
    }
    if let Some(tls) = &declaration.tls
        && tls.cert.is_some() != tls.key.is_some()
    {
        return Err(Complaint::new(
            "tls",
            "a certificate of the client's own needs its key, and a key its certificate",
        )
        .hint("write `cert: FILE, key: FILE`"));
    }
    if let Some(schema) = declaration.schema.as_ref().filter(|schema| schema.reflection)
        && (schema.protoset.is_some() || !schema.proto.is_empty())
    {
        let hint = "leave one of them out: the server's own schema or the files";
        return Err(Complaint::new("schema", "`reflection` together with files").hint(hint));
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
                Err(Complaint::new("", "`false` has no effect").hint("leave out the key"))
            }
            Self::Protocol(true) | Self::Tcp(true) | Self::GrpcHealth(Health::Server(true)) => Ok(()),
            Self::Http(text) => http::split(text).map(drop),
            Self::GrpcHealth(Health::Service(name)) => {
                let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
                if name.is_empty() || name.len() > LONGEST_SERVICE || !plain {
                    return Err(Complaint::new("grpc_health", format!("{name:?} is not a service name")));
                }
                Ok(())
            }
            Self::Log(text) => {
                let inside = log_regex(text);
                if inside.is_empty() {
                    return Err(Complaint::new("log", "it must be a regular expression"));
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
            return Err(Complaint::new("", "it checks nothing").hint("give it `must_match` or `must_not_match`"));
        }
        for (key, text) in [("must_match", &self.must_match), ("must_not_match", &self.must_not_match)] {
            if let Some(text) = text {
                regex(text).map_err(|c| c.below(key))?;
            }
        }
        let plain =
            !self.file.is_empty() && !self.file.starts_with('/') && !self.file.split('/').any(|part| part == "..");
        if !plain {
            return Err(Complaint::new("file", format!("{:?} is not a results file", self.file)));
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
            ("ready: {tcp: false}", "x.yaml:1:1: `ready`: `false` has no effect"),
            ("ready: {protocol: false}", "`false` has no effect"),
            ("ready: {grpc_health: false}", "`false` has no effect"),
            ("ready: {http: /healthz}", "`ready.http`: \"/healthz\" is not a request"),
            ("ready: {http: FETCH /}", "not an HTTP method"),
            ("ready: {grpc_health: a b}", "is not a service name"),
            ("ready: {grpc_health: \"\"}", "is not a service name"),
            ("ready: {log: (}", "`ready.log`: not a regular expression"),
            ("tls: {}", "`tls`: give a certificate or accept any, not both"),
            ("tls: {ca: a.pem, accept: true}", "give a certificate"),
            ("tls: {accept: true, cert: a.pem}", "needs its key"),
            ("tls: {accept: true, key: a.key}", "needs its key"),
            ("tls: {accept: true}\nready: {grpc_health: true}", "x.yaml:2:1: `ready`: it is checked without TLS"),
            ("ready: {log: //}", "it must be a regular expression"),
            ("checks:\n  - {file: console}", "x.yaml:2:5: `checks[0]`: it checks nothing"),
            ("checks: [{file: console, must_match: (}]", "`checks[0].must_match`: not a regular expression"),
            ("checks: [{file: console, must_not_match: (}]", "`checks[0].must_not_match`: not a regular expression"),
            (
                "checks: [{file: ../plan.json, must_match: x}]",
                "`checks[0].file`: \"../plan.json\" is not a results file",
            ),
            ("checks: [{file: /etc/passwd, must_match: x}]", "is not a results file"),
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
