//! How a description is shown.

use calls::Method;
use futon_common::text::{log_line, one_line};
use futon_common::{Context, Result};
use futon_model::{FunctionReport, Listener, Offers, Speaks};
use futon_terminal::{Ui, columns, wrap};
use serde_json::{Value, json};

use super::look::Told;
use crate::commands::resources::size;
use futon_prepare::described::{Described, schema_of};
use futon_prepare::image::Image;

/// Width of a row's label.
const LABEL: usize = 9;
/// Lines of a container's log that are shown.
const LOG: usize = 10;
/// How many characters of a digest are shown: the algorithm and enough to distinguish images.
const DIGEST: usize = 19;

/// Shows it on standard output.
pub fn show(name: &str, image: &Image, told: &Told, json: bool, ui: &Ui) -> Result<()> {
    if json {
        let value = as_json(name, image, told);
        return ui.out(&serde_json::to_string_pretty(&value).context(|| "cannot write the description".into())?);
    }
    ui.out(&text(&rows(image, told), columns()))
}

type Row = (&'static str, String);

fn text(rows: &[Row], columns: usize) -> String {
    let room = columns.saturating_sub(LABEL + 1).max(10);
    let mut lines = Vec::new();
    for (label, value) in rows {
        let value = one_line(value);
        // Lines that fit stay unchanged, with their blanks.
        let parts = if value.is_ascii() && value.len() <= room { vec![value] } else { wrap(&value, room) };
        for (at, line) in parts.into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            lines.push(format!("{label:<LABEL$} {line}").trim_end().to_owned());
        }
    }
    lines.join("\n")
}

fn rows(image: &Image, told: &Told) -> Vec<Row> {
    let short = |digest: &str| digest.chars().take(DIGEST).collect::<String>();
    let layers = if image.layers == 1 { "1 layer".to_owned() } else { format!("{} layers", image.layers) };
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    let words = |words: &[String]| json!(words).to_string();
    let mut rows = vec![
        ("image", image.name.clone()),
        ("digest", format!("{} (config {})", short(&image.manifest), short(&image.config))),
        ("platform", or(&image.platform, "unknown")),
        ("size", format!("{} in {layers}", size(image.size))),
    ];
    for (label, list) in [("entry", &image.entrypoint), ("command", &image.command)] {
        if !list.is_empty() {
            rows.push((label, words(list)));
        }
    }
    rows.push(("user", or(&image.user, "root")));
    rows.push(("folder", or(&image.folder, "/")));
    rows.push(("exposes", or(&image.ports.join(", "), "no port")));
    match told {
        Told::Still => {}
        Told::Seen { described, kept } => {
            rows.extend(described.seen.listeners.iter().flat_map(listener_rows));
            let again = if *kept { "; --again repeats the run" } else { "" };
            rows.push(("seen", format!("{}{again}", described.made)));
        }
        Told::Failed(report) => rows.extend(failure_rows(report)),
    }
    rows
}

fn failure_rows(report: &FunctionReport) -> Vec<Row> {
    let mut rows = vec![("failed", report.verdict.why.clone())];
    rows.extend(report.verdict.hint.clone().map(|hint| ("hint", hint)));
    let from = report.container_tail.len().saturating_sub(LOG);
    rows.extend(report.container_tail[from..].iter().map(|line| ("log", log_line(line))));
    rows.push(("results", report.folder.clone()));
    rows
}

fn listener_rows(listener: &Listener) -> Vec<Row> {
    let at = std::net::SocketAddr::new(listener.address, listener.port);
    let Some(offers) = &listener.grpc else {
        return vec![("listens", format!("{at} {}", listener.speaks.words()))];
    };
    let mut rows = vec![("listens", format!("{at} {}", speaks(&listener.speaks, offers)))];
    for health in &offers.health {
        let of = if health.service.is_empty() { String::new() } else { format!(" {}", health.service) };
        rows.push(("health", format!("{}{of}", health.status)));
    }
    let (methods, wrong) = methods(offers);
    let longest = methods.iter().map(|method| method.call().len()).max().unwrap_or(0);
    // The kinds are aligned if there is room.
    rows.extend(methods.iter().map(|method| ("method", format!("{:<longest$} {}", method.call(), method.kind()))));
    if offers.reflection.is_some() {
        rows.extend(offers.remarks.iter().cloned().chain(wrong).map(|words| ("note", words)));
    }
    rows
}

fn speaks(speaks: &Speaks, offers: &Offers) -> String {
    let over = if *speaks == Speaks::Tls { " over TLS" } else { "" };
    match (&offers.reflection, offers.is_grpc) {
        (Some(version), _) => format!("gRPC{over}, reflection {version}"),
        (None, true) => format!("gRPC{over}, no reflection (`futon test --proto FILE` can call it)"),
        (None, false) => format!("{}, no gRPC", speaks.words()),
    }
}

/// The methods of a server's own services, and what is wrong with its files.
pub fn methods(offers: &Offers) -> (Vec<Method>, Vec<String>) {
    let (schema, wrong) = schema_of(offers);
    let listed = |method: &Method| offers.services.contains(&method.service);
    let own = |method: &Method| !method.service.starts_with(calls::reflection::OWN);
    (schema.examples().into_iter().filter(|method| listed(method) && own(method)).collect(), wrong)
}

