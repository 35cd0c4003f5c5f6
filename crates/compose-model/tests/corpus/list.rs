//! The samples that were written by hand.

use super::Sample;

/// Keys of one service, each a sample: what one line of a compose file can hold.
const KEYS: &[&str] = &[
    "command: serve --addr 0.0.0.0:50051",
    "command: sh -c 'echo \"two words\" && exec /app/server'",
    "command: [\"/app/server\", \"-addr\", \"0.0.0.0:50051\"]",
    "command: []",
    "command: \"\"",
    "command: null",
    "entrypoint: [\"\"]",
    "entrypoint: /app/server --name=\"a b\"",
    "entrypoint: []",
    "environment: [A=1, B=, C, \"D=two words\", E=a=b]",
    "environment: {A: 1, B: null, C: \"\", D: yes, E: 1.50, F: 007, G: 1e6, H: 0x1F}",
    "environment: {MULTI: \"a\\nb\", DOLLAR: \"$$HOME\", VAR: \"${MY_TAG}\", DEF: \"${NOPE:-fallback}\", NEST: \"${NOPE:-${MY_TAG}}\"}",
    "environment: {ALT: \"${MY_TAG:+set}\", NONE: \"${NOPE:+set}\", DASH: \"${NOPE-d}\"}",
    "environment: [MY_TAG, NOPE_AT_ALL]",
    "ports: [\"50000:50051\"]",
    "ports: [\"127.0.0.1:50000:50051/tcp\", \"5353:53/udp\"]",
    "ports: [\"50051\"]",
    "ports: [50051]",
    "ports: [\"50000-50002:50051-50053\"]",
    "ports: [\"50010-50020:50051\"]",
    "ports: [\"[::1]:50000:50051\"]",
    "ports: [\"${MY_PORT:-50007}:50051\"]",
    "ports: [{target: 50051, published: \"50000\", protocol: tcp, mode: host}]",
    "ports: [{target: 50051, published: 50000, host_ip: 10.0.2.15}]",
    "ports: [{target: 50051}]",
    "ports: [\"9090:9090\", \"50000:50051\"]",
    "expose: [\"50051\", 8080]",
    "volumes: [data:/data]",
    "volumes: [/data]",
    "volumes: [\"./app.cfg:/etc/app.cfg:ro\"]",
    "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 64m, mode: 1023}}]",
    "volumes: [{type: volume, source: data, target: /d, volume: {nocopy: true}}]",
    "volumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]",
    "tmpfs: /run",
    "tmpfs: [\"/run:size=1m\", /tmp]",
    "env_file: fn.env",
    "env_file: [fn.env, more.env]",
    "env_file: [{path: missing.env, required: false}]",
    "env_file: missing.env",
    "healthcheck: {test: \"curl -f http://localhost\", interval: 1m30s, timeout: 10s, retries: 3, start_period: 40s}",
    "healthcheck: {test: [CMD, /bin/true], interval: 500ms}",
    "healthcheck: {disable: true}",
    "healthcheck: {test: [NONE]}",
    "restart: always",
    "restart: \"no\"",
    "restart: on-failure:3",
    "restart: no",
    "init: true",
    "read_only: true",
    "user: \"1000:1000\"",
    "user: 1000",
    "working_dir: /srv",
    "hostname: fn.example",
    "domainname: example.org",
    "labels: [a=b, c, \"d=$$e\"]",
    "labels: {traefik.enable: true, n: 5}",
    "cap_add: [NET_BIND_SERVICE]",
    "cap_drop: [ALL]",
    "security_opt: [\"no-new-privileges:true\"]",
    "privileged: true",
    "network_mode: host",
    "network_mode: none",
    "network_mode: bridge",
    "pid: host",
    "ipc: shareable",
    "mem_limit: 64m",
    "mem_limit: 1.5g",
    "memswap_limit: -1",
    "mem_reservation: 32mb",
    "shm_size: 128M",
    "cpus: 0.5",
    "cpus: \"1.25\"",
    "cpuset: 0-1",
    "cpu_shares: 73",
    "pids_limit: 100",
    "ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}}",
    "sysctls: {net.core.somaxconn: 1024}",
    "sysctls: [net.ipv4.tcp_syncookies=0]",
    "extra_hosts: [\"somehost:162.242.195.82\", \"gw:host-gateway\"]",
    "extra_hosts: {somehost: 162.242.195.82}",
    "dns: 8.8.8.8",
    "dns: [8.8.8.8, 9.9.9.9]",
    "dns_search: example.com",
    "group_add: [mail, \"1001\"]",
    "devices: [\"/dev/null:/dev/xnull\"]",
    "stop_signal: SIGUSR1",
    "stop_grace_period: 1m30s",
    "stop_grace_period: 3s",
    "logging: {driver: json-file, options: {max-size: \"1m\"}}",
    "deploy: {resources: {limits: {cpus: \"0.50\", memory: 50M, pids: 1}}}",
    "deploy: {replicas: 2}",
    "deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}",
    "blkio_config: {weight: 300}",
    "platform: linux/amd64",
    "pull_policy: always",
    "profiles: [debug]",
    "tty: true",
    "stdin_open: true",
    "scale: 1",
    "configs: [cfg]",
    "configs: [{source: cfg, target: /etc/app.cfg, mode: 0440}]",
    "secrets: [tok]",
    "secrets: [{source: tok, target: token, uid: \"103\"}]",
    "networks: [back]",
    "networks: {back: {aliases: [db, database], ipv4_address: 172.28.0.9}}",
    "networks: {back: {priority: 10}, default: {}}",
    "oom_score_adj: 500",
    "container_name: function",
    "x-futon: {client: fibonacci-go, port: 50051}",
    "annotations: {com.example.foo: bar}",
    // What Compose refuses.
    "port: [\"50000:50051\"]",
    "ports: [\"70000:50051\"]",
    "ports: [\"http:50051\"]",
    "ports: [\"50000-50003:50051-50052\"]",
    "ports: 50000",
    "environment: [1, {a: b}]",
    "image: 5",
    "command: {a: b}",
    "depends_on: [nobody]",
    "networks: [nowhere]",
    "volumes: [nothing-known:/x]",
    "restart: [always]",
    "cpus: many",
    "mem_limit: lots",
    "environment: {A: \"${NOT_SET:?set it first}\"}",
    "environment: {A: \"${\"}",
    "healthcheck: {test: [oops]}",
    "container_name: \"a b\"",
    "depends_on: {db: {condition: service_sleepy}}",
];

