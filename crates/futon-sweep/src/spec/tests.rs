use std::time::Duration;

use super::*;

fn flags() -> Vec<KnownFlag> {
    let flag = |name: &str, takes_value, refused| KnownFlag { name: name.into(), takes_value, refused };
    vec![
        flag("on", true, None),
        flag("system", true, None),
        flag("param", true, None),
        flag("memory", true, None),
        flag("cold", false, None),
        flag("limit", true, None),
        flag("out", true, Some("each cell has its own folder")),
    ]
}

fn parse(text: &str) -> Result<Spec> {
    Spec::parse("sweep.toml", text, &flags())
}

/// The error and its hint.
fn refused(text: &str) -> String {
    let error = parse(text).expect_err(text);
    assert_eq!(error.exit_code(), futon_model::ExitCode::Usage, "{text}");
    format!("{error} {}", error.hint_text().unwrap_or_default())
}

const WHOLE: &str = r#"
name = "l2"
functions = ["fibonacci-go", "aes-go"]
seeds = 3
retries = 2

[flags]
on = "gem5"
cold = true
limit.boot = "5m"

[sweep]
system = ["simple", "skylake"]
param.l2.size = { from = "256KiB", to = "1MiB", times = 2 }

[[zip]]
param.l1i.size = ["16KiB", "32KiB"]
memory = [512, 1024]

[[exclude]]
system = "simple"
param.l2.size = ["512KiB", "1024KiB"]

[resources]
cores = 2
memory = "3GiB"
time = "30m"

[slurm]
at-once = 50
cells-per-task = 4
arguments = ["--partition=long"]
"#;

#[test]
fn all_of_it_is_read_in_the_files_order() {
    let spec = parse(WHOLE).unwrap();
    assert_eq!(spec.name.as_deref(), Some("l2"));
    assert_eq!(spec.functions, Functions::Named(vec!["fibonacci-go".into(), "aes-go".into()]));
    assert_eq!((spec.seeds, spec.retries), (vec!["1".to_owned(), "2".into(), "3".into()], 2));
    let flags: Vec<(&str, &[String])> = spec.flags.iter().map(|f| (f.name.as_str(), f.values.as_slice())).collect();
    assert_eq!(flags, [("on", &["gem5".into()][..]), ("cold", &["true".into()]), ("limit.boot", &["5m".into()])]);
    let names: Vec<Vec<String>> = spec.groups.iter().map(|group| group.names.clone()).collect();
    assert_eq!(
        names,
        [vec!["system".to_owned()], vec!["param.l2.size".into()], vec!["param.l1i.size".into(), "memory".into()]]
    );
    assert_eq!(spec.groups[1].rows, [["256KiB"], ["512KiB"], ["1024KiB"]]);
    assert_eq!(spec.groups[2].rows, [["16KiB", "512"], ["32KiB", "1024"]]);
    let exclude = &spec.excludes[0];
    assert_eq!(exclude.line, 20);
    assert_eq!(exclude.all_of[1], ("param.l2.size".into(), vec!["512KiB".into(), "1024KiB".into()]));
    let half_an_hour = Some(Duration::from_secs(1800));
    assert_eq!(spec.resources, Resources { cores: Some(2), memory_mib: Some(3072), time: half_an_hour });
    let arguments = vec!["--partition=long".to_owned()];
    assert_eq!(spec.slurm, SlurmSpec { at_once: Some(50), cells_per_task: Some(4), arguments });
}

