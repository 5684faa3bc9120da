//! Loss and latency: what is more than noise, what is not, and what nobody can tell.

use super::*;
use crate::parsers::parse;

/// What ping writes for probes that were answered after so long, or not.
fn ping(times: &[Option<f64>]) -> Value {
    let mut output = "PING 10.66.2.2 (10.66.2.2) 56(84) bytes of data.\n".to_owned();
    for (n, time) in times.iter().enumerate() {
        if let Some(time) = time {
            let sequence = n + 1;
            output +=
                &format!("64 bytes from 10.66.2.2: icmp_seq={sequence} ttl=63 time={time:.3} ms\n");
        }
    }
    let received = times.iter().flatten().count();
    let (sent, loss) = (times.len(), (times.len() - received) as f64 * 100.0 / times.len() as f64);
    output += &format!(
        "\n--- 10.66.2.2 ping statistics ---\n\
         {sent} packets transmitted, {received} received, {loss}% packet loss, time 9ms\n"
    );
    let parsed = parse("ping", output.as_bytes(), b"").unwrap().unwrap();
    serde_json::to_value(parsed).unwrap()
}

/// Replies that took about so long.
fn replies(count: usize, about: f64) -> Vec<Option<f64>> {
    (0..count).map(|n| Some(about * (1.0 + 0.01 * (n % 5) as f64))).collect()
}

fn with_lost(count: usize, lost: usize) -> Value {
    let mut times = replies(count, 0.3);
    times[..lost].fill(None);
    ping(&times)
}

#[test]
fn a_loss_that_chance_seldom_makes_is_worse() {
    let comparison = of("ping", &with_lost(10, 0), &with_lost(10, 4));
    assert_eq!(kinds(&comparison), [(Kind::Worse, "loss")]);
    assert_eq!(comparison.sentence, "Loss rose from 0 % to 40 % of 10 probes, more than noise.");
    let measured = comparison.changes[0].measured.as_ref().unwrap();
    assert_eq!((measured.before, measured.after), (0.0, 40.0));
    assert_eq!((measured.samples_before, measured.samples_after), (10, 10));
    assert_eq!(measured.p_value, Some(0.043344));
    let back = of("ping", &with_lost(10, 4), &with_lost(20, 0));
    assert_eq!(back.sentence, "Loss fell from 40 % of 10 to 0 % of 20 probes, more than noise.");
}

#[test]
fn a_loss_of_few_probes_is_unsure_and_of_more_is_noise() {
    let few = of("ping", &with_lost(3, 0), &with_lost(3, 1));
    assert!(few.same);
    assert_eq!(
        few.sentence,
        "Nothing is shown to have changed; loss rose from 0 % to 33.3 % of 3 probes, too few to tell."
    );
    let more = of("ping", &with_lost(20, 0), &with_lost(20, 1));
    assert_eq!(more.sentence, "Nothing changed beyond noise.");
    assert_eq!(all(&more, Kind::Noise)[0], "loss: 0 % of 20 probes > 5 % of 20 probes");
    let perhaps = of("ping", &with_lost(10, 0), &with_lost(10, 3));
    assert!(
        perhaps.sentence.ends_with("to 30 % of 10 probes, which may be chance."),
        "{perhaps:?}"
    );
}

#[test]
fn a_latency_that_is_higher_throughout_is_worse() {
    let comparison = of("ping", &ping(&replies(10, 0.3)), &ping(&replies(10, 5.1)));
    assert_eq!(kinds(&comparison), [(Kind::Worse, "latency")]);
    assert_eq!(
        comparison.sentence,
        "Latency rose from 0.306 ms to 5.2 ms of 10 replies, more than noise."
    );
    let back = of("ping", &ping(&replies(10, 5.1)), &ping(&replies(10, 0.3)));
    assert_eq!(kinds(&back), [(Kind::Better, "latency")]);
    // Also where only three were sent, and they are far apart.
    let three = of("ping", &ping(&replies(3, 0.3)), &ping(&replies(3, 5.1)));
    assert_eq!(kinds(&three), [(Kind::Worse, "latency")]);
}

#[test]
fn a_latency_that_differs_by_too_little_is_noise_however_sure_that_is() {
    let by_time = of("ping", &ping(&replies(100, 0.3)), &ping(&replies(100, 0.6)));
    assert_eq!(kinds(&by_time), []);
    let by_share = of("ping", &ping(&replies(100, 100.0)), &ping(&replies(100, 105.0)));
    assert_eq!(kinds(&by_share), []);
    assert!(by_share.same);
}

