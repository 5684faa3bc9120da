//! What is known of neighbours and ways at two times: who has an address (arping, `ip neigh`), and by which
//! router and device this machine sends (`ip route get`). A neighbour that kept silent was not seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{CompareError, found::Found, side::Run};
use crate::parsers::page::word;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    target: Option<String>,
    owners: Vec<Owner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Owner {
    mac: String,
}

pub(super) fn arping(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (Asked, Asked) = (before.read()?, after.read()?);
    found.nouns = Some(("device", "devices"));
    found.differs("target", was.target.as_ref(), is.target.as_ref());
    let address = is.target.as_deref().or(was.target.as_deref()).map_or("the address".into(), word);
    let macs = |asked: &Asked| -> BTreeSet<String> {
        asked.owners.iter().map(|owner| owner.mac.clone()).collect()
    };
    let (old, new) = (macs(&was), macs(&is));
    if old.len() == 1 && new.len() == 1 {
        found.differs(&format!("MAC of {address}"), old.first(), new.first());
        return Ok(());
    }
    for mac in new.difference(&old) {
        found.came(before, &format!("MAC {} for {address}", word(mac)), None);
    }
    for mac in old.difference(&new) {
        found.silent(&format!("MAC {} for {address}", word(mac)), None);
    }
    if new.len() > 1 {
        found.also = Some(format!("Now {} devices answer for one address.", new.len()));
    }
    Ok(())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Known {
    routes: Vec<Route>,
    neighbours: Vec<Neighbour>,
    no_route: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Route {
    destination: Option<String>,
    kind: Option<String>,
    gateway: Option<String>,
    device: Option<String>,
    source: Option<String>,
    table: Option<String>,
    mtu_bytes: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Neighbour {
    address: Option<String>,
    device: Option<String>,
    mac: Option<String>,
    is_router: bool,
}

impl Route {
    fn text(&self) -> String {
        let named = |before: &str, value: &Option<String>| {
            value.as_deref().map(|value| format!("{before} {}", word(value)))
        };
        let parts = [named("via", &self.gateway), named("by", &self.device)];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if text.is_empty() { "a route".to_owned() } else { text }
    }
}

impl Known {
    fn routes(&self) -> BTreeMap<&str, &Route> {
        self.routes.iter().map(|it| (it.destination.as_deref().unwrap_or_default(), it)).collect()
    }

    fn neighbours(&self) -> BTreeMap<(&str, &str), &Neighbour> {
        let name = |it: &Option<String>| it.as_deref().unwrap_or_default().len();
        let named = self.neighbours.iter().filter(|it| name(&it.address) > 0);
        named
            .map(|it| {
                let (address, device) = (it.address.as_deref(), it.device.as_deref());
                ((address.unwrap_or_default(), device.unwrap_or_default()), it)
            })
            .collect()
    }
}

pub(super) fn ip(before: &Run<'_>, after: &Run<'_>, found: &mut Found) -> Result<(), CompareError> {
    let (was, is): (Known, Known) = (before.read()?, after.read()?);
    found.nouns = Some(("entry", "entries"));
    routes(before, after, &was, &is, found);
    let (old, new) = (was.neighbours(), is.neighbours());
    for (place, one) in &old {
        let subject = subject(place);
        let other = new.get(place);
        match (&one.mac, other.and_then(|other| other.mac.as_ref())) {
            // A neighbour that is forgotten may be there.
            (Some(mac), None) => {
                found.silent(&subject, Some(mac.clone()));
            }
            (None, Some(mac)) => {
                found.came(before, &subject, Some(mac.clone()));
            }
            (mac, now) => found.differs(&format!("MAC of {subject}"), mac.as_ref(), now),
        }
        if let Some(other) = other.filter(|other| other.is_router != one.is_router) {
            let said = |is_router| if is_router { "yes" } else { "no" };
            let subject = format!("{subject} says it is a router");
            found.changed(&subject, said(one.is_router), said(other.is_router));
        }
    }
    for (place, other) in new.iter().filter(|(place, _)| !old.contains_key(*place)) {
        if let Some(mac) = &other.mac {
            found.came(before, &subject(place), Some(mac.clone()));
        }
    }
    Ok(())
}

fn subject((address, device): &(&str, &str)) -> String {
    match device.is_empty() {
        true => format!("neighbour {}", word(address)),
        false => format!("neighbour {} at {}", word(address), word(device)),
    }
}

fn routes(before: &Run<'_>, after: &Run<'_>, was: &Known, is: &Known, found: &mut Found) {
    let (old, new) = (was.routes(), is.routes());
    match (&was.no_route, &is.no_route) {
        (None, Some(why)) if !old.is_empty() => {
            let had = old.values().map(|route| route.text()).collect::<Vec<_>>().join(", ");
            found.changed("route", &had, why);
            return;
        }
        (Some(why), None) if !new.is_empty() => {
            let has = new.values().map(|route| route.text()).collect::<Vec<_>>().join(", ");
            found.changed("route", why, &has);
            return;
        }
        (one, other) => found.differs("why there is no route", one.as_ref(), other.as_ref()),
    }
    let named = |destination: &str| format!("route to {}", word(destination));
    for (destination, one) in &old {
        let subject = named(destination);
        let Some(other) = new.get(destination) else {
            found.gone(after, &subject, Some(one.text())).in_our_words();
            continue;
        };
        let on_link = |route: &Route| Some(route.gateway.clone().unwrap_or_else(|| "none".into()));
        found.differs(&format!("{subject}, gateway"), on_link(one), on_link(other));
        for (what, one, other) in [
            ("device", &one.device, &other.device),
            ("source", &one.source, &other.source),
            ("kind", &one.kind, &other.kind),
            ("table", &one.table, &other.table),
        ] {
            found.differs(&format!("{subject}, {what}"), one.as_ref(), other.as_ref());
        }
        let mtu = |route: &Route| {
            Some(route.mtu_bytes.map_or("none of its own".to_owned(), |mtu| format!("{mtu} bytes")))
        };
        found.differs(&format!("{subject}, MTU"), mtu(one), mtu(other));
    }
    for (destination, other) in
        new.iter().filter(|(destination, _)| !old.contains_key(*destination))
    {
        found.came(before, &named(destination), Some(other.text())).in_our_words();
    }
}