#[test]
fn ranges_have_steps_or_factors_and_units() {
    let values = |text: &str| {
        let spec = parse(&format!("functions = \"all\"\n[sweep]\nmemory = {text}\n")).unwrap();
        spec.groups[0].rows.concat()
    };
    assert_eq!(values("{ from = 1, to = 8, step = 1 }"), ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(values("{ from = 1, to = 8, times = 2 }"), ["1", "2", "4", "8"]);
    assert_eq!(values("{ from = 0.1, to = 0.5, step = 0.1 }"), ["0.1", "0.2", "0.3", "0.4", "0.5"]);
    assert_eq!(values("{ from = \"1GHz\", to = \"2GHz\", step = 0.5 }"), ["1GHz", "1.5GHz", "2GHz"]);
    assert_eq!(values("{ from = \"512KiB\", to = \"1MiB\", step = \"256KiB\" }"), ["512KiB", "768KiB", "1024KiB"]);
    assert_eq!(values("7"), ["7"]);
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_the_nearest_name() {
    let with = |rest: &str| format!("functions = [\"f\"]\n{rest}\n");
    for (text, words) in [
        (with("seds = 3"), "sweep.toml:2: a sweep has no key seds did you mean seeds?"),
        (with("[sweep]\nsytem = [\"a\"]"), "sweep.toml:3: `futon test` has no flag --sytem did you mean system?"),
        (with("[flags]\nout = \"x\""), "sweep.toml:3: a sweep cannot use --out: each cell has its own folder"),
        (with("[flags]\ncold = \"yes\""), "sweep.toml:3: cold is true or false, not yes"),
        (with("[sweep]\nmemory = [1, 1]"), "sweep.toml:3: memory has 1 twice"),
        (with("[sweep]\nmemory = []"), "memory has no values"),
        (with("[sweep]\nmemory = [[1]]"), "sweep.toml:3: memory: a text, a number"),
        (with("[sweep]\nmemory = {from = 1, to = 9}"), "a range has step or times"),
        (with("[sweep]\nmemory = {from = 9, to = 1, step = 1}"), "from is larger than to"),
        (with("[sweep]\nmemory = {from = 1, to = 9, step = 0}"), "step must be more than 0"),
        (with("[sweep]\nmemory = {from = \"1ns\", to = \"9MiB\", step = 1}"), "different units"),
        (with("[sweep]\nmemory = {from = 1, to = 99999999, step = 1}"), "more than 10000 values"),
        (with("[[zip]]\nmemory = [1, 2]\non = [\"qemu\"]"), "sweep.toml:4: on has 1 value, memory has 2"),
        (with("[sweep]\nmemory = 1\n[[zip]]\nmemory = [1, 2]"), "memory has its values in two places"),
        (with("[flags]\nmemory = 1\n[sweep]\nmemory = [1, 2]"), "memory has its values in two places"),
        (with("[sweep]\nmemory = [1, 2]\n[[exclude]]\nmemry = 1"), "no flag --memry did you mean memory?"),
        (with("[sweep]\nmemory = [1, 2]\n[[exclude]]\non = \"qemu\""), "sweep.toml:5: on does not vary"),
        (with("[[exclude]]"), "would leave out everything"),
        (with("[[zip]]\nfunction = [\"a\"]"), "the functions are in a [[zip]], too"),
        (with("seeds = 0"), "sweep.toml:2: seeds is a whole number from 1"),
        (with("name = \"../x\""), "letters, digits"),
        (with("[resources]\nmemory = \"3 apples\""), "sweep.toml:3: \"3 apples\" is no amount of memory"),
        (with("[resources]\ntime = \"0s\""), "no length of time"),
        (with("[resources]\ncore = 1"), "[resources] has no key core did you mean cores?"),
        (with("[slurm]\narguments = [\"long\"]"), "no option of sbatch"),
        (with("[flags]\nseed = 1"), "seed is no flag of all cells: it has its own key, seeds"),
        (with("[sweep]\nmemory = [1"), "sweep.toml:"),
        ("seeds = 2\n".into(), "no functions"),
    ] {
        assert!(refused(&text).contains(words), "{text}: {}", refused(&text));
    }
}

#[test]
fn functions_and_seeds_can_be_zipped() {
    let spec = parse("[[zip]]\nfunction = [\"a\", \"b\"]\nseed = [7, 8]\n").unwrap();
    assert_eq!(spec.functions, Functions::Zipped);
    assert_eq!(spec.groups[0].rows, [["a", "7"], ["b", "8"]]);
}
