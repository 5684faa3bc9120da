//! Nobody sees a run of somebody else, or learns that there is one.

use probity_history::{Cursor, Filter, RunId, Scope, State};

use crate::support::{begun, ending, keep, memory, mine, owner};

#[test]
fn a_run_of_somebody_else_is_answered_like_one_that_never_was() {
    let store = memory();
    let theirs = {
        let mut run = begun("ping", "a");
        run.owner = owner("uid:1001");
        store.begin(run.clone()).wait().unwrap();
        run.id
    };
    let never = RunId::fresh().unwrap();
    for id in [theirs, never] {
        assert_eq!(store.get(mine(), id).wait().unwrap(), None);
        assert_eq!(store.request_cancel(mine(), id).wait().unwrap(), None);
        let after: Cursor = id.to_string().parse().unwrap();
        let page = store.list(mine(), Filter::default(), 10, Some(after)).wait().unwrap();
        assert!(page.runs.is_empty() && page.next.is_none());
    }
    assert_eq!(store.cancel_requests().wait().unwrap(), []);
    let cancelled = store.request_cancel(Scope::Owner(owner("uid:1001")), theirs).wait().unwrap();
    assert_eq!(cancelled, Some(State::Running));
    assert_eq!(store.cancel_requests().wait().unwrap(), [theirs]);
}

#[test]
fn lists_exports_and_latest_runs_are_of_the_scope_alone() {
    let store = memory();
    let own = keep(&store, "ping", "a", "{}");
    // None of them is the owner `uid:1000`, however much it looks like that.
    for name in ["uid:10000", "UID:1000", "uid:1000 ", "uid:100", "%", "uid:1001"] {
        let mut run = begun("ping", "a");
        run.owner = owner(name);
        store.keep(run, ending("{}")).wait().unwrap();
    }
    let listed = store.list(mine(), Filter::default(), 50, None).wait().unwrap().runs;
    assert_eq!(listed.iter().map(|run| run.id).collect::<Vec<_>>(), [own]);
    let exported: Vec<_> = store.export(mine(), Filter::default()).map(Result::unwrap).collect();
    assert_eq!(exported.iter().map(|run| run.summary.id).collect::<Vec<_>>(), [own]);
    // Of another owner's runs of the same call none is the one before.
    assert_eq!(store.one_before(mine(), own).wait().unwrap(), None);
    assert_eq!(store.list(Scope::All, Filter::default(), 50, None).wait().unwrap().runs.len(), 7);
}