/// Whole files, with what lies beside them.
const FILES: &[(&str, &[(&str, &str)])] = &[
    (
        "vswarm",
        &[(
            "compose.yaml",
            "version: \"3.3\"\nservices:\n  aes-go:\n    image: vhiveease/aes-go:latest\n    container_name: aes-go\n    entrypoint: [/app/server, --addr=0.0.0.0:50051]\n    ports: [50051]\n  relay:\n    image: vhiveease/relay:latest\n    depends_on: [aes-go]\n    ports: [\"50000:50000\"]\n",
        )],
    ),
    (
        "extends",
        &[
            (
                "compose.yaml",
                "services:\n  fn:\n    extends: {file: base.yaml, service: base}\n    ports: [\"50000:50051\"]\n",
            ),
            (
                "base.yaml",
                "services:\n  base:\n    image: me/base:1\n    privileged: true\n    environment: {A: base}\n    x-futon: {client: aes-go}\n",
            ),
        ],
    ),
    ("extends-missing", &[("compose.yaml", "services:\n  fn:\n    extends: {file: nowhere.yaml, service: base}\n")]),
    (
        "include",
        &[
            ("compose.yaml", "include: [more.yaml]\nservices:\n  fn: {image: me/fn, depends_on: [extra]}\n"),
            ("more.yaml", "services:\n  extra: {image: me/extra}\n"),
        ],
    ),
    (
        "dotenv",
        &[
            ("compose.yaml", "services:\n  fn: {image: \"me/fn:${TAG}\", environment: {A: \"${FROM_FILE}\"}}\n"),
            (".env", "TAG=1.2\nFROM_FILE='two words'\n"),
        ],
    ),
    ("named", &[("compose.yaml", "name: my-project\nservices:\n  fn: {image: me/fn}\n")]),
    ("bad-name", &[("compose.yaml", "name: My Project\nservices:\n  fn: {image: me/fn}\n")]),
    (
        "merge",
        &[(
            "compose.yaml",
            "x-base: &base\n  image: me/fn\n  environment: {A: 1}\nx-more: &more {user: \"5\"}\nservices:\n  one: {<<: *base}\n  two:\n    <<: [*base, *more]\n    hostname: h\n",
        )],
    ),
    (
        "two-documents",
        &[("compose.yaml", "services:\n  one: {image: me/one}\n---\nservices:\n  two: {image: me/two}\n")],
    ),
    ("bom-crlf", &[("compose.yaml", "\u{feff}services:\r\n  fn:\r\n    image: me/fn\r\n")]),
    ("json", &[("compose.yaml", "{\"services\": {\"fn\": {\"image\": \"me/fn\", \"ports\": [\"50000:50051\"]}}}")]),
    ("tabs", &[("compose.yaml", "services:\n\tfn:\n\t\timage: me/fn\n")]),
    ("duplicate", &[("compose.yaml", "services:\n  fn:\n    image: a\n    image: b\n")]),
    ("empty", &[("compose.yaml", "")]),
    ("no-services", &[("compose.yaml", "name: p\n")]),
    ("list", &[("compose.yaml", "- services\n")]),
    ("null-service", &[("compose.yaml", "services:\n  fn:\n")]),
    ("odd-name", &[("compose.yaml", "services:\n  my function: {image: me/fn}\n")]),
    ("escape", &[("compose.yaml", "services:\n  ../esc: {image: me/fn}\n")]),
    ("number-name", &[("compose.yaml", "services:\n  404: {image: me/fn}\n")]),
    ("cycle", &[("compose.yaml", "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n")]),
    ("build-only", &[("compose.yaml", "services:\n  fn: {build: .}\n  other: {image: me/o}\n")]),
    ("no-image", &[("compose.yaml", "services:\n  fn: {ports: [\"1:1\"]}\n")]),
    (
        "conditions",
        &[(
            "compose.yaml",
            "services:\n  fn:\n    image: me/fn\n    depends_on:\n      db: {condition: service_healthy, restart: true}\n      seed: {condition: service_completed_successfully, required: false}\n  db: {image: me/db, healthcheck: {test: [CMD, x]}}\n  seed: {image: me/seed}\n",
        )],
    ),
    (
        "profiles",
        &[(
            "compose.yaml",
            "services:\n  fn: {image: me/fn, profiles: [a], depends_on: [db]}\n  db: {image: me/db, profiles: [a]}\n",
        )],
    ),
    (
        "service-mode",
        &[("compose.yaml", "services:\n  fn: {image: me/fn, network_mode: \"service:db\"}\n  db: {image: me/db}\n")],
    ),
    (
        "links",
        &[(
            "compose.yaml",
            "services:\n  fn: {image: me/fn, links: [\"db:database\"], volumes_from: [db]}\n  db: {image: me/db}\n",
        )],
    ),
    (
        "networks",
        &[(
            "compose.yaml",
            "services:\n  fn: {image: me/fn, networks: [front, back]}\nnetworks:\n  front: {internal: true, driver: bridge, labels: {a: b}}\n  back: {ipam: {config: [{subnet: 172.28.0.0/16, gateway: 172.28.0.1}]}}\n",
        )],
    ),
    (
        "external",
        &[(
            "compose.yaml",
            "services:\n  fn: {image: me/fn, networks: [out], volumes: [\"v:/v\"]}\nnetworks: {out: {external: true}}\nvolumes: {v: {external: true, name: theirs}}\n",
        )],
    ),
    (
        "volume-options",
        &[(
            "compose.yaml",
            "services:\n  fn: {image: me/fn, volumes: [\"v:/v\"]}\nvolumes: {v: {driver: local, driver_opts: {type: none, o: bind, device: /}}}\n",
        )],
    ),
    (
        "inline-config",
        &[(
            "compose.yaml",
            "services:\n  fn: {image: me/fn, configs: [c]}\nconfigs: {c: {content: \"a=${MY_TAG} $$b\\n\"}}\n",
        )],
    ),
    (
        "secret-environment",
        &[("compose.yaml", "services:\n  fn: {image: me/fn, secrets: [s]}\nsecrets: {s: {environment: MY_TAG}}\n")],
    ),
    ("git-include", &[("compose.yaml", "include: [\"https://example.com/x.git\"]\nservices:\n  fn: {image: me/fn}\n")]),
    (
        "yaml11",
        &[(
            "compose.yaml",
            "services:\n  fn:\n    image: me/fn\n    init: yes\n    environment: {A: on, B: off, C: 12:30:45, D: 2020-01-01, E: .5, F: ~}\n",
        )],
    ),
    (
        "reset",
        &[(
            "compose.yaml",
            "services:\n  fn:\n    image: me/fn\n    command: !reset null\n    ports: !override [\"1:1\"]\n",
        )],
    ),
    ("unset", &[("compose.yaml", "services:\n  fn: {image: \"me/fn:${NOPE}latest\"}\n")]),
];

