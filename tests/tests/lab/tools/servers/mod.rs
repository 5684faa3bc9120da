//! The tools that ask servers, each by every way in, against servers of the lab.

mod dns;
mod http;
mod tls;

use probity_tests::{
    broker::USER_UID,
    lab::{CLIENT, HOST, Lab},
    world::World,
};
use serde_json::Value;

use super::ways::{by_each_way, runs, session};

/// A world around a lab that was prepared, and counts what goes beyond.
fn world(prepare: impl FnOnce(&mut Lab)) -> World {
    let mut lab = Lab::new().unwrap();
    prepare(&mut lab);
    let world = World::around(lab, "").unwrap();
    let allowed = [HOST.to_string(), CLIENT.to_string(), "127.0.0.0/8".to_owned()];
    world.lab.watch_beyond(&allowed.each_ref().map(String::as_str)).unwrap();
    world
}

/// A call by the terminal, which ends with this exit code; its result.
fn call(world: &World, code: i32, words: &[&str]) -> Value {
    let (ended, result) = world.call(USER_UID, &[&["call", "--json"], words].concat()).unwrap();
    assert_eq!(ended, code, "{words:?}: {result}");
    result
}
