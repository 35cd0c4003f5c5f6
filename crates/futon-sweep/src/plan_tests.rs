use std::collections::BTreeMap;
use std::time::Instant;

use super::*;
use crate::spec::KnownFlag;

/// What the real one does, as far as a plan sees it: flags shape inputs of their names.
#[derive(Default)]
struct Fixed {
    asked: usize,
    /// A parameter that shapes another input, too.
    spreads: Option<&'static str>,
    /// A flag without effect.
    without_effect: Option<&'static str>,
}

impl Source for Fixed {
    fn inputs(&mut self, function: &str, words: &[String]) -> Result<(Inputs, Machine)> {
        self.asked += 1;
        let mut inputs = BTreeMap::from([("function".to_owned(), function.to_owned())]);
        for word in words {
            let (name, value) = word.trim_start_matches("--").split_once('=').unwrap_or((word, "true"));
            if Some(name) == self.without_effect {
                continue;
            }
            match name {
                "param" => {
                    let (param, value) = value.split_once('=').unwrap();
                    inputs.insert(format!("param {param}"), value.to_owned());
                    if Some(param) == self.spreads {
                        inputs.insert("machine".into(), format!("boots at {value}"));
                    }
                }
                "sim-seed" => drop(inputs.insert("simulation's seed".into(), value.to_owned())),
                _ => drop(inputs.insert(name.to_owned(), value.to_owned())),
            }
        }
        let memory = words.iter().find_map(|word| word.strip_prefix("--memory=")?.parse().ok());
        Ok((inputs, Machine { cores: 1, memory_mib: memory.unwrap_or(512) }))
    }
}

fn spec(text: &str) -> Spec {
    let flag = |name: &str, takes_value| KnownFlag { name: name.into(), takes_value, refused: None };
    let flags =
        [flag("on", true), flag("system", true), flag("param", true), flag("memory", true), flag("cold", false)];
    Spec::parse("sweep.toml", text, &flags).unwrap()
}

fn plan(text: &str, source: &mut Fixed) -> Result<Plan> {
    Plan::make(&spec(text), &["a".to_owned(), "b".to_owned()], &["cold".to_owned()], source)
}

/// A plan for other tests.
pub(crate) fn planned(text: &str) -> Plan {
    plan(text, &mut Fixed::default()).unwrap()
}

fn titles(plan: &Plan) -> Vec<String> {
    plan.cells.iter().map(|cell| plan.title(cell)).collect()
}

#[test]
fn products_zips_and_excludes_in_a_fixed_order() {
    let text = "functions = \"all\"\nseeds = 2\n[flags]\non = \"gem5\"\ncold = true\n[sweep]\nsystem = [\"simple\", \"skylake\"]\n\
                [[zip]]\nparam.l2.size = [\"1MiB\", \"2MiB\"]\nmemory = [512, 1024]\n\
                [[exclude]]\nsystem = \"simple\"\nparam.l2.size = \"2MiB\"\n[[exclude]]\nfunction = \"b\"\nseed = 2\n";
    let plan = plan(text, &mut Fixed::default()).unwrap();
    assert_eq!(
        titles(&plan),
        [
            "a seed=1 system=simple l2.size=1MiB memory=512",
            "a seed=1 system=skylake l2.size=1MiB memory=512",
            "a seed=1 system=skylake l2.size=2MiB memory=1024",
            "a seed=2 system=simple l2.size=1MiB memory=512",
            "a seed=2 system=skylake l2.size=1MiB memory=512",
            "a seed=2 system=skylake l2.size=2MiB memory=1024",
            "b seed=1 system=simple l2.size=1MiB memory=512",
            "b seed=1 system=skylake l2.size=1MiB memory=512",
            "b seed=1 system=skylake l2.size=2MiB memory=1024",
        ]
    );
    let words = ["--on=gem5", "--cold", "--sim-seed=1", "--system=simple", "--param=l2.size=1MiB", "--memory=512"];
    assert_eq!(plan.words(&plan.cells[0]), words);
    let again = super::Plan::make(&spec(text), &["a".into(), "b".into()], &["cold".into()], &mut Fixed::default());
    assert_eq!(again.unwrap(), plan);
}

