//! Services beside the function's: their names, their order, their health, on both bases.

use std::fs;

use crate::real::Bench;

const IDLE: &str = "import time\ntime.sleep(1000)\n";

/// Serves port 8080; whoever names another host than the published port gets 400.
const SERVE: &str = "import http.server\nclass H(http.server.BaseHTTPRequestHandler):\n def do_GET(self):\n  \
    self.send_response(200 if self.headers['host'] == '127.0.0.1:50000' else 400)\n  self.end_headers()\n\
    http.server.HTTPServer(('0.0.0.0', 8080), H).serve_forever()\n";

/// Prints what the name server at 127.0.0.11 answers: flags and number of answers.
const ASK: &str = r"import socket, struct
def ask(name, kind, called=None):
 labels = b''.join(bytes([len(l)]) + l.encode() for l in name.split('.'))
 s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
 s.settimeout(9)
 s.sendto(struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + labels + b'\0' + struct.pack('>HH', kind, 1), ('127.0.0.11', 53))
 r = s.recv(4096)
 print('asked', called or name, kind, r[2:4].hex(), r[6:8].hex())
for name in ['db', 'DB', 'store', 'both', 'p-db-1', 'db.p_default', 'db_host', 'gone', 'late', 'nosuch']: ask(name, 1)
ask(socket.gethostname(), 1, 'me')
for kind in [28, 15, 16, 65]: ask('db', kind)
db = socket.gethostbyname('db.')
ask('.'.join(reversed(db.split('.'))) + '.in-addr.arpa', 12, 'its address')
print('its name', socket.gethostbyaddr(db)[0])
print('hosts', [line for line in open('/etc/hosts') if 'db' in line or 'localhost' in line])
print('resolv', [line for line in open('/etc/resolv.conf') if line.startswith(('nameserver', 'options'))])
print('all asked')
";

