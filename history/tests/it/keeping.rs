//! What is told is what is read.

use std::time::Duration;

use probity_history::{Ended, Filter, NotKept, RunId, Scope, State, TargetFilter, UtcMs};
use proptest::prelude::*;

use crate::support::{begun, ending, keep, listed, memory, mine, open};

#[test]
fn a_run_is_read_as_it_was_told_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/probity/runs.db");
    let run = begun("ping", "web.lab.internal");
    let before = {
        let store = open(&path);
        store.keep(run.clone(), ending(r#"{"tool":"ping","é":"\u0000"}"#)).wait().unwrap();
        store.get(Scope::All, run.id).wait().unwrap().unwrap()
    };
    assert_eq!(before.result.as_deref(), Some(r#"{"tool":"ping","é":"\u0000"}"#));
    let summary = &before.summary;
    assert_eq!((summary.id, &summary.owner, summary.state), (run.id, &run.owner, State::Finished));
    assert_eq!((&summary.tool, &summary.target), (&run.tool, &run.target));
    assert_eq!((&summary.arguments, &summary.call_key), (&run.arguments, &run.call_key));
    assert_eq!((summary.queued_ms, summary.started_ms), (run.queued, run.started));
    assert_eq!(summary.policy_digest.as_deref(), Some("d1"));
    assert_eq!(summary.parser.as_deref(), Some("ping"), "what its begin said stays");
    assert_eq!((summary.return_code, summary.status.as_deref()), (Some(0), Some("ok")));
    assert_eq!(open(&path).get(Scope::All, run.id).wait().unwrap(), Some(before));
}

#[test]
fn a_run_goes_from_its_begin_to_its_end() {
    let store = memory();
    let mut run = begun("nmap", "10.0.0.0/24");
    run.started = None;
    store.begin(run.clone()).wait().unwrap();
    let state = || store.get(mine(), run.id).wait().unwrap().unwrap().summary.state;
    assert_eq!(state(), State::Queued);
    run.started = Some(UtcMs(5));
    store.start(run.clone()).wait().unwrap();
    assert_eq!(state(), State::Running);
    let mut end = ending("{}");
    end.ended = Ended::Cancelled;
    end.started = Some(UtcMs(9));
    store.finish(run.id, end.clone()).wait().unwrap();
    assert_eq!(state(), State::Cancelled);
    let kept = store.get(mine(), run.id).wait().unwrap().unwrap();
    assert_eq!(kept.summary.started_ms, Some(UtcMs(5)), "the first word of it holds");
    let over = NotKept::Over(State::Cancelled);
    assert_eq!(store.finish(run.id, end.clone()).wait(), Err(over.clone()));
    assert_eq!(store.start(run.clone()).wait(), Err(over));
    assert_eq!(store.finish(RunId::fresh().unwrap(), end).wait(), Err(NotKept::Unknown));
}

#[test]
fn an_end_is_kept_whole_whether_the_begin_was_or_not() {
    let store = memory();
    for is_begun in [true, false] {
        let run = begun("ping", "a");
        if is_begun {
            store.begin(run.clone()).wait().unwrap();
        }
        store.keep(run.clone(), ending("{}")).wait().unwrap();
        assert_eq!(
            store.get(mine(), run.id).wait().unwrap().unwrap().result.as_deref(),
            Some("{}")
        );
    }
    assert_eq!(listed(&store, Filter::default()).len(), 2);
}

#[test]
fn a_result_that_is_no_json_is_refused_without_harm_to_the_others() {
    let store = memory();
    let runs: Vec<_> = (0..20).map(|_| begun("ping", "a")).collect();
    let replies: Vec<_> = runs
        .iter()
        .enumerate()
        .map(|(n, run)| store.keep(run.clone(), ending(if n == 7 { "{" } else { "{}" })))
        .collect();
    for (n, reply) in replies.into_iter().enumerate() {
        assert_eq!(matches!(reply.wait(), Err(NotKept::Malformed(_))), n == 7, "{n}");
    }
    assert_eq!(listed(&store, Filter::default()).len(), 19);
}

#[test]
fn the_order_is_that_of_telling_when_the_clock_jumps_back() {
    let store = memory();
    let mut ids = Vec::new();
    for queued in [3000, 1000, 2000] {
        let mut run = begun("ping", "a");
        run.queued = UtcMs(queued);
        ids.insert(0, run.id);
        store.keep(run, ending("{}")).wait().unwrap();
    }
    let found: Vec<_> = listed(&store, Filter::default()).iter().map(|run| run.id).collect();
    assert_eq!(found, ids);
}

#[test]
fn filters_hold_each_by_itself_and_together() {
    let store = memory();
    for (n, (tool, target)) in
        [("ping", "a.lab"), ("ping", "b.lab"), ("tls", "a.lab"), ("tls", "a%b")]
            .into_iter()
            .enumerate()
    {
        let mut run = begun(tool, target);
        run.queued = UtcMs(n as i64 * 10);
        store.keep(run, ending("{}")).wait().unwrap();
    }
    store.begin(begun("ping", "a.lab")).wait().unwrap();
    let count = |filter| listed(&store, filter).len();
    let prefix = |text: &str| Some(TargetFilter::Prefix(text.into()));
    let all = Filter::default;
    assert_eq!(count(Filter { tool: Some("ping".into()), ..all() }), 3);
    assert_eq!(count(Filter { tool: Some("pin".into()), ..all() }), 0);
    assert_eq!(count(Filter { target: Some(TargetFilter::Exact("a.lab".into())), ..all() }), 3);
    assert_eq!(count(Filter { target: prefix("a."), ..all() }), 3);
    assert_eq!(count(Filter { target: prefix("a%"), ..all() }), 1);
    assert_eq!(count(Filter { target: prefix(""), ..all() }), 5);
    assert_eq!(count(Filter { state: Some(State::Running), ..all() }), 1);
    assert_eq!(count(Filter { since: Some(UtcMs(10)), until: Some(UtcMs(30)), ..all() }), 2);
    let both = Filter { tool: Some("tls".into()), target: prefix("a.l"), ..all() };
    assert_eq!(count(both), 1);
}

#[test]
fn the_one_before_is_the_latest_of_the_same_call_that_finished() {
    let store = memory();
    let ids: Vec<_> = (0..3).map(|_| keep(&store, "ping", "a", "{}")).collect();
    let other = keep(&store, "ping", "b", "{}");
    let mut end = ending("{}");
    end.ended = Ended::Failed;
    store.keep(begun("ping", "a"), end).wait().unwrap();
    let latest = begun("ping", "a");
    store.begin(latest.clone()).wait().unwrap();
    let before = |id| store.one_before(mine(), id).wait().unwrap().map(|run| run.summary.id);
    assert_eq!(before(latest.id), Some(ids[2]));
    assert_eq!((before(ids[2]), before(ids[0])), (Some(ids[1]), None));
    assert_eq!((before(other), before(RunId::fresh().unwrap())), (None, None));
}

#[test]
fn a_run_without_a_result_is_kept_and_one_has_its_words_beside_it() {
    let store = memory();
    let run = begun("ping", "a");
    let none = probity_history::Ending { ended: Ended::Interrupted, result: None, ..ending("{}") };
    store.keep(run.clone(), none).wait().unwrap();
    let kept = store.get(mine(), run.id).wait().unwrap().unwrap();
    assert_eq!((kept.summary.state, kept.result), (State::Interrupted, None));
    let run = begun("ping", "b.lab");
    let mut said = ending("{}");
    said.headline = Some("10.0.0.1 answers.".into());
    said.text = Some("10.0.0.1 answers.\nAll of it.".into());
    said.facts.address = Some("10.0.0.1".into());
    store.keep(run.clone(), said.clone()).wait().unwrap();
    let kept = store.get(mine(), run.id).wait().unwrap().unwrap();
    assert_eq!((kept.text, kept.summary.headline), (said.text, said.headline));
    assert_eq!(kept.summary.address, said.facts.address);
}

#[test]
fn an_export_has_all_until_it_was_asked_for_the_newest_last() {
    let store = memory();
    let ids: Vec<_> =
        (0..5).map(|n| keep(&store, "ping", "a", &format!("{{\"n\":{n}}}"))).collect();
    let mut export = store.export(Scope::All, Filter::default());
    let first = export.next().unwrap().unwrap();
    assert_eq!(first.result.as_deref(), Some(r#"{"n":0}"#));
    keep(&store, "ping", "later", "{}");
    let rest: Vec<_> = export.map(|run| run.unwrap().summary.id).collect();
    assert_eq!(rest, ids[1..]);
}

#[test]
fn progress_is_the_last_word_and_written_once_a_second() {
    let store = memory();
    let run = begun("nmap", "a");
    store.begin(run.clone()).wait().unwrap();
    let progress = || store.get(mine(), run.id).wait().unwrap().unwrap().summary.progress;
    store.note_progress(run.id, "1");
    let first = wait_for(&progress);
    assert_eq!(first, "1");
    for n in 2..=200 {
        store.note_progress(run.id, n.to_string());
    }
    store.note_progress(RunId::fresh().unwrap(), "1");
    assert_eq!(progress().as_deref(), Some("1"), "a second is not over");
    let found = loop {
        let found = wait_for(&progress);
        if found != "1" {
            break found;
        }
    };
    assert_eq!(found, "200");
    store.note_progress(run.id, "no json");
    store.finish(run.id, ending("{}")).wait().unwrap();
    assert_eq!(progress().as_deref(), Some("200"));
}

fn wait_for(progress: &dyn Fn() -> Option<String>) -> String {
    loop {
        match progress() {
            Some(found) => return found,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

#[test]
fn more_than_may_wait_is_told_at_once() {
    let store = memory();
    let large = format!("\"{}\"", "x".repeat(40 * 1024 * 1024));
    let replies: Vec<_> = (0..4).map(|_| store.keep(begun("ping", "a"), ending(&large))).collect();
    let kept: Vec<_> = replies.into_iter().map(|reply| reply.wait()).collect();
    assert!(kept.contains(&Ok(())), "{kept:?}");
    assert!(kept.contains(&Err(NotKept::Busy)), "{kept:?}");
    let larger = "x".repeat(probity_history::QUEUED_BYTES_MAX + 1);
    let told = store.keep(begun("ping", "a"), ending(&larger)).wait();
    assert!(matches!(told, Err(NotKept::TooLarge { .. })), "{told:?}");
    keep(&store, "ping", "a", "{}");
}

#[test]
fn what_was_told_is_written_when_the_store_is_dropped_and_nobody_waited() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let store = open(&path);
    for _ in 0..500 {
        drop(store.keep(begun("ping", "a"), ending("{}")));
    }
    drop(store);
    assert_eq!(listed(&open(&path), Filter::default()).len(), 500);
}

#[test]
fn a_file_that_is_closed_has_all_in_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let store = open(&path);
    keep(&store, "ping", "a", "{}");
    let log = folder.path().join("runs.db-wal");
    assert!(log.metadata().unwrap().len() > 0);
    drop(store);
    assert!(!log.exists());
}

#[test]
fn readers_do_not_wait_for_who_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let store = open(&path);
    let id = keep(&store, "ping", "a", "{}");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE runs SET status = 'x'").unwrap();
    let waits = store.keep(begun("ping", "b"), ending("{}"));
    assert_eq!(listed(&store, Filter::default()).len(), 1);
    let run = store.get(mine(), id).wait().unwrap().unwrap();
    assert_eq!(run.summary.status.as_deref(), Some("ok"));
    other.execute_batch("ROLLBACK").unwrap();
    waits.wait().unwrap();
}

#[test]
fn readers_in_memory_see_whole_runs_while_others_are_written() {
    let store = memory();
    let replies: Vec<_> = (0..500).map(|_| store.keep(begun("ping", "a"), ending("{}"))).collect();
    loop {
        let found = listed(&store, Filter::default());
        assert!(found.iter().all(|run| run.state == State::Finished));
        if found.len() == replies.len() {
            break;
        }
    }
    replies.into_iter().for_each(|reply| reply.wait().unwrap());
}

#[tokio::test]
async fn async_code_awaits_what_the_terminal_waits_for() {
    let store = memory();
    let run = begun("ping", "a");
    store.keep(run.clone(), ending("{}")).await.unwrap();
    assert!(store.get(mine(), run.id).await.unwrap().is_some());
    let mut export = store.export(mine(), Filter::default());
    assert_eq!(export.next_run().await.unwrap().unwrap().summary.id, run.id);
    assert_eq!(export.next_run().await.unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn pages_together_have_each_run_once_in_order(count in 0..40_usize, limit in 1..15_usize) {
        let store = memory();
        let mut ids: Vec<_> = (0..count).map(|_| keep(&store, "ping", "a", "{}")).collect();
        ids.reverse();
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = store.list(mine(), Filter::default(), limit, after).wait().unwrap();
            prop_assert!(page.runs.len() <= limit);
            found.extend(page.runs.iter().map(|run| run.id));
            let Some(next) = page.next else { break };
            after = Some(next.to_string().parse().unwrap());
        }
        prop_assert_eq!(found, ids);
    }

    #[test]
    fn whatever_texts_a_run_has_are_read_again(tool in ".*", target in ".*", key in ".*", client in ".*") {
        let store = memory();
        let mut run = begun(&tool, &target);
        run.call_key = key.clone();
        run.client = Some(client.clone());
        let result = serde_json::to_string(&target).unwrap();
        store.keep(run.clone(), ending(&result)).wait().unwrap();
        let found = store.get(mine(), run.id).wait().unwrap().unwrap();
        prop_assert_eq!(&found.summary.tool, &tool);
        prop_assert_eq!(&found.summary.target, &target);
        prop_assert_eq!(&found.summary.call_key, &key);
        prop_assert_eq!(found.summary.client.as_ref(), Some(&client));
        prop_assert_eq!(found.result.as_ref(), Some(&result));
        let filter = Filter { target: Some(TargetFilter::Prefix(target)), ..Filter::default() };
        prop_assert_eq!(listed(&store, filter).len(), 1);
    }
}
