//! The JSON report, schema `futon.client/1`: what the host takes as the client's witness.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

/// Name of this shape.
pub const SCHEMA: &str = "futon.client/1";

/// Everything there is to say about a run of the client.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// Function as named on the command line.
    pub function: String,
    /// Its gRPC service.
    pub service: String,
    /// The method that was called.
    pub method: String,
    /// Seed of random inputs, given or taken.
    pub seed: u64,
    /// Measured invocations asked for.
    pub planned: u64,
    /// Of these: replied, and the reply is right. 0 with `-no-verify`.
    pub verified: u64,
    /// Of these: wrong reply, error status or no reply.
    pub failed: u64,
    /// Of these: not made, because the run stopped early.
    pub not_made: u64,
    /// The same for warm-up invocations.
    pub warmup: Warmup,
    /// The one call before all others.
    pub greeting: Greeting,
    /// Time to connect, in milliseconds; `None` if that failed.
    pub connect_ms: Option<f64>,
    /// What went wrong first.
    pub first_failure: Option<Failure>,
    /// Over the measured invocations that did not fail; `None` if there is none.
    pub latency_ms: Option<Latency>,
    /// One per measured invocation that was made, `None` where it failed.
    pub latencies_ms: Vec<Option<f64>>,
    /// Latencies counted in buckets; a bucket holds what is above the bound before it.
    pub histogram: Vec<Bucket>,
}

/// Warm-up invocations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Warmup {
    /// Asked for.
    pub planned: u64,
    /// Right.
    pub verified: u64,
    /// Wrong or failed.
    pub failed: u64,
}

/// What became of the first call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Greeting {
    /// The reply is right.
    Verified,
    /// Wrong reply, error status or no reply.
    Failed,
    /// There was a reply, and `-no-verify` forbade to look at it.
    Unverified,
    /// Not called: no connection.
    #[default]
    NotMade,
}

/// Part of the run a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The one call before all others.
    Greeting,
    /// Calls that are not measured.
    Warmup,
    /// Calls that count.
    Measured,
}

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A reply that is not right.
    WrongReply,
    /// An error status.
    RpcError,
    /// No reply in time.
    Deadline,
    /// No connection, so no call.
    Connect,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Number among all calls of the run, from 1.
    pub call: u64,
    /// Its part of the run.
    pub phase: Phase,
    /// Number among the measured invocations, from 1.
    pub invocation: Option<u64>,
    /// How it failed.
    pub kind: Kind,
    /// gRPC status, such as `UNAVAILABLE`.
    pub status: Option<&'static str>,
    /// The right reply, shortened.
    pub expected: Option<String>,
    /// The reply that came, shortened.
    pub got: Option<String>,
    /// All this as a sentence.
    pub message: String,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
}

/// A bucket of the histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// Upper bound in milliseconds, included.
    pub le_ms: f64,
    /// Latencies in this bucket.
    pub count: u64,
}

impl Report {
    /// Writes the report so that `path` has all of it or is not touched.
    ///
    /// # Errors
    /// Its folder cannot be written to.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let written = self.write_to(&temporary).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // The error to tell is the one above.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            schema: SCHEMA,
            function: "fibonacci-go".to_owned(),
            service: "fibonacci".to_owned(),
            method: "SayHello".to_owned(),
            seed: 123,
            planned: 2,
            verified: 1,
            failed: 1,
            not_made: 0,
            warmup: Warmup::default(),
            greeting: Greeting::NotMade,
            connect_ms: Some(1.25),
            first_failure: Some(Failure {
                call: 3,
                phase: Phase::Measured,
                invocation: Some(2),
                kind: Kind::RpcError,
                status: Some("UNAVAILABLE"),
                expected: None,
                got: None,
                message: "m".to_owned(),
            }),
            latency_ms: None,
            latencies_ms: vec![Some(0.5), None],
            histogram: vec![Bucket { le_ms: 0.5, count: 1 }],
        }
    }

    #[test]
    fn the_shape_is_the_agreed_one() {
        assert_eq!(
            serde_json::to_string(&report()).unwrap(),
            "{\"schema\":\"futon.client/1\",\"function\":\"fibonacci-go\",\"service\":\"fibonacci\",\
             \"method\":\"SayHello\",\"seed\":123,\"planned\":2,\"verified\":1,\"failed\":1,\
             \"not_made\":0,\"warmup\":{\"planned\":0,\"verified\":0,\"failed\":0},\
             \"greeting\":\"not_made\",\"connect_ms\":1.25,\"first_failure\":{\"call\":3,\
             \"phase\":\"measured\",\"invocation\":2,\"kind\":\"rpc_error\",\
             \"status\":\"UNAVAILABLE\",\"expected\":null,\"got\":null,\"message\":\"m\"},\
             \"latency_ms\":null,\"latencies_ms\":[0.5,null],\
             \"histogram\":[{\"le_ms\":0.5,\"count\":1}]}"
        );
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.json");
        fs::write(&path, "old").unwrap();
        report().write(&path).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("{\"schema\""));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // A folder in the way: nothing may be left behind.
        fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(report().write(&dir.path().join("folder")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
