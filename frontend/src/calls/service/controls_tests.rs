//! What keeps its state however often tools are listed, as the service hands it out.

use std::{path::Path, sync::Arc, time::Duration};

use probity_protocol::{Catalog, Digest};

use super::*;
use crate::{
    calls::control::{breaker::BreakerState, cache, gate::ClientKey},
    test_catalog,
};

/// Of a broker that is never asked.
fn service(change: impl FnOnce(&mut Config)) -> Service {
    let mut config = Config::default();
    change(&mut config);
    let broker = Broker::at(Path::new("/nonexistent/broker.sock"), false);
    Service::new(broker, Resolver::system(), Arc::new(config), catalog())
}

fn catalog() -> Catalog {
    Catalog { policy_digest: Digest([0; 32]), ..test_catalog::of(&["ping", "traceroute"]) }
}

fn control(service: &Service, name: &str) -> Control {
    service.control(service.listing().tool(name).unwrap())
}

#[tokio::test]
async fn turns_taken_before_a_new_catalog_still_count_after_it() {
    let service = service(|_| {});
    let enter = || {
        let gate = control(&service, "ping").gate;
        async move { gate.enter(ClientKey::ONLY, |_| {}).await.unwrap() }
    };
    let turn = enter().await;
    let mut catalog = catalog();
    catalog.tools[0].summary = "Changed.".into();
    catalog.tools[0].concurrency = 1;
    service.take_catalog(catalog);
    assert!(futures_util::poll!(std::pin::pin!(enter())).is_pending());
    drop(turn);
    drop(enter().await);
}

#[test]
fn a_breaker_outlives_catalogs_and_takes_its_settings_from_each() {
    let service = service(|config| config.breaker.failures = 2);
    let mut changes = service.breaker_changes();
    let fail = || control(&service, "ping").breaker.ask().unwrap().failed("it did");
    fail();
    service.take_catalog(Catalog { tools: vec![], ..catalog() });
    service.take_catalog(catalog());
    fail();
    let status = control(&service, "ping").breaker.status();
    assert_eq!((status.state, status.failures), (BreakerState::Open, 2));
    assert_eq!(changes.try_recv().unwrap().tool, "ping");
    let mut own = catalog();
    own.tools[0].breaker.recovery_timeout = Some(Duration::ZERO);
    service.take_catalog(own);
    assert_eq!(control(&service, "ping").breaker.status().state, BreakerState::HalfOpen);
}

#[tokio::test]
async fn kept_results_outlive_catalogs_of_one_policy_and_go_with_it_or_with_their_tool() {
    let service = service(|_| {});
    let mut catalog = catalog();
    catalog.tools[1].summary = "Changed.".into();
    let kept = |name: &str| control(&service, name).cache.status().results;
    for tool in ["ping", "traceroute"] {
        cache::tests::keep_any(&control(&service, tool).cache, tool);
    }
    service.take_catalog(catalog.clone());
    assert_eq!((kept("ping"), kept("traceroute")), (1, 1));
    service.set_enabled("ping", false).unwrap();
    service.set_enabled("ping", true).unwrap();
    assert_eq!((kept("ping"), kept("traceroute")), (0, 1));
    catalog.policy_digest = Digest([9; 32]);
    service.take_catalog(catalog);
    assert_eq!(kept("traceroute"), 0);
}
