use std::time::Duration;

use futon_model::{GenType, Limits};

use super::*;

const FILE: &str = r#"
[machine]
base = "lean"
vcpus = 2
kernel = "my/kernel"

[client]
invocations = 3

[limits]
pull = "5m"

[profile.base.test]
retries = 1

[profile.ci]
inherits = "base"
test = { jobs = 4 }
client.invocations = 50

[function.aes-go.client]
gen_type = "random"
invocations = 7

[gem5]
params = { "l2.size" = "2MiB" }
"#;

fn read(text: &str, profile: Option<&str>) -> Result<Settings> {
    Settings::parse(Path::new("sub/futon.toml"), text, profile)
}

#[test]
fn what_is_nearer_wins_and_says_where_it_is() {
    let plain = read(FILE, None).unwrap();
    let config = plain.config().unwrap();
    assert_eq!(config.limits.pull, Duration::from_secs(300));
    assert_eq!(config.limits.boot, Limits::default().boot);
    assert_eq!((config.client.invocations, config.test.retries, config.machine.memory_mib), (3, 0, 2048));
    assert_eq!(config.machine.kernel.as_deref(), Some(Path::new("sub/my/kernel")), "paths are from the file");
    assert_eq!(config.gem5.params["l2.size"], "2MiB");

    let ci = read(FILE, Some("ci")).unwrap();
    let config = ci.config().unwrap();
    assert_eq!((config.client.invocations, config.test.retries, config.test.jobs), (50, 1, Some(4)));
    let aes = ci.config_of("aes-go").unwrap();
    assert_eq!((aes.client.invocations, aes.client.gen_type, aes.test.jobs), (7, GenType::Random, Some(4)));
    assert_eq!(ci.config_of("another").unwrap(), config);

    let origin = |key: (&str, &str), function| ci.origin(key.0, key.1, function).map(|origin| origin.to_string());
    for (key, function, expected) in [
        (("machine", "vcpus"), None, Some("sub/futon.toml:4")),
        (("test", "retries"), None, Some("sub/futon.toml:14 (profile base)")),
        (("test", "jobs"), None, Some("sub/futon.toml:18 (profile ci)")),
        (("client", "invocations"), None, Some("sub/futon.toml:19 (profile ci)")),
        (("client", "invocations"), Some("aes-go"), Some("sub/futon.toml:23 (function aes-go)")),
        (("machine", "memory_mib"), None, None),
    ] {
        assert_eq!(origin(key, function).as_deref(), expected, "{key:?}");
    }
    assert!(ci.has_function("aes-go") && !ci.has_function("fibonacci-go"));
    assert_eq!(ci.profile(), Some("ci"));
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_the_nearest_name() {
    for (text, profile, message, hint) in [
        ("[limits]\npul = \"5m\"\n", None, "sub/futon.toml:2: limits.pul: there is no such key", "did you mean pull?"),
        ("[limits]\nfoo = \"5m\"\n", None, ":2: limits.foo: there is no such key", "the keys are: "),
        ("\n[machin]\nvcpus = 1\n", None, ":2: machin: there is no such key", "did you mean machine?"),
        ("[profile.ci.test]\nretry = 1\n", None, ":2: profile.ci.test.retry", "did you mean retries?"),
        ("[function.f.machine]\nvcpus = 1\n", None, ":1: function.f.machine", "the keys are: client, limits"),
        ("[machine]\n\nvcpus = \"two\"\n", None, ":3: machine.vcpus: invalid type: string", "docs/config.md"),
        ("[machine]\naccel = \"fast\"\n", None, ":2: machine.accel: unknown variant `fast`", "docs/config.md"),
        ("[profile.x.machine]\nvcpus = 0\n", None, ":2: machine.vcpus: 0 is out of its range", "1 to 64"),
        ("[client]\ninvocations = 0\n", None, ":2: client.invocations: 0", "at least 1"),
        ("machine = 1\n", None, ":1: machine: it is a table", ""),
        ("[profile.ci]\n", Some("cj"), "there is no profile \"cj\"", "did you mean ci?"),
        ("[profile.ci]\n", Some("nosuch"), "there is no profile \"nosuch\"", "the profiles are: ci"),
        ("", Some("ci"), "there is no profile \"ci\"", "there is none"),
        ("[profile.a]\ninherits = \"b\"\n[profile.b]\ninherits = \"a\"\n", Some("a"), "inherits from itself", "a, b"),
        ("[profile.a]\ninherits = \"c\"\n", Some("a"), "there is no profile \"c\"", "did you mean a?"),
        ("[profile.a]\ninherits = 1\n", None, ":2: profile.a.inherits", ""),
        ("[machine\n", None, "malformed settings", "docs/config.md"),
    ] {
        let error = read(text, profile).unwrap_err();
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert!(error.hint_text().unwrap_or_default().contains(hint), "{text}: {:?}", error.hint_text());
    }
}

#[test]
fn a_link_that_leads_nowhere_is_no_missing_file() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("gone.toml", folder.path().join("futon.toml")).unwrap();
    let error = Settings::beside(folder.path(), None).unwrap_err();
    assert!(error.to_string().contains("cannot read") && error.to_string().contains("futon.toml"), "{error}");
}

#[test]
fn without_a_file_all_is_default() {
    assert_eq!(Settings::default().config().unwrap(), Config::default());
    assert_eq!(read("", None).unwrap().config().unwrap(), Config::default());
    let error = Settings::find(None, Some("ci")).unwrap_err();
    assert!(error.to_string().contains("there is no futon.toml"), "{error}");
    assert!(error.hint_text().unwrap().ends_with("or leave --profile out"), "{error:?}");
    let error = Settings::find(Some(Path::new("nosuch.toml")), None).unwrap_err();
    assert!(error.hint_text().unwrap().contains("--config FILE"), "{error:?}");
}
