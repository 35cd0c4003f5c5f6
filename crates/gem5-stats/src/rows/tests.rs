use super::*;

fn layout() -> Layout {
    Layout { core: "system.cpu1".into(), llc: Some("system.llc".into()), stand_ins: Vec::new() }
}

fn context() -> Context {
    Context {
        run_id: "r1".into(),
        function: "fibonacci-go".into(),
        verified: vec![Some(true), Some(false)],
        ..Context::default()
    }
}

fn label(dump: u64, core: CoreModel) -> DumpLabel {
    DumpLabel { dump, invocation: dump, core }
}

fn dump(lines: &str) -> String {
    format!(
        "\n---------- Begin Simulation Statistics ----------\nsimTicks 2000000 # t (Tick)\nsimFreq 1000000000000 # f ((Tick/Second))\n\
         hostSeconds 0.50 # s (Second)\nsimInsts 1500000 # i (Count)\n{lines}\n---------- End Simulation Statistics   ----------\n"
    )
}

const O3: &str = "system.cpu1.numCycles 2000\nsystem.cpu1.quiesceCycles 500\nsystem.cpu1.commitStats0.numInsts 1000\n\
    system.cpu1.commitStats0.numUserInsts 700\nsystem.cpu1.icache.demandMisses::total 20\nsystem.cpu1.dcache.demandAccesses::total 400\n\
    system.cpu1.mmu.dtb.rdMisses 3\nsystem.cpu1.mmu.dtb.wrMisses 1\nsystem.llc.demandMisses::cpu1.inst 5\n\
    system.llc.demandMisses::cpu1.data 2\nsystem.llc.demandMisses::cpu0.data 90\nsystem.llc.demandMisses::total 97\n\
    system.cpu1.commit.branchMispredicts 8\nsystem.cpu0.numCycles 999999";

fn one(text: &str, core: CoreModel) -> Row {
    rows(text.as_bytes(), &layout(), &[label(0, core)], &context()).unwrap().0.remove(0)
}

#[test]
fn what_is_no_number_is_absent() {
    let text = dump("system.cpu1.numCycles 1e300\nsystem.cpu1.commitStats0.numInsts 1e-300");
    let row = one(&text, CoreModel::O3);
    assert_eq!((row.get("cpi"), row.get("ipc")), (None, Some("0.000000")));
}

#[test]
fn a_call_on_a_stand_in_counts_for_the_core_and_its_state_is_in_the_row() {
    // The caches stay the first core's, which has not run.
    let text = dump(
        "system.cpu1.numCycles 0\nsystem.fresh_cpu.numCycles 3000\nsystem.fresh_cpu.commitStats0.numInsts 1000\n\
         system.cpu1.icache.demandMisses::total 20\nsystem.fresh_cpu.mmu.itb.rdMisses 4",
    );
    let layout = Layout { stand_ins: vec!["system.fresh_cpu".into()], ..layout() };
    let context = Context { state: "lukewarm:itlb+dtlb+direction".into(), ..context() };
    let (made, _) = rows(text.as_bytes(), &layout, &[label(0, CoreModel::O3)], &context).unwrap();
    let of = |column| made[0].get(column);
    assert_eq!((of("cpi"), of("l1i_mpki"), of("itlb_mpki")), (Some("3.000000"), Some("20.000000"), Some("4.000000")));
    assert_eq!(of("state"), Some("lukewarm:itlb+dtlb+direction"));
}

#[test]
fn a_row_of_the_out_of_order_core() {
    let row = one(&dump(O3), CoreModel::O3);
    for (column, value) in [
        ("run_id", Some("r1")),
        ("core", Some("o3")),
        ("insts_user", Some("700")),
        ("insts_kernel", Some("300")),
        ("active_cycles", Some("2000")),
        ("quiesced_cycles", Some("500")),
        ("sim_ns", Some("2000")),
        ("cpi", Some("2.000000")),
        ("ipc", Some("0.500000")),
        ("l1i_mpki", Some("20.000000")),
        // Asked and never missed: a true zero.
        ("l1d_mpki", Some("0.000000")),
        // There is none in this system: absent.
        ("l2_mpki", None),
        ("llc_mpki", Some("7.000000")),
        ("itlb_mpki", None),
        ("dtlb_mpki", Some("4.000000")),
        ("branch_mpki", Some("8.000000")),
        ("host_mips", Some("0.002")),
        ("converged", None),
        ("verified", Some("true")),
        ("language", None),
    ] {
        assert_eq!(row.get(column), value, "{column}");
    }
    assert_eq!(row.insts, Some(1000.0));
}

