use super::*;

/// As Slurm 22.05.8 writes it.
const QUEUE: &str = "7|0|PENDING|launch failed requeued held|futon-1f.0\n13|0|RUNNING|None|futon-1f.1\n\
                     13|1|PENDING|JobArrayTaskLimit|futon-1f.1\n20|N/A|RUNNING|None|other|name\n";

#[test]
fn the_queue_is_read_and_a_task_that_slurm_holds_is_stuck() {
    let tasks = queued(QUEUE);
    assert_eq!(tasks.len(), 3, "what is no array is none of ours");
    assert_eq!(tasks[1].id(), "13_0");
    assert_eq!(tasks.iter().map(Queued::is_stuck).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(tasks.iter().map(Queued::is_running).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn what_is_handed_over() {
    let needs = Needs { cores: 2, memory_mib: 3072, minutes: Some(30) };
    let array = Array {
        name: "futon-1f.0",
        tasks: 20,
        at_once: Some(5),
        needs: &needs,
        folder: Path::new("/project"),
        output: "/project/sweeps/x/logs/%A_%a.log".into(),
        arguments: &["--partition=long".to_owned()],
        script: "",
    };
    let words = arguments(&array).join(" ");
    for part in [
        "--parsable",
        "--array=0-19%5",
        "--requeue",
        "--cpus-per-task=2",
        "--mem=3072M",
        "--time=30",
        "--chdir=/project",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(words.ends_with("--partition=long"), "{words}");
    let free = Array { at_once: None, needs: &Needs { minutes: None, ..needs.clone() }, tasks: 1, ..array };
    let words = arguments(&free).join(" ");
    assert!(words.contains("--array=0-0 ") && !words.contains("--time"), "{words}");
}

#[test]
fn answers_of_the_commands() {
    assert_eq!(max_array_size("MaxArraySize            = 1001\nMaxDBDMsgs = 1\n"), Some(1001));
    assert_eq!(max_array_size("MaxArraySize            = 0\n"), None, "no arrays here");
    assert_eq!(job_number("123\n").as_deref(), Some("123"));
    assert_eq!(job_number("123;lab\n").as_deref(), Some("123"));
    assert_eq!(job_number("Submitted"), None);
    let states = sacct_states("5_0|TIMEOUT\n5_1|CANCELLED by 0\n5_[2-3]|PENDING\n");
    assert_eq!(states, BTreeMap::from([("5_0".into(), "TIMEOUT".into()), ("5_1".into(), "CANCELLED".into())]));
    let shown = "JobId=8 ArrayJobId=5 ArrayTaskId=1 JobName=x JobState=NODE_FAIL Reason=None\n\
                 JobId=5 ArrayJobId=5 ArrayTaskId=2-3%2 JobName=x JobState=PENDING Reason=None\n";
    assert_eq!(scontrol_states(shown), BTreeMap::from([("5_1".into(), "NODE_FAIL".into())]));
    assert_eq!((minutes(Duration::from_secs(61)), minutes(Duration::from_millis(5))), (2, 1));
}
