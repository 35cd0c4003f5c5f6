use super::*;
use crate::parse_event;

const OUT: &str = "/runs/x/m5out";

fn events(lines: &[&str]) -> Vec<SimEvent> {
    lines.iter().map(|l| parse_event(&format!("futon-event: {l}")).unwrap().unwrap()).collect()
}

fn end(phase: Phase, lines: &[&str], log: &str, status: Option<i32>) -> Ending {
    let ended = Ended { status, signal: status.is_none().then_some(6) };
    diagnose(&Process {
        phase,
        ended,
        events: &events(lines),
        log,
        outdir: Path::new(OUT),
        restored: matches!(phase, Phase::Setup | Phase::Evaluate),
    })
}

fn code(ending: &Ending) -> (Outcome, Code) {
    match ending {
        Ending::Failed(f) => (f.outcome, f.code),
        other => panic!("{other:?} is no failure"),
    }
}

const END: &str = r#"{"event":"end","status":0,"why":"the guest ended the simulation"}"#;

#[test]
fn good_ends() {
    let exit = r#"{"event":"exit"}"#;
    assert_eq!(end(Phase::Run, &[exit, END], "", Some(0)), Ending::GuestShutdown);
    let checkpoint = r#"{"event":"checkpoint","folder":"/x"}"#;
    assert_eq!(end(Phase::Boot, &[checkpoint, END], "", Some(0)), Ending::CheckpointWritten);
    assert_eq!(end(Phase::Setup, &[checkpoint, END], "", Some(0)), Ending::CheckpointWritten);
    // A step failed before the checkpoint: the guest finished its workflow, the steps say why.
    assert_eq!(end(Phase::Setup, &[exit, END], "", Some(0)), Ending::GuestShutdown);
    assert_eq!(code(&end(Phase::Boot, &[exit, END], "", Some(0))), (Outcome::Infra, Code::NoBoot));
}

#[test]
fn what_the_script_names() {
    for (lines, expected) in [
        (&[r#"{"event":"limit","limit":"simulated","ms":600000}"#][..], (Outcome::TimedOut, Code::RunTimedOut)),
        (&[r#"{"event":"unknown","cause":"warp","code":7}"#], (Outcome::Infra, Code::UnknownExit)),
        (&[r#"{"event":"checkpoint_failed","why":"ends early"}"#], (Outcome::Infra, Code::HostDiskFull)),
        (
            &[r#"{"event":"fail","code":77}"#, r#"{"event":"end","status":77,"why":"x"}"#],
            (Outcome::Failed, Code::StepFailed),
        ),
    ] {
        assert_eq!(code(&end(Phase::Run, lines, "", Some(1))), expected, "{lines:?}");
    }
}

#[test]
fn what_gem5_cries() {
    let panic = |text: &str| {
        format!("noise\nsrc/base/output.cc:92: panic: {text}\nMemory Usage: 5 KBytes\nProgram aborted at tick 9\n")
    };
    let fatal = |text: &str| format!("src/mem/physical.cc:396: fatal: {text}\nMemory Usage: 5 KBytes\n");
    for (phase, log, expected) in [
        (Phase::Run, panic("Failed to open \"/etc/passwd\""), (Outcome::Crashed, Code::ForbiddenWrite)),
        (Phase::Run, panic("Failed to open \"/runs/x/m5out/../../secret\""), (Outcome::Crashed, Code::ForbiddenWrite)),
        (Phase::Run, panic("Failed to open \"/runs/x/m5out/a/b\""), (Outcome::Infra, Code::HostFailed)),
        (
            Phase::Run,
            panic("panic condition !_fstream->is_open() occurred: Failed to open \"/tmp/outside\""),
            (Outcome::Crashed, Code::ForbiddenWrite),
        ),
        (Phase::Run, panic("Error while doing writefile!"), (Outcome::Infra, Code::HostDiskFull)),
        (
            Phase::Boot,
            fatal("Write failed on physical memory checkpoint file 'x'"),
            (Outcome::Infra, Code::HostDiskFull),
        ),
        (Phase::Evaluate, fatal("Can't open physical memory checkpoint file 'x'"), (Outcome::Infra, Code::BadResource)),
        (Phase::Setup, fatal("Can't load checkpoint file '/c/m5.cpt'"), (Outcome::Infra, Code::BadResource)),
        (Phase::Setup, fatal("Can't unserialize 'system.cpu0:_pid'"), (Outcome::Infra, Code::BadResource)),
        (Phase::Run, panic("could not open file /runs/x/payload"), (Outcome::Infra, Code::NoRunScript)),
        (Phase::Run, fatal("something new"), (Outcome::Infra, Code::MachineDied)),
        (
            Phase::Boot,
            "Traceback (most recent call last):\n  File x\nNameError: name 'x'\n".to_owned(),
            (Outcome::Infra, Code::MachineNotStarted),
        ),
    ] {
        let status = log.contains("fatal").then_some(1);
        assert_eq!(code(&end(phase, &[], &log, status)), expected, "{log}");
    }
    let log = panic("i8042 \"System reset\" command not implemented.");
    assert_eq!(end(Phase::Run, &[], &log, None), Ending::GuestReset);
}

#[test]
fn a_killed_process_has_no_excuse() {
    let log = "gem5 Simulator System.\nsrc/sim/simulate.cc:199: info: Entering event queue @ 0.\n";
    assert_eq!(end(Phase::Run, &[], log, None), Ending::Died);
    // The script said that all was well, and the process was killed before it ended.
    assert_eq!(end(Phase::Run, &[END], log, None), Ending::Died);
}
