//! Seeds: inputs to begin with, made by code, so that they follow the formats.

use std::path::Path;

use futon_stage::layout::{Kind, record_header};

use crate::archives::{docker_archive, gzip};
use crate::layers::layers;

/// States of staging machines.
const QEMU_7: &[u8] = include_bytes!("../../crates/qemu-to-gem5/tests/recorded/qemu-7.2-stopped.state");
const QEMU_10: &[u8] = include_bytes!("../../crates/qemu-to-gem5/tests/recorded/qemu-10.0-stopped.state");

/// Layers with everything that a layer may have.
const LAYERS: [&str; 8] = [
    "d etc\nf etc/passwd root:x:0:0::/:/bin/sh\nl bin usr/bin\nd usr/bin\nf usr/bin/a 1\nh usr/bin/b usr/bin/a\n",
    "d d\nf d/a 1\nf d/b 2\nn\nf d/.wh.a\nf d/c 3\n",
    "d d\nf d/a 1\nn\nf d/new 2\nf d/.wh..wh..opq\nn\nf .wh.d\n",
    "f a 1\nh b a\nh c b\nn\nf a 2\nn\nf .wh.b\n",
    "l lib usr/lib\nd usr\nd usr/lib\nf usr/lib/x 1\nn\nf lib/y 2\nd lib\n",
    "f ../etc/passwd x\n",
    "m 4755\nu 65534\nt 1700000000\nf su 1\nx cap security.capability=0\nc null\np pipe\n",
    "d .\nm 700\nd ./\nf ./a/../b 1\nf /abs/x 2\nf a//b 3\nd a/b\nf a/b/c 4\n",
];

/// An OCI layout: documents that refer to one another (`archives.rs`).
const LAYOUT: &str = r#"== layer
not a layer
== config
{"architecture":"amd64","os":"linux","config":{"Cmd":["/server"]},"rootfs":{"type":"layers","diff_ids":["@layer"]}}
== manifest
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"@config","size":#config},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"@layer","size":#layer}]}
== inner
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"@manifest","size":#manifest,"platform":{"os":"linux","architecture":"amd64","variant":"v2"}},{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"@manifest","size":#manifest,"platform":{"os":"linux","architecture":"arm64"}}]}
== oci-layout
{"imageLayoutVersion":"1.0.0"}
== index.json
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"@inner","size":#inner,"annotations":{"org.opencontainers.image.ref.name":"some/image:1","io.containerd.image.name":"docker.io/some/image:1"}}]}
"#;

const COMPOSE_JSON: &str = r#"{"name":"p","services":{"web":{"image":"x/y:1","command":["a","$$b"],"environment":{"A":"1","B":null},"ports":[{"mode":"ingress","target":50051,"published":"50000-50002","protocol":"tcp"}],"depends_on":{"db":{"condition":"service_healthy","required":true}},"networks":{"default":null},"mem_limit":"1048576","stop_grace_period":"1m30s","volumes":[{"type":"volume","source":"v","target":"/v"}],"ulimits":{"nofile":{"soft":1,"hard":2}}},"db":{"image":"db","healthcheck":{"test":["CMD","true"],"interval":"1s"},"deploy":{"replicas":2,"resources":{"limits":{"cpus":"0.5"}}}}},"networks":{"default":{"name":"p_default","ipam":{}}},"volumes":{"v":{"name":"p_v"}}}"#;

const COMPOSE_YAML: &str = "x-a: &a\n  image: q\nservices:\n  web:\n    <<: *a\n    ports: [\"50000:50051\", {target: 1}]\n    environment:\n      - A=${B:-c}\n  two.b: {image: y}\n---\nservices:\n  web:\n    command: >\n      a b\n";

const STATS: &str = "\n---------- Begin Simulation Statistics ----------\nsimSeconds  0.000490  # Number of seconds simulated (Second)\nsimTicks 490000000\nsimFreq 1000000000000\nhostSeconds 1.5\nsystem.clk_domain.clock 1000\nsystem.cpu1.numCycles  23016  # Number of cpu cycles simulated (Cycle)\nsystem.cpu1.commitStats0.numInsts 2000\nsystem.cpu1.exec_context.thread_0.notIdleFraction nan\nsystem.cpu1.icache.overallMisses::total 3\nsystem.ruby.hist    |        3     30.00%     30.00% |        7     70.00%    100.00% # text (Unspecified)\n\n---------- End Simulation Statistics   ----------\n";

