use std::time::Duration;

use probity_protocol::{BreakerSettings, Digest, ParserEntry, ToolEntry, ToolName};
use serde_json::json;

use super::{settled::Settled, *};
use crate::{
    config::{Environment, Flags, ForAll, Set, Thresholds},
    process::events::tests::emitted,
    test_catalog,
};

fn tool(name: &str, alias: &str) -> ToolEntry {
    ToolEntry { aliases: vec![ToolName::new(alias).unwrap()], ..test_catalog::tool(name) }
}

fn catalog() -> Catalog {
    let tools = vec![tool("traceroute", "TracertTool"), tool("ping", "PingTool")];
    Catalog { policy_digest: Digest([0; 32]), tools, ..test_catalog::of(&[]) }
}

fn registry(change: impl FnOnce(&mut Config)) -> Registry {
    let mut config = Config::default();
    change(&mut config);
    Registry::new(Arc::new(config), catalog())
}

fn names(registry: &Registry) -> Vec<String> {
    registry.listing().tools().map(|tool| tool.entry.name.to_string()).collect()
}

#[test]
fn tools_are_listed_by_name() {
    assert_eq!(names(&registry(|_| {})), ["ping", "traceroute"]);
}

#[test]
fn include_and_exclude_take_names_and_aliases_and_exclude_wins() {
    let included = registry(|config| config.tools.include = vec!["PingTool".into()]);
    assert_eq!(names(&included), ["ping"]);
    assert_eq!(included.listing().hidden("TracertTool"), Some(Hidden::NotIncluded));
    let both = registry(|config| {
        config.tools.include = vec!["ping".into(), "traceroute".into()];
        config.tools.exclude = vec!["ping".into()];
    });
    assert_eq!(names(&both), ["traceroute"]);
    assert_eq!(both.listing().hidden("ping"), Some(Hidden::Excluded));
}

#[test]
fn a_name_that_no_tool_has_hides_and_shows_nothing() {
    let registry = registry(|config| config.tools.exclude = vec!["Ping".into()]);
    assert_eq!(names(&registry), ["ping", "traceroute"]);
    assert_eq!(registry.listing().hidden("Ping"), None);
    assert_eq!(registry.set_enabled("Ping", false), Err(NoSuchTool("Ping".into())));
}

#[test]
fn disabling_and_enabling_changes_the_list_and_tells_of_it_once() {
    let registry = registry(|_| {});
    let mut changes = registry.changes();
    assert_eq!(registry.set_enabled("PingTool", false), Ok(true));
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert_eq!(registry.set_enabled("ping", false), Ok(false));
    assert!(!changes.has_changed().unwrap(), "nothing changed");
    assert_eq!(names(&registry), ["traceroute"]);
    assert_eq!(registry.listing().hidden("ping"), Some(Hidden::Disabled));
    assert_eq!(registry.set_enabled("ping", true), Ok(true));
    assert_eq!(names(&registry), ["ping", "traceroute"]);
}

#[test]
fn a_new_catalog_is_published_and_what_is_disabled_stays_so() {
    let registry = registry(|_| {});
    registry.set_enabled("ping", false).unwrap();
    let mut changes = registry.changes();
    registry.replace(catalog());
    assert!(!changes.has_changed().unwrap(), "the same catalog is no news");
    let mut catalog = catalog();
    catalog.tools.push(tool("nmap", "NmapTool"));
    registry.replace(catalog);
    assert!(changes.has_changed().unwrap());
    assert_eq!(changes.borrow_and_update().catalog.tools.len(), 2);
    assert_eq!(names(&registry), ["nmap", "traceroute"]);
}

#[test]
fn the_configured_defaults_hold_only_where_the_file_of_a_tool_says_nothing() {
    let config = Arc::new(Config::default());
    let mut catalog = catalog();
    catalog.tools[0].timeout = Duration::from_secs(1000);
    catalog.tools[0].timeout_is_default = true;
    catalog.tools[0].concurrency = 5;
    catalog.tools[0].concurrency_is_default = true;
    let registry = Registry::new(config, catalog);
    let listing = registry.listing();
    let own = listing.tool("ping").unwrap();
    assert_eq!((own.entry.timeout, own.timeout), (Duration::from_secs(30), None));
    assert_eq!(own.entry.concurrency, 3);
    let default = listing.tool("traceroute").unwrap();
    assert_eq!(default.timeout, Some(Duration::from_secs(300)));
    assert_eq!(default.entry.timeout, Duration::from_secs(300));
    assert_eq!(default.entry.concurrency, 2);
}

fn set<T>(value: T) -> Option<Set<T>> {
    Some(Set { value, source: "A_VARIABLE".into() })
}

/// What holds for ping, whose file has 30 s, 3 at once, 5 failures and 120 s, with these settings.
fn held(
    change: impl FnOnce(&mut Config),
    variables: &[(&str, &str)],
) -> (Duration, u32, u32, Duration) {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let loaded = crate::config::load(&Flags::default(), &Environment::new(variables)).unwrap();
    let mut config = loaded.config;
    change(&mut config);
    let mut entry = tool("ping", "PingTool");
    entry.breaker = BreakerSettings {
        failure_threshold: Some(5),
        recovery_timeout: Some(Duration::from_secs(120)),
    };
    let settled = Settled::of(&config, &entry, Duration::from_secs(600));
    let Thresholds { failures, recovery } = settled.thresholds;
    (settled.timeout.unwrap_or(entry.timeout), settled.concurrency, failures, recovery)
}

