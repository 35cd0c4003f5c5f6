//! The JSON report, schema `futon.client/1`: what the host takes as the client's witness.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use futon_model::ClientReport;

/// Name of its form.
pub const SCHEMA: &str = "futon.client/1";

/// Writes the report so that `path` has all of it or is not touched.
///
/// # Errors
/// Its folder cannot be written to.
pub fn write(report: &ClientReport, path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_to(report, &temporary).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error to tell is the one above.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_to(report: &ClientReport, path: &Path) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    let mut text = serde_json::to_vec(report)?;
    text.push(b'\n');
    file.write_all(&text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use futon_model::{ClientFailure, ClientFailureKind, HistogramBucket, Phase, PhaseCount};

    use super::*;

    fn report() -> ClientReport {
        ClientReport {
            schema: SCHEMA.to_owned(),
            function: "fibonacci-go".to_owned(),
            service: "fibonacci".to_owned(),
            method: "SayHello".to_owned(),
            seed: 123,
            planned: 2,
            verified: 1,
            failed: 1,
            not_made: 0,
            warmup: PhaseCount::default(),
            greeting: futon_model::Greeting::NotMade,
            connect_ms: Some(1.25),
            first_failure: Some(ClientFailure {
                call: 3,
                phase: Phase::Measured,
                invocation: Some(2),
                kind: ClientFailureKind::RpcError,
                status: Some("UNAVAILABLE".to_owned()),
                expected: None,
                got: None,
                message: "m".to_owned(),
            }),
            latency_ms: None,
            latencies_ms: vec![Some(0.5), None],
            histogram: vec![HistogramBucket { le_ms: 0.5, count: 1 }],
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
        write(&report(), &path).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("{\"schema\""));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // A folder in the way: nothing may be left behind.
        fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(write(&report(), &dir.path().join("folder")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
