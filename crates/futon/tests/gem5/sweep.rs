//! Sweeps on the script that plays gem5: rows and means by what varies.

use crate::common::{beyond_the_schema, text};
use crate::support::Simulated;

#[test]
fn a_sweep_has_rows_and_means_by_what_varies() {
    let simulated = Simulated::new();
    let spec = "functions = [\"fibonacci-go\"]\nseeds = 2\n[flags]\non = \"gem5\"\ncpu = \"o3\"\nboot-machine = \"gem5\"\ninvocations = 2\n\
                [sweep]\nparam.llc.size = { from = \"128KiB\", to = \"256KiB\", times = 2 }\n\
                [[zip]]\nsystem = [\"simple\", \"skylake\"]\nuarch-warmup = [0, 1]\n\
                [[exclude]]\nsystem = \"simple\"\nparam.llc.size = \"256KiB\"\n";
    simulated.project.write("s.toml", spec);
    let output = simulated.command("pass", &["sweep", "s.toml", "--jobs", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(
        text(&output).contains("fibonacci-go llc.size=256KiB system=skylake uarch-warmup=1  1."),
        "{}",
        text(&output)
    );
    let report = serde_json::from_str(&simulated.read("sweeps/s/report.json")).unwrap();
    assert_eq!(beyond_the_schema(&report), [""; 0]);
    let params: Vec<&str> = report["functions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|f| f["cell"]["inputs"]["param llc.size"].as_str())
        .collect();
    assert_eq!(params, ["128KiB", "128KiB", "256KiB", "128KiB", "128KiB", "256KiB"]);
    let rows = simulated.read("sweeps/s/invocations.csv");
    let header = rows.lines().next().unwrap();
    assert!(header.starts_with("cell,param.llc.size,uarch-warmup,run_id,function,"), "{header}");
    assert_eq!(rows.lines().count(), 1 + 6 * 2);
    let second = rows.lines().nth(1 + 2 * 2).unwrap();
    assert!(second.contains(",256KiB,1,") && second.contains(",skylake,"), "{second}");
    let means = simulated.read("sweeps/s/means.csv");
    assert!(means.contains("fibonacci-go,256KiB,skylake,1,cpi,cycles per instruction,2,2,"), "{means}");
    // The rows are what other commands read.
    let output = simulated.command("pass", &["stats", "chart", "sweeps/s/invocations.csv"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}
