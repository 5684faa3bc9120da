//! The tests of samples, held against figures of others, and against any numbers.

use proptest::prelude::*;

use super::*;

fn loss(lost: u64, sent: u64) -> Losses {
    Losses { lost, sent }
}

/// Figures of SciPy 1.14: `hypergeom`, `mannwhitneyu(method="exact")`, `ttest_ind_from_stats`.
#[test]
fn the_tests_give_what_others_give() {
    let near = |p: Option<f64>, wanted: f64| {
        assert!((p.unwrap() - wanted).abs() < 1e-4, "{p:?} is not {wanted}");
    };
    near(losses(loss(0, 10), loss(4, 10)), 0.043344);
    near(losses(loss(0, 3), loss(3, 3)), 0.05);
    near(losses(loss(0, 5), loss(4, 5)), 0.02381);
    near(losses(loss(50, 100_000), loss(100, 100_000)), 0.0000443);
    near(ranks(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]), 2.0 / 252.0);
    near(ranks(&[1.0, 2.0, 3.0], &[2.5, 4.0, 5.0]), 0.2);
    let one = Summary { mean: 10.0, deviation: 1.0, count: 5 };
    let other = Summary { mean: 12.0, deviation: 2.0, count: 8 };
    near(means(one, other), 0.036380);
}

#[test]
fn many_replies_are_as_good_as_exact() {
    let one: Vec<f64> = (0..20).map(|n| f64::from(n) + 0.1).collect();
    let other: Vec<f64> = (0..21).map(|n| f64::from(n) + 4.0).collect();
    let exact = {
        let other = &other[..20];
        ranks(&one, other).unwrap()
    };
    let close = ranks(&one, &other).unwrap();
    assert!((exact - close).abs() < 0.05, "{exact} {close}");
}

proptest! {
    #[test]
    fn a_likelihood_is_one_whichever_sample_is_first(
        one in prop::collection::vec(0.0..10.0_f64, 1..24),
        other in prop::collection::vec(0.0..10.0_f64, 1..24),
        counts in prop::array::uniform4(any::<u64>()),
        small in prop::array::uniform4(0..600_u64),
    ) {
        let same = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-5 && (0.0..=1.0).contains(&a),
            (a, b) => a == b,
        };
        prop_assert!(same(ranks(&one, &other), ranks(&other, &one)));
        let (a, b) = (summary(&one).unwrap(), summary(&other).unwrap());
        prop_assert!(same(means(a, b), means(b, a)));
        for [a, b, c, d] in [counts, small] {
            let (a, b) = (loss(a.min(b), a.max(b)), loss(c.min(d), c.max(d)));
            prop_assert!(same(losses(a, b), losses(b, a)), "{:?} {:?}", losses(a, b), losses(b, a));
        }
    }

    #[test]
    fn any_numbers_are_taken(times in prop::collection::vec(any::<f64>(), 1..20)) {
        let half = times.len() / 2;
        let (one, other) = times.split_at(half);
        ranks(one, other);
        median(&times);
        if let (Some(a), Some(b)) = (summary(one), summary(other)) {
            means(a, b);
        }
    }
}
