//! Generated samples: random keys in random forms, the same for the same seed.

use super::Sample;

/// A xorshift generator: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Single values as people write them: words, numbers, booleans of YAML 1.1 and 1.2, quotes, variables.
const SCALARS: &[&str] = &[
    "plain",
    "\"quoted\"",
    "'single'",
    "007",
    "1e6",
    "0x1F",
    "1.50",
    "yes",
    "off",
    "true",
    "null",
    "~",
    "\"\"",
    "\"a: b\"",
    "'#no'",
    "a b c",
    "\"$$x\"",
    "${MY_TAG}",
    "\"${NOPE:-d}\"",
    "\"${NOPE}\"",
    "${MY_TAG:+y}",
    "2020-01-01",
    "1_000",
    "-5",
    ".5",
    "\"tab\\t\"",
    "ünï",
    "\"'\"",
];
const PORTS: &[&str] = &[
    "\"50000:50051\"",
    "50051",
    "\"50051/udp\"",
    "\"127.0.0.1:50001:50051\"",
    "\"50002-50003:50051-50052\"",
    "\"${MY_PORT}:1\"",
    "\"[::1]:5:6\"",
    "{target: 50051, published: \"50000\"}",
    "{target: 7, published: 8, protocol: udp, mode: host}",
    "\"0:80\"",
    "\"70000:1\"",
    "\"a:b\"",
];
const LINES: &[&str] = &[
    "init: true",
    "read_only: true",
    "user: \"1000\"",
    "tmpfs: /x",
    "restart: unless-stopped",
    "cap_drop: [ALL]",
    "privileged: true",
    "mem_limit: 64m",
    "cpus: 0.5",
    "hostname: h",
    "stop_grace_period: 10s",
    "security_opt: [\"no-new-privileges:true\"]",
    "volumes: [data:/d]",
    "volumes: [/anon]",
    "ulimits: {nofile: 100}",
    "networks: [back]",
    "network_mode: host",
    "labels: {a: b}",
    "logging: {driver: none}",
    "shm_size: 1gb",
    "pids_limit: 5",
    "healthcheck: {test: [CMD, x], interval: 1s}",
    "healthcheck: {disable: true}",
    "extra_hosts: [\"a:1.2.3.4\"]",
    "expose: [1]",
    "env_file: fn.env",
    "profiles: [p]",
    "configs: [cfg]",
    "secrets: [tok]",
    "devices: [/dev/null]",
    "unknown_key: 1",
    "cpus: x",
    "deploy: {replicas: 1}",
    "tty: true",
];

/// `count` samples of a seed.
pub fn generated(seed: u64, count: usize) -> Vec<Sample> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    (0..count).map(|n| Sample { name: format!("g{seed}-{n:04}"), files: files(&mut random) }).collect()
}

fn files(random: &mut Random) -> Vec<(String, String)> {
    let count = 1 + random.below(4);
    let mut text = String::new();
    if random.chance(20) {
        text.push_str("name: project\n");
    }
    text.push_str("x-shared: &shared\n  environment: {SHARED: \"1\"}\nservices:\n");
    for n in 0..count {
        text.push_str(&format!(
            "  s{n}:\n    image: me/fn{}\n",
            random.pick(&[
                "",
                ":1.2",
                ":${MY_TAG}",
                "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
            ])
        ));
        if random.chance(15) {
            text.push_str("    <<: *shared\n");
        } else {
            environment(random, &mut text);
        }
        if random.chance(40) {
            let word = random.pick(&["command", "entrypoint"]);
            match random.below(3) {
                0 => text.push_str(&format!("    {word}: [{}, {}]\n", random.pick(SCALARS), random.pick(SCALARS))),
                1 => text.push_str(&format!(
                    "    {word}: {}\n",
                    random.pick(&["run me", "\"a 'b c' d\"", "[]", "\"\"", "null", "a\\ b", "\"it's\""])
                )),
                _ => text.push_str(&format!("    {word}:\n      - {}\n", random.pick(SCALARS))),
            }
        }
        if random.chance(50) {
            let ports: Vec<&str> = (0..=random.below(3)).map(|_| random.pick(PORTS)).collect();
            text.push_str(&format!("    ports: [{}]\n", ports.join(", ")));
        }
        if n > 0 && random.chance(50) {
            let condition = random.pick(&["service_started", "service_healthy", "service_completed_successfully"]);
            match random.below(2) {
                0 => text.push_str(&format!("    depends_on: [s{}]\n", random.below(count))),
                _ => text.push_str(&format!(
                    "    depends_on: {{s{}: {{condition: {condition}, required: {}}}}}\n",
                    n - 1,
                    random.chance(70)
                )),
            }
        }
        let mut seen = Vec::new();
        for _ in 0..random.below(4) {
            let line = random.pick(LINES);
            let key = line.split(':').next().unwrap_or_default();
            // A key twice is one kind of mistake among many.
            if !seen.contains(&key) || random.chance(3) {
                text.push_str(&format!("    {line}\n"));
                seen.push(key);
            }
        }
    }
    text.push_str("volumes: {data: {}}\nnetworks: {back: {}}\nconfigs: {cfg: {file: ./app.cfg}}\nsecrets: {tok: {file: ./app.cfg}}\n");
    vec![("compose.yaml".into(), text), ("fn.env".into(), "FROM=file\n".into()), ("app.cfg".into(), "x\n".into())]
}

fn environment(random: &mut Random, text: &mut String) {
    match random.below(3) {
        0 => {}
        1 => {
            text.push_str("    environment:\n");
            for n in 0..=random.below(3) {
                text.push_str(&format!("      V{n}: {}\n", random.pick(SCALARS)));
            }
        }
        _ => {
            text.push_str("    environment:\n");
            for n in 0..=random.below(3) {
                let word = random.pick(&["V=1", "V", "MY_TAG", "\"V=a b\"", "V=", "\"V=$$1\"", "V=${MY_TAG}"]);
                text.push_str(&format!("      - {}\n", word.replacen('V', &format!("V{n}"), 1)));
            }
        }
    }
}