#[test]
fn one_slow_reply_is_no_higher_latency() {
    let mut slow = replies(10, 0.3);
    slow[0] = Some(400.0);
    let comparison = of("ping", &ping(&replies(10, 0.3)), &ping(&slow));
    assert!(comparison.same, "{comparison:?}");
    // Neither is it with three, the first of which waited for ARP.
    let comparison = of("ping", &ping(&replies(3, 0.3)), &ping(&slow[..3]));
    assert!(comparison.same, "{comparison:?}");
}

#[test]
fn one_reply_on_a_side_is_never_judged() {
    let comparison = of("ping", &ping(&replies(1, 0.3)), &ping(&replies(50, 90.0)));
    assert!(comparison.same);
    assert_eq!(
        comparison.sentence,
        "Nothing is shown to have changed; latency rose from 0.3 ms of 1 to 91.8 ms of 50 replies, one sample, \
         which tells nothing."
    );
}

#[test]
fn a_quiet_run_is_judged_by_its_mean_and_deviation() {
    let slower = changed("ping_quiet.txt", |output| {
        let at = output.rfind("= ").unwrap();
        format!("{}= 9.1/9.5/9.9/0.2 ms\n", &output[..at])
    });
    let comparison = of("ping", &fixture("ping_quiet.txt"), &slower);
    assert_eq!(kinds(&comparison), [(Kind::Worse, "latency")]);
}

#[test]
fn a_host_that_no_longer_answers_was_not_seen() {
    let silent = changed("ping_silent.txt", |output| output.replace("10.66.2.40", "10.66.2.2"));
    let comparison = of("ping", &fixture("ping_numeric.txt"), &silent);
    assert_eq!(
        kinds(&comparison)[..2],
        [(Kind::Unsure, "loss"), (Kind::NotSeen, "target 10.66.2.2")]
    );
    let back = of("ping", &silent, &fixture("ping_numeric.txt"));
    assert_eq!(all(&back, Kind::Came), ["target 10.66.2.2: - > 3 replies"]);
    let unreachable =
        of("ping", &fixture("ping_numeric.txt"), &fixture("ping_host_unreachable.txt"));
    assert!(
        kinds(&unreachable)
            .contains(&(Kind::Came, "message of 10.66.1.1: \"Destination Host Unreachable\"")),
        "{unreachable:?}"
    );
}

#[test]
fn the_loss_of_a_run_that_was_stopped_is_not_compared() {
    let comparison = of("ping", &fixture("ping_numeric.txt"), &fixture("ping_killed.txt"));
    assert!(comparison.changes.iter().all(|change| change.subject != "loss"));
    assert!(comparison.notes.iter().any(|note| note.starts_with("Loss is not compared")));
    assert!(!comparison.complete);
}

#[test]
fn mtr_is_judged_by_the_end_alone() {
    let lossy = fixture("mtr_lossy.json");
    let clean =
        changed("mtr_lossy.json", |output| output.replace("\"Loss%\": 25.0", "\"Loss%\": 0.0"));
    let comparison = of("mtr", &clean, &lossy);
    assert_eq!(kinds(&comparison), [(Kind::Worse, "loss at the end from hop 2 on")]);
    assert_eq!(
        comparison.sentence,
        "Loss at the end from hop 2 on rose from 0 % to 25 % of 20 probes, more than noise."
    );
    // A router that answers seldom passes on everything.
    let reluctant = fixture("mtr_reluctant.json");
    let eager = changed("mtr_reluctant.json", |output| {
        let lines = output.lines().map(|line| match line.contains("\"Loss%\"") {
            true => "\"Loss%\": 0.0,",
            false => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    assert!(of("mtr", &eager, &reluctant).same);
    let slow = changed("mtr_lossy.json", |output| {
        let (head, end) = output.rsplit_once("\"Avg\": ").unwrap();
        let (_, rest) = end.split_once(',').unwrap();
        format!("{head}\"Avg\": 40.0,{rest}")
    });
    assert_eq!(kinds(&of("mtr", &lossy, &slow)), [(Kind::Worse, "latency at the end")]);
}