fn as_json(name: &str, image: &Image, told: &Told) -> Value {
    let mut value = json!({"schema": "futon.description/1", "function": name, "image": image});
    match told {
        Told::Still => {}
        Told::Seen { described, kept } => {
            value["seen"] = seen_json(described);
            value["kept"] = json!(kept);
        }
        Told::Failed(report) => {
            value["failed"] = json!({"verdict": report.verdict, "log": report.container_tail, "folder": report.folder});
        }
    }
    value
}

fn seen_json(described: &Described) -> Value {
    let listeners: Vec<Value> = described.seen.listeners.iter().map(listener_json).collect();
    json!({"made": described.made, "listeners": listeners})
}

fn listener_json(listener: &Listener) -> Value {
    let mut value = json!({"address": listener.address, "port": listener.port, "speaks": listener.speaks});
    if let Some(offers) = &listener.grpc {
        let (methods, wrong) = methods(offers);
        let methods: Vec<Value> = methods
            .iter()
            .map(|m| json!({"call": m.call(), "kind": m.kind(), "input": m.input, "output": m.output}))
            .collect();
        let remarks: Vec<&String> = offers.remarks.iter().chain(&wrong).collect();
        value["grpc"] = json!({
            "is_grpc": offers.is_grpc, "reflection": offers.reflection, "services": offers.services,
            "methods": methods, "health": offers.health, "remarks": remarks,
        });
    }
    value
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use calls::{Schema, SchemaSource};
    use futon_model::{Seen, ServiceHealth};

    use super::*;

    /// A server's files, as it would give them.
    pub fn files(proto: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.proto"), proto).unwrap();
        let source = SchemaSource { proto: vec!["a.proto".into()], ..SchemaSource::default() };
        let files = Schema::read(&source, folder.path()).unwrap().files();
        files.iter().map(|file| STANDARD.encode(file)).collect()
    }

    fn told() -> Told {
        let proto = "syntax = \"proto3\"; package shop.v1; message M { string t = 1; }
            service Catalogue { rpc Get(M) returns (M); rpc WatchEverythingThatHappens(stream M) returns (stream M); }";
        let offers = Offers {
            is_grpc: true,
            reflection: Some("v1".into()),
            services: vec!["grpc.health.v1.Health".into(), "shop.v1.Catalogue".into()],
            files: files(proto),
            health: vec![ServiceHealth { service: String::new(), status: "SERVING".into() }],
            remarks: vec!["evil \u{1b}[31m words".into()],
        };
        let at = |port, speaks, grpc| Listener { address: [0, 0, 0, 0].into(), port, reached_at: None, speaks, grpc };
        let web = Speaks::Http1 { line: "HTTP/1.1 404 Not Found".into() };
        let seen = Seen { listeners: vec![at(50051, Speaks::Http2, Some(offers)), at(8080, web, None)] };
        let described = json!({"form": "x", "image": "me/f", "digest": format!("sha256:{}", "a".repeat(64)),
                               "made": "2026-01-01T00:00:00Z", "seen": seen, "key": ""});
        Told::Seen { described: serde_json::from_value(described).unwrap(), kept: true }
    }

    fn image() -> Image {
        Image {
            name: "docker.io/me/f:latest".into(),
            manifest: format!("sha256:{}", "b".repeat(64)),
            config: format!("sha256:{}", "c".repeat(64)),
            platform: "linux/amd64".into(),
            size: 12_345_678,
            layers: 2,
            entrypoint: vec!["/app/server".into(), "-addr=0.0.0.0:50051".into()],
            ..Image::default()
        }
    }

    #[test]
    fn a_description_fits_terminals_of_80_and_of_40_columns() {
        let rows = rows(&image(), &told());
        let wide = text(&rows, 80);
        let expected = "image     docker.io/me/f:latest
digest    sha256:bbbbbbbbbbbb (config sha256:cccccccccccc)
platform  linux/amd64
size      12 MiB in 2 layers
entry     [\"/app/server\",\"-addr=0.0.0.0:50051\"]
user      root
folder    /
exposes   no port
listens   0.0.0.0:50051 gRPC, reflection v1
health    SERVING
method    shop.v1.Catalogue/Get                        unary
method    shop.v1.Catalogue/WatchEverythingThatHappens stream both ways
note      evil \\u{1b}[31m words
listens   0.0.0.0:8080 HTTP/1: answers GET / with HTTP/1.1 404 Not Found
seen      2026-01-01T00:00:00Z; --again repeats the run";
        assert_eq!(wide, expected);
        for columns in [40, 80] {
            let text = text(&rows, columns);
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
            // Nothing is lost.
            let squeezed: String = text.split_whitespace().collect();
            assert!(squeezed.contains("shop.v1.Catalogue/WatchEverythingThatHappensstreambothways"), "{text}");
        }
    }

    #[test]
    fn programs_get_the_same() {
        let value = as_json("f", &image(), &told());
        let grpc = &value["seen"]["listeners"][0]["grpc"];
        assert_eq!(grpc["methods"][1]["kind"], "stream both ways", "{value:#}");
        assert_eq!((&grpc["health"][0]["status"], &value["kept"]), (&json!("SERVING"), &json!(true)));
        assert_eq!(value["seen"]["listeners"][1]["speaks"]["line"], "HTTP/1.1 404 Not Found");
        assert!(as_json("f", &image(), &Told::Still).get("seen").is_none());
    }
}
