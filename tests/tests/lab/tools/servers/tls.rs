//! `tls` makes a handshake, and says what a client would make of the certificate.

use std::{thread, time::Duration};

use probity_tests::{
    broker::USER_UID,
    lab::{HOST, HOST_NAME},
    needs,
    world::World,
};
use serde_json::{Value, json};

use super::{by_each_way, call, runs, world};

const OPENSSL: &str = "/usr/bin/openssl";

fn served() -> World {
    world(|lab| lab.serve_web().unwrap())
}

fn handshake(world: &World, more: &[&str]) -> Value {
    let result = call(world, 0, &[&["tls", HOST_NAME], more].concat());
    assert!(result["error_type"].is_null(), "{result}");
    result["parsed"].clone()
}

#[test]
fn a_good_certificate_is_found_good_and_each_bad_one_for_its_reason() {
    if !needs::root() || !needs::tool(OPENSSL) {
        return;
    }
    let world = served();
    let good = handshake(&world, &[]);
    assert_eq!(
        (&good["chain_holds"], &good["name_matches"]),
        (&json!(true), &json!(true)),
        "{good}"
    );
    assert_eq!((&good["address"], &good["port"]), (&json!(HOST.to_string()), &json!(443)));
    assert!([89, 90].map(|days| json!(days)).contains(&good["days_left"]), "{good}");
    assert_eq!(good["protocol"], "TLSv1.3");
    let verdicts = |port: &str| {
        let found = handshake(&world, &["--port", port]);
        (found["chain_holds"].clone(), found["name_matches"].clone(), found["chain_errors"].clone())
    };
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(verdicts("8441"), (no.clone(), yes.clone(), json!(["certificate has expired"])));
    assert_eq!(verdicts("8442"), (yes.clone(), no.clone(), json!([])));
    assert_eq!(verdicts("8443"), (no, yes.clone(), json!(["self-signed certificate"])));
    assert_eq!(verdicts("8444"), (yes.clone(), yes.clone(), json!([])));
    let expired = handshake(&world, &["--port", "8441"]);
    assert!(expired["days_left"].as_i64().unwrap() < -1000, "{expired}");
    // By address, and by an address for a name.
    let by_address = call(&world, 0, &["tls", &HOST.to_string()]);
    assert_eq!(by_address["parsed"]["name_matches"], yes, "{by_address}");
    let words = ["tls", &HOST.to_string(), "--server-name", "other.lab.internal", "--port", "8442"];
    assert_eq!(call(&world, 0, &words)["parsed"]["name_matches"], yes);
    assert_eq!(world.lab.beyond(), [].into());
}

#[test]
fn mail_servers_hear_nothing_after_the_handshake() {
    if !needs::root() || !needs::tool(OPENSSL) {
        return;
    }
    let world = served();
    for preset in ["smtp", "imap"] {
        let found = handshake(&world, &["--preset", preset]);
        assert_eq!((&found["chain_holds"], &found["name_matches"]), (&json!(true), &json!(true)));
    }
    let found = handshake(&world, &["--starttls", "smtp", "--port", "25"]);
    assert_eq!(found["chain"][0]["names"][0], HOST_NAME);
    // They write it down when the connection has ended.
    let mut said = world.lab.said_after_handshakes();
    for _ in 0..50 {
        if said.len() == 3 {
            break;
        }
        thread::sleep(Duration::from_millis(100));
        said = world.lab.said_after_handshakes();
    }
    assert_eq!(said, ["25 b''", "143 b''", "25 b''"]);
    assert_eq!(world.lab.beyond(), [].into());
}

#[test]
fn no_handshake_and_no_connection_are_findings() {
    if !needs::root() || !needs::tool(OPENSSL) {
        return;
    }
    let world = served();
    for (port, connected, error) in [("9", false, "Connection refused"), ("8081", true, "")] {
        let result = call(&world, 1, &["tls", HOST_NAME, "--port", port]);
        assert!(result["error_type"].is_null(), "{result}");
        let found = &result["parsed"];
        assert_eq!((&found["connected"], &found["protocol"]), (&json!(connected), &Value::Null));
        assert!(found["error"].as_str().unwrap().contains(error), "{found}");
    }
}

#[test]
fn each_face_tells_the_same() {
    if !needs::root() || !needs::tool(OPENSSL) {
        return;
    }
    let world = served();
    let answers = by_each_way(&world, USER_UID, "tls", HOST_NAME, &json!({"port": 8441}));
    let text = &answers.text;
    assert!(text.starts_with("10.66.2.2 port 8441 speaks TLSv1.3"), "{text}");
    assert!(
        text.contains("the certificate is not good\n") && text.contains("; over for "),
        "{text}"
    );
    assert!(!text.contains("It complained"), "{text}");
    for result in answers {
        assert_eq!(result["parsed"]["chain_holds"], false, "{result}");
    }
}

#[test]
fn its_profile_suffices_for_its_widest_call() {
    if !needs::root() || !needs::tool(OPENSSL) {
        return;
    }
    let world = served();
    for _ in 0..runs(5) {
        let found = handshake(&world, &["--preset", "smtp", "--server-name", "a.web.lab.internal"]);
        assert_eq!((&found["chain_holds"], &found["name_matches"]), (&json!(true), &json!(true)));
    }
}