#[test]
fn of_a_setting_for_all_tools_and_a_file_the_stricter_holds() {
    let seconds = Duration::from_secs;
    assert_eq!(held(|_| {}, &[]), (seconds(30), 3, 5, seconds(120)), "nothing is set");
    let stricter = |config: &mut Config| {
        config.for_all = ForAll {
            timeout: set(seconds(10)),
            concurrency: set(1),
            failure_threshold: set(2),
            recovery_timeout: set(seconds(300)),
        };
    };
    assert_eq!(held(stricter, &[]), (seconds(10), 1, 2, seconds(300)));
    let looser = [
        ("MCP_DEFAULT_TIMEOUT_SEC", "300"),
        ("MCP_DEFAULT_CONCURRENCY", "5"),
        ("PROBITY_BREAKER_FAILURES", "50"),
        ("PROBITY_BREAKER_RECOVERY_SEC", "60"),
    ];
    assert_eq!(held(|_| {}, &looser), (seconds(30), 3, 5, seconds(120)));
}

#[test]
fn what_is_set_for_a_tool_stands_in_the_place_of_what_is_set_for_all() {
    let seconds = Duration::from_secs;
    let variables = [
        ("MCP_DEFAULT_CONCURRENCY", "1"),
        ("PING_CONCURRENCY", "2"),
        ("PING_TIMEOUT", "900"),
        ("PROBITY_BREAKER_FAILURES", "2"),
        ("PING_BREAKER_FAILURES", "4"),
        ("PROBITY_BREAKER_RECOVERY_SEC", "500"),
        ("PINGTOOL_BREAKER_RECOVERY_SEC", "300"),
    ];
    let expected = (seconds(600), 2, 4, seconds(300));
    assert_eq!(held(|_| {}, &variables), expected, "its time up to the policy's ceiling");
    let looser = [
        ("PING_CONCURRENCY", "5"),
        ("PING_BREAKER_FAILURES", "9"),
        ("PING_BREAKER_RECOVERY_SEC", "1"),
    ];
    assert_eq!(held(|_| {}, &looser), (seconds(30), 3, 5, seconds(120)), "no looser than its file");
}

#[test]
fn the_time_that_is_set_for_all_tools_is_the_most_that_a_call_may_ask_for() {
    let variables = [("MCP_DEFAULT_TIMEOUT_SEC", "60"), ("PING_TIMEOUT", "90")];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let loaded = crate::config::load(&Flags::default(), &Environment::new(variables)).unwrap();
    let registry = Registry::new(Arc::new(loaded.config), catalog());
    let listing = registry.listing();
    let most = |name: &str| {
        let schema = listing.tool(name).unwrap().input_schema;
        schema["properties"]["timeout_sec"]["maximum"].as_f64().unwrap()
    };
    assert_eq!(most("traceroute"), 60.0);
    assert_eq!(most("ping"), 90.0, "unless more is set for the tool");
    assert_eq!(registry.idle_settings(), [], "so it has an effect, whatever the files say");
}

#[test]
fn a_setting_that_no_tool_goes_by_is_told_of() {
    let variables = [
        ("MCP_DEFAULT_CONCURRENCY", "5"),
        ("MCP_DEFAULT_TIMEOUT_SEC", "1000"),
        ("PROBITY_BREAKER_FAILURES", "4"),
        ("PING_CONCURRENCY", "4"),
        ("PING_TIMEOUT", "7"),
        ("TRACEROUTE_TIMEOUT", "601"),
    ];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let loaded = crate::config::load(&Flags::default(), &Environment::new(variables)).unwrap();
    let events = emitted(|| {
        let registry = Registry::new(Arc::new(loaded.config), catalog());
        let told: Vec<_> = registry.idle_settings().iter().map(ToString::to_string).collect();
        let without = "has no effect; what holds is";
        assert_eq!(
            told,
            [
                format!(
                    "MCP_DEFAULT_TIMEOUT_SEC: tool.default_timeout is 1000 s and {without} traceroute 600 s, ping 7 s"
                ),
                format!(
                    "MCP_DEFAULT_CONCURRENCY: tool.default_concurrency is 5 and {without} traceroute 3, ping 3"
                ),
                format!(
                    "TRACEROUTE_TIMEOUT: tools.traceroute.timeout is 601 s and {without} traceroute 600 s"
                ),
                format!("PING_CONCURRENCY: tools.ping.concurrency is 4 and {without} ping 3"),
            ]
        );
    });
    let idle = events.iter().filter(|event| *event == "config.no_effect").count();
    assert_eq!(idle, 4, "{events:?}");
}

#[test]
fn a_parser_that_this_version_lacks_and_a_table_that_it_cannot_carry_out_leave_the_texts_and_are_told_of()
 {
    let table = json!({ "format": "lines", "pattern": "(", "column": [{ "name": "host" }] });
    let table = ParserEntry::Table(serde_json::from_value(table).unwrap());
    let named = |name: &str| ParserEntry::Named(name.to_owned());
    let mut catalog = catalog();
    for (parser, told) in [(named("ping"), 0), (named("whois"), 1), (table, 1)] {
        catalog.tools[0].parser = Some(parser);
        let mut published = None;
        let events = emitted(|| {
            published = Some(Registry::new(Arc::new(Config::default()), catalog.clone()));
        });
        let listing = published.unwrap().listing();
        assert_eq!(listing.tool("traceroute").unwrap().parser.is_none(), told == 1);
        assert_eq!(events.iter().filter(|event| *event == "parser.unusable").count(), told);
    }
}