#[test]
fn idle_cycles_of_simple_cores_are_no_work() {
    let lines = "system.cpu1.numCycles 5000\nsystem.cpu1.exec_context.thread_0.numIdleCycles 3000\n\
        system.cpu1.exec_context.thread_0.numInsts 1000";
    let row = one(&dump(lines), CoreModel::Timing);
    assert_eq!((row.get("cpi"), row.get("active_cycles")), (Some("2.000000"), Some("2000")));
    assert_eq!(row.get("insts_user"), None, "versions without the split leave it empty");
    let busy = format!("{lines}\nsystem.cpu1.exec_context.thread_0.numBusyCycles 1999.5");
    assert_eq!(one(&dump(&busy), CoreModel::Timing).get("active_cycles"), Some("2000"));
    // Where gem5 says what share of the time that was, its lazily added cycles do not count.
    let exact = format!("{busy}\nsystem.clk_domain.clock 500\nsystem.cpu1.exec_context.thread_0.notIdleFraction 0.25");
    let row = one(&dump(&exact), CoreModel::Timing);
    assert_eq!((row.get("active_cycles"), row.get("quiesced_cycles")), (Some("1000"), Some("3000")));
    let o3 = one(&dump(&format!("{O3}\nsystem.clk_domain.clock 500")), CoreModel::O3);
    assert_eq!((o3.get("active_cycles"), o3.get("quiesced_cycles")), (Some("2000"), Some("2000")));
    // Without the idle share nobody knows the active one.
    let row = one(&dump("system.cpu1.numCycles 5000\nsystem.cpu1.commitStats0.numInsts 1000"), CoreModel::Timing);
    assert_eq!((row.get("cpi"), row.get("active_cycles")), (None, None));
    // An atomic core's cycles are no result.
    assert_eq!(one(&dump(lines), CoreModel::Atomic).get("cpi"), None);
}

#[test]
fn of_two_names_for_one_figure_the_better_counts_and_they_are_not_added() {
    let lines = "system.cpu1.numCycles 2000\nsystem.cpu1.commitStats0.numInsts 1000\n\
        system.cpu1.exec_context.thread_0.numInsts 1000";
    assert_eq!(one(&dump(lines), CoreModel::O3).get("cpi"), Some("2.000000"));
}

#[test]
fn a_dump_that_broke_off_or_divides_by_nothing_gives_no_figures() {
    let text = dump(O3);
    let cut = &text[..text.find("system.llc").unwrap()];
    let (rows, summary) = rows(cut.as_bytes(), &layout(), &[label(0, CoreModel::O3)], &context()).unwrap();
    assert_eq!((rows[0].get("cpi"), rows[0].get("active_cycles"), summary.broken_off), (None, None, 1));
    assert_eq!(rows[0].get("function"), Some("fibonacci-go"), "what is known besides stays");
    let row = one(&dump("system.cpu1.numCycles nan\nsystem.cpu1.commitStats0.numInsts 0"), CoreModel::O3);
    assert_eq!((row.get("cpi"), row.get("active_cycles"), row.get("l1i_mpki")), (None, None, None));
    assert_eq!(one("", CoreModel::O3).get("sim_ns"), None);
}

#[test]
fn convergence_needs_five_that_agree() {
    let some = |values: &[f64]| values.iter().map(|v| Some(*v)).collect::<Vec<_>>();
    assert_eq!(converged(&some(&[1.0; 4])), None);
    assert_eq!(converged(&some(&[9.0, 1.0, 1.0, 1.01, 1.0, 1.0])), Some(true));
    assert_eq!(converged(&some(&[1.0, 1.0, 1.03, 1.0, 1.0])), Some(false));
    assert_eq!(converged(&[Some(1.0), Some(1.0), None, Some(1.0), Some(1.0)]), None);
    assert_eq!(converged(&[]), None);
}

#[test]
fn models_are_not_compared() {
    let text = dump(O3).repeat(2);
    let labels = [label(0, CoreModel::O3), label(1, CoreModel::Timing)];
    let (two, _) = rows(text.as_bytes(), &layout(), &labels, &context()).unwrap();
    assert!(comparable(&two[..1]).is_ok());
    let error = comparable(&two).unwrap_err();
    assert!(error.to_string().contains("o3, timing") && error.hint_text().is_some(), "{error}");
    assert_eq!(two[1].get("verified"), Some("false"));
}
