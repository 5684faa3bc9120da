//! `http` sends one request to the address that was checked, and goes nowhere else, whatever the answer says.

use std::time::{Duration, Instant};

use probity_tests::{
    broker::USER_UID,
    lab::{CHANGING_NAME, HOST, HOST_NAME},
    needs,
    world::World,
};
use serde_json::{Value, json};

use super::{by_each_way, call, runs, world};

const CURL: &str = "/usr/bin/curl";

fn served() -> World {
    world(|lab| {
        lab.serve_web().unwrap();
        lab.serve_dns().unwrap();
    })
}

/// A path of the server that answers in each way.
fn get(world: &World, code: i32, path: &str, more: &[&str]) -> Value {
    let words = ["http", HOST_NAME, "--port", "8081", "--path", path, "--wait", "3"];
    call(world, code, &[&words, more].concat())
}

#[test]
fn what_a_server_answers_is_told_and_never_followed() {
    if !needs::root() || !needs::tool(CURL) {
        return;
    }
    let world = served();
    let page = get(&world, 0, "/", &[]);
    let parsed = &page["parsed"];
    assert_eq!((&parsed["status"], &parsed["body_bytes"]), (&json!(200), &json!(58)), "{page}");
    assert_eq!((&parsed["address"], &parsed["body"]), (&json!(HOST.to_string()), &Value::Null));
    assert_eq!(page["stdout"], "", "{page}");
    let shown = get(&world, 0, "/", &["--show-body"]);
    assert!(
        shown["parsed"]["body"].as_str().unwrap().contains("The page of the lab.\\x1b[2J"),
        "{shown}"
    );
    assert_eq!(get(&world, 0, "/", &["--head"])["parsed"]["method"], "HEAD");
    for (path, status) in [
        ("/redirect", 301),
        ("/refresh", 200),
        ("/proxy", 305),
        ("/protected", 401),
        ("/fails", 503),
        ("/hostile", 200),
    ] {
        let result = get(&world, 0, path, &[]);
        assert_eq!(result["parsed"]["status"], status, "{result}");
        assert!(result["error_type"].is_null(), "{result}");
    }
    let redirect = get(&world, 0, "/redirect", &[]);
    assert_eq!(redirect["parsed"]["redirects_to"], "http://8.8.8.8/elsewhere");
    assert_eq!(world.lab.beyond(), [].into());
}

#[test]
fn what_has_no_end_is_ended_and_what_is_not_there_is_a_finding() {
    if !needs::root() || !needs::tool(CURL) {
        return;
    }
    let world = served();
    for (path, outcome) in [
        ("/endless", "answered_in_part"),
        ("/slow", "answered_in_part"),
        ("/large", "answered_in_part"),
        ("/cut", "answered_in_part"),
        ("/nothing", "no_http"),
        ("/not-http", "no_http"),
    ] {
        let start = Instant::now();
        let result = get(&world, 1, path, &[]);
        assert!(start.elapsed() < Duration::from_secs(8), "{path}");
        assert_eq!(result["parsed"]["outcome"], outcome, "{result}");
        assert!(result["error_type"].is_null(), "{result}");
        assert!(result["parsed"]["body_bytes"].as_u64().unwrap_or(0) < 32 << 20, "{result}");
    }
    let shown = get(&world, 1, "/endless", &["--show-body"]);
    assert_eq!(shown["parsed"]["truncated"], true, "{}", shown["error"]);
    let refused = call(&world, 1, &["http", HOST_NAME, "--port", "9"]);
    assert_eq!(refused["parsed"]["outcome"], "not_connected", "{refused}");
    assert_eq!(world.lab.beyond(), [].into());
}

#[test]
fn a_certificate_that_is_not_good_is_refused_unless_somebody_asks_all_the_same() {
    if !needs::root() || !needs::tool(CURL) {
        return;
    }
    let world = served();
    let https = |code, port, more: &[&str]| {
        let words = ["http", HOST_NAME, "--preset", "https", "--port", port];
        call(&world, code, &[&words[..], more].concat())["parsed"].clone()
    };
    let good = https(0, "443", &[]);
    assert_eq!(
        (&good["status"], &good["certificate_verified"]),
        (&json!(200), &json!(true)),
        "{good}"
    );
    assert!(good["tls_ms"].as_f64().unwrap() > 0.0);
    for port in ["8441", "8442", "8443"] {
        let refused = https(1, port, &[]);
        assert_eq!(refused["outcome"], "certificate_refused", "{refused}");
        let asked = https(0, port, &["--insecure"]);
        assert_eq!(asked["status"], 200, "{asked}");
    }
    assert_eq!(https(1, "22", &[])["outcome"], "tls_failed");
    let by_address = call(&world, 0, &["http", &HOST.to_string(), "--preset", "https"]);
    assert_eq!(by_address["parsed"]["certificate_verified"], true, "{by_address}");
    assert_eq!(world.lab.beyond(), [].into());
}

#[test]
fn a_name_whose_second_answer_differs_is_looked_up_once_and_by_nobody_else() {
    if !needs::root() || !needs::tool(CURL) {
        return;
    }
    let world = world(|lab| {
        lab.serve_web().unwrap();
        lab.serve_dns().unwrap();
        lab.look_names_up().unwrap();
    });
    let words = ["http", CHANGING_NAME, "--preset", "https"];
    let result = call(&world, 0, &words);
    assert_eq!(result["parsed"]["address"], HOST.to_string(), "{result}");
    let asked = world.lab.questions();
    let of_it = asked.iter().filter(|question| *question == &format!("{CHANGING_NAME} A")).count();
    assert_eq!(of_it, 1, "{asked:?}");
    // The second look-up gives a public address, at which nothing may be aimed.
    let (code, refused) =
        world.call(USER_UID, &[&["call", "--json"], &words[..]].concat()).unwrap();
    assert_eq!(
        (code, &refused["error_details"]["code"]),
        (3, &json!("TARGET_NOT_ALLOWED")),
        "{refused}"
    );
    assert_eq!(world.lab.beyond(), [].into());
}

#[test]
fn each_face_tells_the_same() {
    if !needs::root() || !needs::tool(CURL) {
        return;
    }
    let world = served();
    let ask = |options| by_each_way(&world, USER_UID, "http", HOST_NAME, &options);
    let answers = ask(json!({"port": 8081, "path": "/missing"}));
    let text = &answers.text;
    assert!(
        text.starts_with(
            "10.66.2.2 answered 404 in HTTP/1.1 to GET http://web.lab.internal:8081/missing\n"
        ),
        "{text}"
    );
    for result in answers {
        assert_eq!(result["parsed"]["status"], 404, "{result}");
    }
    let text = ask(json!({"port": 9})).text;
    assert!(text.starts_with("no connection, GET http://web.lab.internal:9/"), "{text}");
    assert!(!text.contains("It complained"), "{text}");
}

#[test]
fn its_profile_suffices_for_its_widest_call() {
    if !needs::root() || !needs::tool(CURL) {
        return;
    }
    let world = served();
    let words = ["http", HOST_NAME, "--preset", "https", "--show-body"];
    for _ in 0..runs(5) {
        let result = call(&world, 0, &words);
        assert_eq!(result["parsed"]["status"], 200, "{result}");
        assert!(result["metadata"]["fence_refusals"].is_null(), "{result}");
    }
}