#[test]
fn seeds_are_those_of_the_machine() {
    let plan =
        plan("functions = [\"a\"]\nseeds = [7]\n[sweep]\non = [\"qemu\", \"gem5\"]\n", &mut Fixed::default()).unwrap();
    assert_eq!(plan.words(&plan.cells[0]), ["--seed=7", "--on=qemu"]);
    assert_eq!(plan.words(&plan.cells[1]), ["--sim-seed=7", "--on=gem5"]);
}

/// Every digest is that of the inputs as they would be if each cell were asked for, whatever shapes what.
#[test]
fn digests_are_those_of_all_inputs() {
    let text = "functions = \"all\"\nseeds = 3\n[flags]\non = \"gem5\"\n[sweep]\nsystem = [\"simple\", \"skylake\"]\n\
                param.l2.size = [\"1MiB\", \"2MiB\", \"4MiB\"]\nparam.clock = [\"1GHz\", \"2GHz\"]\n";
    for spreads in [None, Some("clock"), Some("l2.size")] {
        let mut source = Fixed { spreads, ..Fixed::default() };
        let plan = plan(text, &mut source).unwrap();
        assert_eq!(plan.cells.len(), 72);
        // Each function on each system twice; more where a parameter is not alone.
        assert!(if spreads.is_none() { source.asked == 8 } else { source.asked > 72 }, "{spreads:?}: {}", source.asked);
        for cell in &plan.cells {
            let (inputs, _) = source.inputs(&cell.function, &plan.words(cell)).unwrap();
            assert_eq!(cell.digest, Cell::of(inputs.clone()).digest, "{}", plan.title(cell));
            assert_eq!(plan.cell(cell).inputs, inputs);
        }
    }
}

#[test]
fn what_changes_nothing_is_refused() {
    let text = "functions = [\"a\"]\n[flags]\non = \"qemu\"\n[sweep]\nmemory = [1, 2]\n";
    let error = plan(text, &mut Fixed { without_effect: Some("memory"), ..Fixed::default() }).unwrap_err().to_string();
    assert_eq!(error, "a memory=1 and a memory=2 are the same: memory changes nothing that shapes the result");
}

#[test]
fn an_exclude_without_effect_and_a_sweep_without_cells_are_named() {
    let text = "functions = [\"a\"]\n[sweep]\nmemory = [1, 2]\n[[exclude]]\nmemory = ";
    let error = plan(&format!("{text}3\n"), &mut Fixed::default()).unwrap_err();
    assert!(error.to_string().contains("the [[exclude]] in line 4 leaves out no cell"), "{error}");
    let error = plan(&format!("{text}[1, 2]\n"), &mut Fixed::default()).unwrap_err();
    assert_eq!(error.exit_code(), futon_model::ExitCode::NothingToRun);
    let many = "functions = [\"a\"]\nseeds = 1000\n[sweep]\nmemory = {from = 1, to = 10000, step = 1}\n";
    assert!(plan(many, &mut Fixed::default()).unwrap_err().to_string().contains("more than 1000000 cells"));
}

#[test]
fn ten_thousand_cells_are_planned_and_read_in_less_than_two_seconds() {
    let text = "functions = \"all\"\nseeds = 50\n[flags]\non = \"gem5\"\n[sweep]\nsystem = [\"simple\", \"skylake\"]\n\
                param.l2.size = {from = 1, to = 50, step = 1}\n";
    let begun = Instant::now();
    let plan = plan(text, &mut Fixed::default()).unwrap();
    assert_eq!(plan.cells.len(), 10_000);
    let written = serde_json::to_vec(&plan).unwrap();
    assert_eq!(serde_json::from_slice::<Plan>(&written).unwrap(), plan);
    assert!(begun.elapsed().as_secs_f64() < 2.0, "{:?}", begun.elapsed());
    assert!(written.len() < 5_000_000, "{} bytes", written.len());
}
