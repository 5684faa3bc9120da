use super::*;
use crate::{
    accounts::Accounts,
    load::{Origin, load},
    source::{Source, Sources},
    validate::validate,
};

fn shipped() -> Sources {
    load(&Origin::Shipped).unwrap()
}

fn read(sources: &Sources) -> Policy {
    validate(sources, &Accounts::default()).unwrap_or_else(|defects| panic!("{defects}"))
}

/// A policy of this one document.
fn inline(text: impl Into<String>) -> Sources {
    Sources { policy: Source::new("policy.toml", text), tools: Vec::new() }
}

#[test]
fn the_shipped_policy_written_down_reads_as_the_same_policy() {
    let policy = read(&shipped());
    let written = policy.to_toml().unwrap();
    let again = read(&inline(written.clone()));
    assert_eq!(again.digest(), policy.digest());
    assert_eq!(again.to_toml().unwrap(), written);
}