const GUEST: &str = "{\"token\":\"5f1e\",\"kind\":\"step_started\",\"name\":\"pull\"}\n{\"kind\":\"step_ended\",\"name\":\"pull\",\"exit_status\":0,\"signal\":null,\"timed_out\":false,\"duration_ms\":5,\"tail\":\"x\"}\n{\"kind\":\"container\",\"name\":\"f\",\"image\":\"x\",\"image_id\":\"sha256:1\",\"repo_digests\":[]}\n{\"token\":\"5f1e\",\"kind\":\"note\",\"text\":\"file results.log sha256 3b\"}\nfile results.log\n{\"kind\":\"finish\",\"status\":0}\nfuton-event: {\"event\":\"workend\",\"id\":1,\"dump\":0,\"core\":\"o3\",\"tick\":5}\nfuton-event: {\"event\":\"limit\",\"limit\":\"run\",\"ms\":1e3}\n";

const CONSOLE: &str = "\x07\x00[    0.000000] Linux version 6.1\r\n[   12.5] Out of memory: Killed process 812 (server) total-vm:1kB\n[  OK  ] Started\n[   41.9] Kernel panic - not syncing: VFS\n[ 1.0] Oops: 0002 [#1]";

const PLAN: &str = r#"{"schema":"futon.plan/1","function":"f","script":"own","images":[{"reference":"x/y:1","index":null,"manifest":null,"config":null}],"client":{"function_name":"f","method":"m","input":"1","gen_type":"none","invocations":2,"warmup":0,"seed":1,"port":50051,"container":"f","service":"f"},"machine":{"kind":"qemu","base":"docker","vcpus":2,"memory_mib":2048,"network":"isolated","base_image":"sha256:0","kernel":"sha256:1"},"steps":[{"name":"boot"},{"name":"fetch"},{"name":"pull"},{"name":"invoke"},{"name":"run"}],"limits":LIMITS}"#;

const EVENTS: &str = r#"{"at_ms":0,"event":"machine_started","accelerator":"tcg"}
{"at_ms":9,"event":"run_script_requested","status":200,"authentic":true}
{"at_ms":10,"event":"guest","authentic":true,"guest":{"kind":"step_started","name":"pull"}}
{"at_ms":20,"event":"guest","authentic":true,"guest":{"kind":"step_ended","name":"pull","exit_status":0,"signal":null,"timed_out":false,"duration_ms":10,"tail":"<script>"}}
{"at_ms":21,"event":"console_alarm","alarm":"out_of_memory_kill","line":"[ 1.0] Out of memory: Killed process 1"}
{"at_ms":30,"event":"uploaded","name":"results.log","stored_as":"results.log","bytes":5,"authentic":true}
{"at_ms":40,"event":"machine_shutdown","reason":"guest_shutdown"}
{"at_ms":41,"event":"machine_exited","status":0,"signal":null,"stderr":""}
"#;

const META: &str = r#"{"machine":{"kind":"qemu","version":"10","accelerator":"tcg","accelerator_reason":"x","vcpus":2,"memory_mib":2048,"base_image":"b","kernel":"k"},"remarks":["r"],"duration":{"secs":5,"nanos":0}}"#;

const CALLS: [&str; 4] = [
    "calls:\n  - call: a.S/One\n    data: {name: \"{{n}}\", big: \"{{rand 9}}\", all: [{raw: AAE=}], by: {k: {name: x}}}\n    metadata: {x-id: 1, k-bin: AAE=}\n    times: 2\n    expect:\n      status: OK\n      equals: {text: a, ids: [b], d: 1.5, at: \"2026-01-01T00:00:00Z\", kind: SOME, yes: true}\n      partial: true\n      unordered: [.ids]\n      tolerance: 0.1\n      ignore: [.d]\n      matches: {.text: \"^a\", \".ids[*]\": b}\n      cel: [\"size(reply.ids) > 0 && n >= 0\"]\n",
    "calls: [{call: a.S.Many, deadline: 500ms, cancel_after: 1, expect: {count: 2, each: {partial: true, equals: {kind: 1}}, trailers: {x: /y/}}}, {call: a.S/Sum, data: [{}, {name: b}], expect: {status: {code: 5, message: /no/}}}]",
    "preset: cloudevents\nready: {http: GET /healthz}\nchecks: [{must_match: x}]\ncalls:\n  - event: {type: t, data: {a: 1}, mode: structured}\n    expect: {status: [2xx, 404]}\n  - http: PUT /x?y=z\n    h2c: true\n    json: {a: [1]}\n    headers: {A: [b, c]}\n    expect: {headers: {content-type: /json/}, equals: [1, {b: null}]}\n",
    "calls: [{call: a.S/One, data: {name: '10'}, expect: {matches: {.: x}}}, {http: GET /, body: x, expect: {text: y}}]",
];

