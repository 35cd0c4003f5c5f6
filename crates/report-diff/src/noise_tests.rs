use super::*;

/// Latencies: lognormal, as times are; `slower` times as long.
fn latencies(random: &mut Random, count: usize, spread: f64, slower: f64) -> Vec<f64> {
    (0..count).map(|_| slower * 4.0 * (spread * random.normal()).exp()).collect()
}

/// Share of experiments in which a difference is shown at 5%.
fn shown(experiments: usize, counts: (usize, usize), spread: f64, slower: f64) -> f64 {
    let mut random = Random::new(7);
    let hits = (0..experiments)
        .filter(|_| {
            let a = latencies(&mut random, counts.0, spread, 1.0);
            let b = latencies(&mut random, counts.1, spread, slower);
            compare(&a, &b).unwrap().p <= 0.05
        })
        .count();
    share(hits, experiments)
}

#[test]
fn without_a_difference_one_in_twenty_is_shown() {
    // 2000 experiments: 5% ± 1.5% is three standard deviations.
    let large = shown(2000, (20, 20), 0.2, 1.0);
    assert!((0.035..=0.065).contains(&large), "{large}");
    let unequal = shown(2000, (12, 40), 0.5, 1.0);
    assert!((0.035..=0.065).contains(&unequal), "{unequal}");
    // All 252 ways: p comes in steps, so that fewer are shown, never more.
    let exact = shown(2000, (5, 5), 0.2, 1.0);
    assert!((0.015..=0.06).contains(&exact), "{exact}");
}

#[test]
fn a_fifth_more_is_shown() {
    // A spread of 15%: the shift is 1.2 standard deviations.
    let power = shown(500, (20, 20), 0.15, 1.2);
    assert!(power > 0.9, "{power}");
    let less = shown(500, (20, 20), 0.15, 1.0 / 1.2);
    assert!(less > 0.9, "two-sided: {less}");
    let noisy = shown(500, (20, 20), 0.6, 1.2);
    assert!(noisy < 0.4, "in much noise little is shown: {noisy}");
}

#[test]
fn small_cases_are_counted_by_hand() {
    // Of the 20 ways to choose 3 of 6, two are as far out: the three smallest and the three largest.
    let noise = compare(&[1.0, 2.0, 3.0], &[10.0, 11.0, 12.0]).unwrap();
    assert_eq!(noise, Noise { p: 0.1, least: 0.1, exact: true });
    // Ranks 1, 2, 4 and 6: U is 3. Of the 126 ways, 1, 1, 2 and 3 have a U of 0, 1, 2 and 3, and as many lie as far out on the other side.
    let noise = compare(&[1.1, 2.2, 3.3, 4.4], &[2.5, 3.5, 4.5, 5.5, 6.5]).unwrap();
    assert!((noise.p - 14.0 / 126.0).abs() < 1e-9, "{noise:?}");
    // Nothing but ties: no way is less far out.
    assert_eq!(compare(&[2.0; 5], &[2.0; 5]).unwrap().p, 1.0);
    assert_eq!(ranks(&[5.0, 1.0], &[5.0, 9.0]), [5, 2, 5, 8]);
    assert_eq!((compare(&[], &[1.0]), compare(&[f64::NAN], &[1.0])), (None, None));
}

#[test]
fn which_side_is_which_and_when_it_is_asked_changes_nothing() {
    let mut random = Random::new(3);
    let (a, b) = (latencies(&mut random, 25, 0.2, 1.0), latencies(&mut random, 31, 0.2, 1.1));
    let noise = compare(&a, &b).unwrap();
    assert!(!noise.exact && noise.least < 0.0002);
    assert_eq!(compare(&a, &b), Some(noise));
    assert!((compare(&b, &a).unwrap().p - noise.p).abs() < 0.01);
    // The exact answer is near: the random ways are enough of them.
    let (a, b) = (&a[..7], &b[..7]);
    let exact = compare(a, b).unwrap();
    let mut deal = Deal { ranks: ranks(a, b), dealt: 7, expected: 7 * 15 };
    let real = deal.distance(deal.ranks[..7].iter().sum());
    assert!(exact.exact && (share(deal.some_at_least(real, PERMUTATIONS), PERMUTATIONS) - exact.p).abs() < 0.02);
}

#[test]
fn many_tests_are_worth_less_each() {
    let q = adjusted(&[0.01, 0.04, 0.03, 0.5]);
    let expected = [0.04, 0.04 * 4.0 / 3.0, 0.04 * 4.0 / 3.0, 0.5];
    assert!(q.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{q:?}");
    assert!(adjusted(&[]).is_empty());
    // Ten functions without a difference: in at most one comparison of twenty, one is shown.
    let mut random = Random::new(11);
    let families = 300;
    let wrong = (0..families)
        .filter(|_| {
            let p: Vec<f64> = (0..10)
                .map(|_| {
                    let (a, b) = (latencies(&mut random, 12, 0.2, 1.0), latencies(&mut random, 12, 0.2, 1.0));
                    compare(&a, &b).unwrap().p
                })
                .collect();
            adjusted(&p).iter().any(|q| *q <= 0.05)
        })
        .count();
    assert!(share(wrong, families) < 0.09, "{wrong} of {families}");
}

#[test]
fn medians_are_in_the_middle() {
    assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0]), median(&[])), (2.0, 2.5, 0.0));
}
