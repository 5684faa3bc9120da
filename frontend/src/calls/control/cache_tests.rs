use probity_protocol::{End, ExitStatus, SandboxSummary, Started, Tier, ToolName};
use proptest::prelude::*;

use super::*;
use crate::process::events::tests::emitted;

const POLICY: Digest = Digest([1; 32]);
const OTHER: Digest = Digest([2; 32]);
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn plan(tool: &str, target: &str) -> PlanSummary {
    PlanSummary {
        tool: ToolName::new(tool).unwrap(),
        target: target.into(),
        argv: vec!["/usr/bin/ping".into(), "-n".into(), target.into()],
        environment: vec![("LC_ALL".into(), "C".into())],
        tier: Tier::Standard,
        timeout: MINUTE,
        approvers: vec![],
        memory_bytes: 1,
        open_files: 2,
        stdout_bytes: 3,
        stderr_bytes: 4,
        sandbox: SandboxSummary {
            net_raw: false,
            syscalls: "echo".into(),
            read: vec!["/usr/share/x".into()],
            execute: vec!["/usr/bin/ping".into()],
        },
    }
}

pub(crate) fn run(plan: PlanSummary, stdout: Vec<u8>) -> Run {
    let exited = Exited {
        status: ExitStatus::Code(0),
        end: End::Finished,
        duration: Duration::from_secs(1),
        cpu: Duration::ZERO,
        max_rss_bytes: 0,
        stdout_bytes: stdout.len() as u64,
        stderr_bytes: 0,
        truncated_stdout: false,
        truncated_stderr: false,
        fence_refusals: None,
    };
    (Output { started: Started { pid: 1, plan }, stdout, stderr: Vec::new() }, exited)
}

fn vacancy(cache: &ToolCache, policy: &Digest, plan: &PlanSummary) -> Vacancy {
    match cache.find(policy, plan) {
        Found::Miss(vacancy) => vacancy,
        Found::Hit(hit) => panic!("{hit:?}"),
    }
}

fn keep(cache: &ToolCache, plan: &PlanSummary, stdout: &str) {
    let vacancy = vacancy(cache, &POLICY, plan);
    cache.keep(vacancy, run(plan.clone(), stdout.into()), MINUTE);
}

/// Keeps some result of a tool, under the policy with a digest of zeros.
pub(crate) fn keep_any(cache: &ToolCache, tool: &str) {
    let plan = plan(tool, "10.0.0.1");
    let vacancy = vacancy(cache, &Digest([0; 32]), &plan);
    cache.keep(vacancy, run(plan, Vec::new()), MINUTE);
}

fn found(cache: &ToolCache, policy: &Digest, plan: &PlanSummary) -> Option<String> {
    match cache.find(policy, plan) {
        Found::Hit(hit) => Some(String::from_utf8(hit.run.0.stdout.clone()).unwrap()),
        Found::Miss(_) => None,
    }
}

fn of(tool: &str) -> ToolCache {
    Arc::new(ResultCache::default()).of(tool)
}