/// What lies beside every sample of one key.
const BESIDE: &[(&str, &str)] = &[
    (
        "fn.env",
        "A=\"two words\"\nB='single $HOME'\nC=plain # comment\nexport D=1\nE=\"line\\nbreak\"\nF=${MY_TAG}\nG=\n",
    ),
    ("more.env", "A=over\nH=8\n"),
    ("app.cfg", "mode = fast\n"),
    ("token.txt", "abc\n"),
];

/// Project of a sample of one key.
fn around(key: &str) -> String {
    let image = if key.starts_with("image:") { "" } else { "    image: vhiveease/fibonacci-go:latest\n" };
    format!(
        "services:\n  fn:\n{image}    {key}\n  db:\n    image: vhiveease/fibonacci-go:latest\nvolumes:\n  data: {{}}\n\
         networks:\n  back: {{ipam: {{config: [{{subnet: 172.28.0.0/16}}]}}}}\nconfigs:\n  cfg: {{file: ./app.cfg}}\n\
         secrets:\n  tok: {{file: ./token.txt}}\n"
    )
}

/// All samples that were written by hand.
pub fn written() -> Vec<Sample> {
    let owned =
        |files: &[(&str, &str)]| files.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect::<Vec<_>>();
    let keys = KEYS.iter().enumerate().map(|(n, key)| {
        let mut files = owned(BESIDE);
        files.push(("compose.yaml".into(), around(key)));
        Sample { name: format!("k{n:03}"), files }
    });
    let whole = FILES.iter().map(|(name, files)| Sample { name: (*name).to_owned(), files: owned(files) });
    keys.chain(whole).collect()
}
