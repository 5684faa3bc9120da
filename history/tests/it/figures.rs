//! How fast it is, as `cargo test --release -p probity-history -- --ignored --nocapture figures` prints it.

use std::{
    fs,
    time::{Duration, Instant},
};

use probity_history::{Filter, Retention, RunId, Scope, Store};

use crate::support::{begun, ending, mine, open};

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn fill(store: &Store, runs: usize, ids: &mut Vec<RunId>) {
    let result = format!("{{\"parsed\":null,\"stdout\":\"{}\"}}", "x".repeat(2000));
    for n in 0..runs {
        let run = begun(["ping", "tls", "nmap"][n % 3], &format!("host-{}", n % 50));
        ids.push(run.id);
        let reply = store.keep(run, ending(&result));
        if n % 200 == 199 {
            reply.wait().unwrap();
        } else {
            drop(reply);
        }
    }
    store.flush().wait().unwrap();
}

#[test]
#[ignore = "prints figures"]
fn figures_of_lists_and_gets_and_of_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let mut store = open(&path);
    let mut ids = Vec::new();
    for more in [10_000, 90_000] {
        let began = Instant::now();
        fill(&store, more, &mut ids);
        let runs = ids.len();
        println!("{runs} runs: {:.0} kept a second", more as f64 / began.elapsed().as_secs_f64());
        let time = |ask: &dyn Fn(usize)| {
            let mut times: Vec<_> = (0..200)
                .map(|n| {
                    let began = Instant::now();
                    ask(n);
                    began.elapsed()
                })
                .collect();
            (median(&mut times), times[times.len() - 1])
        };
        let list = |filter: Filter| {
            time(&|_| drop(store.list(mine(), filter.clone(), 50, None).wait().unwrap()))
        };
        let get = time(&|n| drop(store.get(mine(), ids[n * 31 % ids.len()]).wait().unwrap()));
        println!("  list of 50: {:?}", list(Filter::default()));
        println!(
            "  of a tool: {:?}",
            list(Filter { tool: Some("tls".into()), ..Filter::default() })
        );
        println!(
            "  of no tool: {:?}",
            list(Filter { tool: Some("x".into()), ..Filter::default() })
        );
        println!("  get: {get:?}");
        println!(
            "  the one before: {:?}",
            time(&|n| drop(store.one_before(mine(), ids[n * 31 % ids.len()]).wait().unwrap()))
        );
        println!(
            "  cancel requests: {:?}",
            time(&|_| drop(store.cancel_requests().wait().unwrap()))
        );
        let mut keeping: Vec<_> = (0..200)
            .map(|_| {
                let (run, ending) = (begun("ping", "a"), ending("{}"));
                let began = Instant::now();
                let reply = store.keep(run, ending);
                let told = began.elapsed();
                reply.wait().unwrap();
                (told, began.elapsed())
            })
            .collect();
        keeping.sort();
        println!(
            "  keep: the caller is held up {:?}; told after {:?}",
            keeping[100].0, keeping[100].1
        );
        println!("  memory: {} KiB", memory_kib());
        drop(store);
        let began = Instant::now();
        store = open(&path);
        println!("  open: {:?}", began.elapsed());
    }
    let began = Instant::now();
    let exported = store.export(Scope::All, Filter::default()).map(Result::unwrap).count();
    println!("  export of {exported}: {:?}, memory after it {} KiB", began.elapsed(), memory_kib());
    drop(store);
    let began = Instant::now();
    let most = Retention { count: Some(1000), ..Retention::default() };
    let store = Store::open(&path, most).unwrap();
    let mut slowest = Duration::ZERO;
    loop {
        let began = Instant::now();
        store.keep(begun("ping", "a"), ending("{}")).wait().unwrap();
        slowest = slowest.max(began.elapsed());
        let page = store.list(Scope::All, Filter::default(), 1000, None).wait().unwrap();
        let oldest = store.list(Scope::All, Filter::default(), 1, page.next).wait().unwrap();
        if oldest.runs.is_empty() {
            break;
        }
    }
    println!(
        "  retention to 1000: {:?}; a keep meanwhile takes at most {slowest:?}",
        began.elapsed()
    );
}