#[tokio::test(start_paused = true)]
async fn a_result_is_found_with_its_age_until_its_time_is_up() {
    let (cache, plan) = (of("ping"), plan("ping", "10.0.0.1"));
    keep(&cache, &plan, "up");
    tokio::time::advance(MINUTE - Duration::from_secs(1)).await;
    match cache.find(&POLICY, &plan) {
        Found::Hit(hit) => assert_eq!(hit.age, Duration::from_secs(59)),
        Found::Miss(_) => panic!("it is not a minute old"),
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(found(&cache, &POLICY, &plan), None);
    assert_eq!(cache.status().results, 0);
}

/// Where it fails to compile a field is new, and has to change what is found too.
#[tokio::test]
async fn whatever_is_another_policy_or_another_plan_is_not_found() {
    let (cache, plan) = (of("ping"), plan("ping", "10.0.0.1"));
    keep(&cache, &plan, "up");
    let PlanSummary {
        tool: _,
        target: _,
        argv: _,
        environment: _,
        tier: _,
        timeout: _,
        approvers: _,
        memory_bytes: _,
        open_files: _,
        stdout_bytes: _,
        stderr_bytes: _,
        sandbox: SandboxSummary { net_raw: _, syscalls: _, read: _, execute: _ },
    } = &plan;
    let changes: [fn(&mut PlanSummary); 14] = [
        |plan| plan.tool = ToolName::new("ping6").unwrap(),
        |plan| plan.target = "10.0.0.2".into(),
        |plan| plan.argv.push("-v".into()),
        |plan| plan.environment.clear(),
        |plan| plan.tier = Tier::Intrusive,
        |plan| plan.timeout *= 2,
        |plan| plan.memory_bytes += 1,
        |plan| plan.open_files += 1,
        |plan| plan.stdout_bytes += 1,
        |plan| plan.stderr_bytes += 1,
        |plan| plan.sandbox.net_raw = true,
        |plan| plan.sandbox.syscalls.push('6'),
        |plan| plan.sandbox.read.clear(),
        |plan| plan.sandbox.execute.clear(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = plan.clone();
        change(&mut other);
        assert_eq!(found(&cache, &POLICY, &other), None, "change {number}");
    }
    assert_eq!(found(&cache, &OTHER, &plan), None);
    assert_eq!(found(&cache, &POLICY, &plan).as_deref(), Some("up"));
}

#[tokio::test]
async fn of_the_same_plan_the_newer_result_is_kept() {
    let (cache, plan) = (of("ping"), plan("ping", "10.0.0.1"));
    let (first, second) = (vacancy(&cache, &POLICY, &plan), vacancy(&cache, &POLICY, &plan));
    cache.keep(first, run(plan.clone(), b"up".to_vec()), MINUTE);
    cache.keep(second, run(plan.clone(), b"down".to_vec()), MINUTE);
    assert_eq!(found(&cache, &POLICY, &plan).as_deref(), Some("down"));
    assert_eq!(cache.status().results, 1);
}

#[tokio::test]
async fn the_first_of_a_tool_that_came_goes_first_used_or_not_and_none_of_another() {
    let all = Arc::new(ResultCache::default());
    let (ping, nmap) = (all.of("ping"), all.of("nmap"));
    let numbered = |number: usize| plan("nmap", &number.to_string());
    let oldest = plan("ping", "10.0.0.1");
    keep(&ping, &oldest, "up");
    for number in 0..MAX_RESULTS {
        keep(&nmap, &numbered(number), "open");
    }
    assert!(found(&nmap, &POLICY, &numbered(0)).is_some());
    keep(&nmap, &numbered(MAX_RESULTS), "open");
    assert_eq!(found(&nmap, &POLICY, &numbered(0)), None);
    assert!(found(&nmap, &POLICY, &numbered(1)).is_some());
    assert!(found(&ping, &POLICY, &oldest).is_some(), "the thousand are nmap's own");
    assert_eq!((nmap.status().results, ping.status().results), (MAX_RESULTS, 1));
}

#[tokio::test]
async fn of_all_the_bytes_the_tool_that_takes_most_gives_way() {
    let all = Arc::new(ResultCache::default());
    let (ping, nmap) = (all.of("ping"), all.of("nmap"));
    let quarter = "x".repeat(MAX_BYTES / 4);
    let oldest = plan("ping", "10.0.0.1");
    keep(&ping, &oldest, "up");
    for number in 0..20 {
        keep(&nmap, &plan("nmap", &number.to_string()), &quarter);
    }
    assert!(found(&ping, &POLICY, &oldest).is_some(), "a flood of nmap's costs ping nothing");
    assert_eq!(nmap.status().results, 3);
    assert!(found(&nmap, &POLICY, &plan("nmap", "19")).is_some());
    for number in 2..5 {
        keep(&ping, &plan("ping", &number.to_string()), &quarter);
    }
    assert!(nmap.status().bytes + ping.status().bytes <= MAX_BYTES);
    assert!(found(&ping, &POLICY, &plan("ping", "4")).is_some());
}

#[tokio::test]
async fn a_result_that_there_is_no_room_for_at_all_is_not_kept_and_costs_no_other() {
    let (cache, small) = (of("ping"), plan("ping", "10.0.0.1"));
    keep(&cache, &small, "up");
    let large = plan("ping", "10.0.0.2");
    keep(&cache, &large, &"x".repeat(MAX_BYTES));
    assert_eq!(found(&cache, &POLICY, &large), None);
    assert!(found(&cache, &POLICY, &small).is_some());
}

#[tokio::test]
async fn clearing_one_tool_leaves_the_others_and_voids_what_is_under_way() {
    let all = Arc::new(ResultCache::default());
    let (ping, nmap) = (all.of("ping"), all.of("nmap"));
    let (of_ping, of_nmap) = (plan("ping", "10.0.0.1"), plan("nmap", "10.0.0.1"));
    keep(&ping, &of_ping, "up");
    keep(&nmap, &of_nmap, "open");
    let running = vacancy(&ping, &POLICY, &plan("ping", "10.0.0.2"));
    assert_eq!(ping.clear(Cleared::Disabled), 1);
    ping.keep(running, run(plan("ping", "10.0.0.2"), Vec::new()), MINUTE);
    assert_eq!(ping.status().results, 0);
    assert_eq!(nmap.status().results, 1);
}

#[tokio::test]
async fn another_policy_drops_what_was_run_under_the_old_one() {
    let all = Arc::new(ResultCache::default());
    let (cache, plan) = (all.of("ping"), plan("ping", "10.0.0.1"));
    keep(&cache, &plan, "up");
    all.keep_only(&POLICY);
    assert_eq!(cache.status().results, 1);
    all.keep_only(&OTHER);
    assert_eq!(cache.status().results, 0);
}

#[tokio::test]
async fn hits_and_misses_are_counted_for_each_tool() {
    let all = Arc::new(ResultCache::default());
    let (cache, other) = (all.of("ping"), all.of("nmap"));
    assert_eq!(cache.status().hit_rate(), 0.0);
    let plan = plan("ping", "10.0.0.1");
    keep(&cache, &plan, "up");
    for _ in 0..3 {
        assert!(found(&cache, &POLICY, &plan).is_some());
    }
    let status = cache.status();
    assert_eq!((status.hits, status.misses, status.hit_rate()), (3, 1, 0.75));
    assert!(status.bytes > 0);
    assert_eq!(other.status(), CacheStatus { results: 0, bytes: 0, hits: 0, misses: 0 });
}

#[tokio::test(start_paused = true)]
async fn what_goes_is_told_of() {
    let all = Arc::new(ResultCache::default());
    let (cache, plan) = (all.of("ping"), plan("ping", "10.0.0.1"));
    keep(&cache, &plan, "up");
    let told = emitted(|| _ = cache.clear(Cleared::Asked("ada")));
    assert_eq!(told, ["cache.cleared"]);
    assert_eq!(emitted(|| _ = cache.clear(Cleared::Disabled)), [""; 0], "there was none");
    keep(&cache, &plan, "up");
    assert_eq!(emitted(|| all.keep_only(&OTHER)), ["cache.cleared"]);
    keep(&cache, &plan, "up");
    tokio::time::advance(MINUTE).await;
    assert_eq!(emitted(|| _ = cache.status()), ["cache.evicted"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_more_is_ever_kept_than_there_is_room_for_and_the_newest_stay(
        sizes in prop::collection::vec(0..MAX_BYTES / 3, 1..24),
    ) {
        let cache = of("ping");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let numbered = |number: usize| plan("ping", &number.to_string());
        for (number, size) in sizes.iter().enumerate() {
            let plan = numbered(number);
            let vacancy = vacancy(&cache, &POLICY, &plan);
            cache.keep(vacancy, run(plan, vec![b'x'; *size]), MINUTE);
            let status = cache.status();
            prop_assert!(status.bytes <= MAX_BYTES);
            prop_assert!(status.bytes >= *size);
        }
        let there: Vec<bool> = (0..sizes.len())
            .map(|number| found(&cache, &POLICY, &numbered(number)).is_some())
            .collect();
        // None that is older is there where a newer one is not.
        prop_assert!(there.is_sorted());
        prop_assert!(there[sizes.len() - 1]);
    }
}