/// A compose file whose services run programs in Python; the last one is the function.
fn services(bench: &Bench, services: &[(&str, &str, &str)]) -> String {
    let mut text = String::from("name: p\nservices:\n");
    for (name, program, more) in services {
        fs::write(bench.path(&format!("{name}.py")), program).unwrap();
        text.push_str(&format!(
            "  {name}:\n    image: futon/http-python\n    entrypoint: [python, -u, /p.py]\n    volumes: [\"./{name}.py:/p.py\"]\n{more}"
        ));
    }
    text.push_str(
        "    ports: [\"50000:8080\"]\n    x-futon: {ready: {tcp: true}, calls: [{http: GET /, expect: {status: 200}}]}\n",
    );
    let file = bench.path("functions.yaml");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn asked(base: &str) -> Vec<String> {
    let bench = Bench::new();
    let on = "    depends_on: {db: {condition: service_started}, db2: {condition: service_started}, gone: {condition: service_completed_successfully}}\n";
    let file = services(
        &bench,
        &[
            ("db", IDLE, "    hostname: db_host\n    networks: {default: {aliases: [store, both]}}\n"),
            ("db2", IDLE, "    networks: {default: {aliases: [both]}}\n"),
            ("gone", "", ""),
            ("f", &format!("{ASK}{SERVE}"), on),
        ],
    );
    bench.expect(&["f", "--base", base, "--functions", &file], "passed", None, 0);
    let log = fs::read_to_string(bench.path("out/f/results/uploads/container.log")).unwrap();
    let lines: Vec<String> = log.lines().filter(|line| !line.contains("GET /")).map(str::to_owned).collect();
    assert_eq!((lines.len(), lines.last().map(String::as_str)), (20, Some("all asked")), "{log}");
    lines
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn names_are_the_engines_in_the_lean_guest() {
    assert_eq!(asked("lean"), asked("docker"));
}

/// `a` waits for `x`, whose healthcheck needs `z`, on which nobody but the function depends.
fn in_order(base: &str) {
    let bench = Bench::new();
    let check = "    healthcheck: {test: [CMD, python, -c, \"import socket; socket.create_connection(('z', 8080), 2)\"], interval: 1s, retries: 99}\n";
    let file = services(
        &bench,
        &[
            ("a", IDLE, "    depends_on: {x: {condition: service_healthy}}\n"),
            ("x", IDLE, check),
            ("z", SERVE, ""),
            ("f", SERVE, "    depends_on: [a, z]\n"),
        ],
    );
    bench.expect(&["f", "--base", base, "--limit", "start=100s", "--functions", &file], "passed", None, 0);
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn who_waits_keeps_nobody_from_starting() {
    in_order("docker");
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn lean_who_waits_keeps_nobody_from_starting() {
    in_order("lean");
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn lean_with_whole_no_service_may_be_unhealthy() {
    let bench = Bench::new();
    let sick = "    healthcheck: {test: [CMD, python, -c, exit(1)], interval: 500ms, retries: 1}\n";
    let slow = format!("import time\ntime.sleep(6)\n{SERVE}");
    let file = services(&bench, &[("sick", IDLE, sick), ("f", &slow, "")]);
    let whole = ["f", "--base", "lean", "--functions", &file];
    bench.expect(&whole, "passed", None, 0);
    let run = bench.expect(&[&whole[..], &["--whole"]].concat(), "failed", Some("log"), 1);
    assert_eq!(run.verdict(0)["code"], "companion_failed", "{}", run.all());
    assert!(run.verdict(0)["why"].as_str().unwrap().contains("the service sick is unhealthy"), "{}", run.all());
}

/// Prints what is in /d, what of /data, the limit of core files, and whether the profile is in force.
const LOOK: &str = r"import os, resource
for name in sorted(os.listdir('/d')):
 about = os.lstat('/d/' + name)
 print('has', name, about.st_uid, about.st_gid, oct(about.st_mode), about.st_size, os.readlink('/d/' + name) if os.path.islink('/d/' + name) else '')
print('core', resource.getrlimit(resource.RLIMIT_CORE))
try: os.sched_rr_get_interval(0)
except OSError as error: print('denied', error.errno)
print('data', os.path.isdir('/data') and os.listdir('/data'))
print('all seen')
";

/// A profile of seccomp, a folder with links and holes, limits of 0, two mounts at one place: files and forms that only the host has.
fn handed_over(base: &str, bound: bool) -> Vec<String> {
    let bench = Bench::new();
    let folder = bench.path("d");
    fs::create_dir(&folder).unwrap();
    for (target, name) in [("/etc/hostname", "out"), ("nowhere", "gone"), (".", "loop"), ("file", "in")] {
        std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
    }
    fs::write(folder.join("file"), "x").unwrap();
    fs::set_permissions(folder.join("file"), std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    fs::File::create(folder.join("holes")).unwrap().set_len(1 << 20).unwrap();
    fs::create_dir(bench.path("data")).unwrap();
    fs::write(bench.path("data/of-the-host"), "").unwrap();
    let profile = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sched_rr_get_interval"], "action": "SCMP_ACT_ERRNO"}]}"#;
    fs::write(bench.path("p.json"), profile).unwrap();
    let mut document = serde_json::json!({
        "name": "p",
        "services": {"f": {
            "image": "futon/http-python", "entrypoint": ["python", "-u", "-c", format!("{LOOK}{SERVE}")], "ports": ["50000:8080"],
            "security_opt": ["seccomp=./p.json"], "ulimits": {"core": 0}, "restart": "any",
            "configs": [{"source": "c", "target": "/d/"}], "volumes": ["./d:/nothing/../d"],
            "x-futon": {"ready": {"tcp": true}, "calls": [{"http": "GET /", "expect": {"status": 200}}]},
        }},
        "configs": {"c": {"file": "./p.json"}},
    });
    let file = bench.path("functions.yaml");
    if bound {
        // By its options it is a folder of the host's.
        document["services"]["f"]["volumes"].as_array_mut().unwrap().push("named:/data".into());
        let options = serde_json::json!({"type": "none", "o": "bind", "device": bench.path("data")});
        document["volumes"] = serde_json::json!({"named": {"driver_opts": options}});
    }
    fs::write(&file, document.to_string()).unwrap();
    let run = bench.test(&["f", "--base", base, "--functions", file.to_str().unwrap()]);
    assert_eq!((run.code, run.verdict(0)["outcome"].as_str()), (Some(0), Some("passed")), "{}", run.all());
    let log = fs::read_to_string(bench.path("out/f/results/uploads/container.log")).unwrap();
    log.lines().filter(|line| !line.contains("GET /")).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn what_only_the_host_has_is_handed_over_alike() {
    let lean = handed_over("lean", false);
    let docker = handed_over("docker", true);
    let same = |lines: &[String]| lines.iter().filter(|line| !line.starts_with("data")).cloned().collect::<Vec<_>>();
    assert_eq!(same(&lean), same(&docker));
    assert!(docker.iter().any(|line| line == "data ['of-the-host']"), "{docker:?}");
    let said = lean.join("\n");
    for line in ["core (0, 0)", "denied 1", "data False", "all seen"] {
        assert!(lean.iter().any(|said| said == line), "{line}: {said}");
    }
    for (name, link) in [("out", "/etc/hostname"), ("gone", "nowhere"), ("loop", "."), ("in", "file")] {
        assert!(
            lean.iter().any(|said| said.starts_with(&format!("has {name} ")) && said.ends_with(link)),
            "{name}: {said}"
        );
    }
    assert!(said.contains("0o100640 1") && said.contains("1048576"), "{said}");
}
