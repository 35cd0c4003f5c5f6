//! Several processes that add and remove at the same time.

use proptest::prelude::*;

use super::child::{Bench, Step};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3_u8, 0..4_u8).prop_map(|(name, content)| Step::Add { name, content }),
        1 => (0..3_u8).prop_map(|name| Step::Remove { name }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_damaged(work in prop::collection::vec(prop::collection::vec(step(), 1..6), 2..4)) {
        let bench = Bench::new();
        // One image that nobody touches must come through whole.
        bench.work(Step::Add { name: 7, content: 0 });
        let children: Vec<_> = work.iter().map(|steps| bench.process(steps).spawn().unwrap()).collect();
        for mut child in children {
            prop_assert!(child.wait().unwrap().success(), "a process failed");
        }
        let found = bench.sound();
        let kept = found.iter().any(|(name, _)| name == "some/image-7:1");
        prop_assert!(kept, "{:?}", found);
        // A name that was added last by everybody who touched it is there.
        for name in 0..3_u8 {
            let touches = |s: &&Step| matches!(s, Step::Add { name: n, .. } | Step::Remove { name: n } if *n == name);
            let lasts: Vec<&Step> = work.iter().filter_map(|steps| steps.iter().rfind(touches)).collect();
            let written = format!("some/image-{name}:1");
            let there = found.iter().any(|(n, _)| *n == written);
            if !lasts.is_empty() && lasts.iter().all(|s| matches!(s, Step::Add { .. })) {
                prop_assert!(there, "{} was added last and is not there: {:?}", written, found);
            }
            if lasts.iter().all(|s| matches!(s, Step::Remove { .. })) {
                prop_assert!(!there, "{} was removed last and is there: {:?}", written, found);
            }
        }
        // What is not needed goes with the next removal.
        bench.work(Step::Add { name: 9, content: 3 });
        bench.work(Step::Remove { name: 9 });
        prop_assert_eq!(bench.leftovers(), Vec::<String>::new());
        prop_assert_eq!(bench.sound(), found);
    }
}