/// What a server of one service answers: its name, then its file, which imports one of Google's.
fn reflected() -> Vec<u8> {
    // Lengths of two bytes: the first says that another follows.
    let low = |length: usize| u8::try_from(length & 0x7f).unwrap_or(0) | 0x80;
    let high = |length: usize| u8::try_from(length >> 7).unwrap_or(0);
    let field = |tag: u8, bytes: &[u8]| [&[tag << 3 | 2, low(bytes.len()), high(bytes.len())], bytes].concat();
    let scalar = |name: &str, number: u8, kind: u8| {
        [field(1, name.as_bytes()), vec![0x18, number, 0x20, 1, 0x28, kind]].concat()
    };
    let own = |name: &str, number: u8, of: &str| [scalar(name, number, 11), field(6, of.as_bytes())].concat();
    let message = [
        field(1, b"M"),
        field(2, &scalar("t", 1, 9)),
        field(2, &own("m", 2, ".a.M")),
        field(2, &own("at", 3, ".google.protobuf.Timestamp")),
    ];
    let method = [field(1, b"Do"), field(2, b".a.M"), field(3, b".a.M"), vec![0x30, 1]].concat();
    let service = [field(1, b"S"), field(2, &method)].concat();
    let file = [
        field(1, b"a.proto"),
        field(2, b"a"),
        field(3, b"google/protobuf/timestamp.proto"),
        field(4, &message.concat()),
        field(6, &service),
        field(12, b"proto3"),
    ];
    let answers = [field(6, &field(1, &field(1, b"a.S"))), field(4, &field(1, &file.concat()))];
    let framed = answers.map(|answer| [&u32::try_from(answer.len()).unwrap_or(0).to_le_bytes()[..], &answer].concat());
    [&b"reflection\n"[..], &framed.concat()].concat()
}

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>();
    match target {
        "archive" => {
            let small = docker_archive("some/image:1", &layers(LAYERS[0].as_bytes()));
            let two = docker_archive("localhost:5000/a/b", &layers(LAYERS[1].as_bytes()));
            let cut = small[..small.len() * 2 / 3].to_vec();
            vec![gzip(&small), small, two, cut, b"BZh9".to_vec(), b"\x28\xb5\x2f\xfd".to_vec(), b"\xfd7zXZ\0".to_vec()]
        }
        "layout" => {
            let flat = LAYOUT.replace("\"@inner\",\"size\":#inner", "\"@manifest\",\"size\":#manifest");
            let saved = format!(
                "{LAYOUT}== manifest.json\n[{{\"Config\":\"blobs/sha256/x\",\"RepoTags\":[\"a:1\"],\"Layers\":[]}}]\n"
            );
            texts(&[LAYOUT, &flat, &saved])
        }
        "staged" => {
            // QEMU 7.2 and 10, each stopped by its guest; two records of a window, one after the other.
            let file = [&record_header(Kind::File, 1, 0, 3)[..], b"xabc", &[0; 4]].concat();
            let point = record_header(Kind::Point, 0, 7, 0).to_vec();
            vec![QEMU_7.to_vec(), QEMU_10.to_vec(), crate::staged::TEMPLATE.into(), [file, point].concat()]
        }
        "rootfs" => {
            let mut all = texts(&LAYERS);
            all.push([b"raw:".as_slice(), &layers(LAYERS[0].as_bytes())[0]].concat());
            all
        }
        "references" => {
            let digest = format!("sha256:{}", "0a".repeat(32));
            let pinned = format!("ghcr.io/me/fn@{digest}");
            let both = format!("registry:5000/x:v1@{digest}");
            texts(&[
                "vhiveease/fibonacci-go:latest",
                "memcached",
                "localhost:5000/a/b_c__d-e--f.g:1_A.b-c",
                "[::1]:5000/x",
                "index.docker.io/library/x",
                "localhost/x",
                &pinned,
                &both,
                &digest,
            ])
        }
        "compose" => texts(&[COMPOSE_JSON, COMPOSE_YAML, "1h2m3.5s4ms5us6ns", "service \"web\" services.web.ports"]),
        "multipart" => {
            let head = "multipart/form-data; boundary=\"XX\"";
            let body = "--XX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.log\"\r\n\r\none\r\n--X\r\r\n-two\r\n\r\n--XX\r\ncontent-disposition: form-data; name=\"a\\\"\\\\b\"\r\n\r\n\r\n--XX  \r\n\r\nno header\r\n--XX--\r\nrest";
            [1, 7, 255]
                .map(|size| {
                    [&[u8::try_from(head.len()).unwrap_or(0)], head.as_bytes(), &[size], body.as_bytes()].concat()
                })
                .to_vec()
        }
        "calls" => {
            let replies =
                b"\n== replies\n\x0a\x1c\x08\xc8\x01\x12\x13\x0a\x0ccontent-type\x12\x03x/j\x1a\x02{}\x1a\x02\x08\x00";
            let with = |text: &&str| [text.as_bytes(), replies].concat();
            CALLS.iter().map(with).chain(texts(&CALLS)).chain([reflected()]).collect()
        }
        "range" => ["bytes=0-", "bytes=3-5", "bytes=-4", "bytes= 1 - 2 ", "bytes=5-3", "items=0-1"]
            .map(|text| [&10_u64.to_le_bytes()[..], text.as_bytes()].concat())
            .to_vec(),
        "names" => {
            texts(&["//./a//b%20c/", "/%2e%2e%2fetc/passwd", "C:\\dir\\a", ".futon-partial-1", "a%00", "results.log"])
        }
        "http" => texts(&[
            "GET /run.sh HTTP/1.1\r\nhost: x\r\n\r\nGET /data.txt HTTP/1.1\r\nhost: x\r\nrange: bytes=1-3\r\nif-range: \"x\"\r\n\r\n",
            "PUT /results.log HTTP/1.1\r\nhost: x\r\nx-futon-token: 5f1e\r\ncontent-length: 5\r\n\r\nhello",
            "PUT /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "POST /upload HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=XX\r\ncontent-length: 88\r\n\r\n--XX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.log\"\r\n\r\none\r\n--XX--\r\n",
            "POST /_futon/events HTTP/1.1\r\nhost: x\r\ncontent-length: 27\r\n\r\n{\"kind\":\"finish\",\"status\":0}",
            "HEAD /upload HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\r\nGET / HTTP/1.0\r\n\r\n",
            "GET /../secret HTTP/1.1\r\nhost: x\r\n\r\n",
        ]),
        "registry" => texts(&[
            "v2/",
            "v2/_catalog",
            "v2/some/image/tags/list",
            "v2/some/image/manifests/1\naccept: application/vnd.oci.image.manifest.v1+json",
            "v2/some/image/manifests/1?ns=docker.io",
            "v2/some/image/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000\nrange: bytes=0-1",
            "_futon/image.tar?ref=some%2Fimage:1",
        ]),
        "stats" => texts(&[STATS, &STATS.repeat(2), &STATS[..STATS.len() - 60]]),
        "guest_events" => texts(&[GUEST]),
        "console" => texts(&[CONSOLE]),
        "records" => {
            let limits = serde_json::to_string(&futon_model::Limits::default()).unwrap_or_default();
            let plan = PLAN.replace("LIMITS", &limits);
            let foreign = plan.replace("\"own\"", "\"foreign\"");
            let run = |plan: &str| format!("{plan}\n==\n{EVENTS}\n==\n{META}");
            texts(&[&run(&plan), &run(&foreign)])
        }
        _ => Vec::new(),
    }
}

/// Where a target writes its seeds before it begins, if this is set: a folder.
const FOLDER: &str = "FUTON_FUZZ_SEEDS";

/// Writes the seeds of a target where whoever started it wants them.
pub fn write(target: &str) {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    for (number, seed) in of(target).into_iter().enumerate() {
        std::fs::write(Path::new(&folder).join(format!("seed-{number:02}")), seed).expect("the folder of seeds");
    }
}
