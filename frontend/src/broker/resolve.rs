//! Finds the addresses of a host name, and only of names that the policy lets anybody aim at.
//!
//! A look-up is traffic of its own, to servers the policy may not cover. A name outside its patterns
//! is never looked up: it travels without addresses, and the broker refuses and records it.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use dns_lookup::{AddrFamily, AddrInfoHints, SockType};
use probity_protocol::{Allowance, MAX_ADDRESSES, NetworkFamilies, Target};

/// How long a look-up may take. The system's resolver may go on by itself for a while longer.
const LOOK_UP_DEADLINE: Duration = Duration::from_secs(5);

type LookUp = dyn Fn(&str, NetworkFamilies) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Something that knows the addresses of names.
#[derive(Clone)]
pub struct Resolver {
    look_up: Arc<LookUp>,
}

impl Resolver {
    /// The system's resolver: /etc/hosts, DNS, and whatever nsswitch.conf says.
    #[must_use]
    pub fn system() -> Self {
        Self::with(system_look_up)
    }

    /// A resolver that asks `look_up`, which may block.
    pub fn with(
        look_up: impl Fn(&str, NetworkFamilies) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self { look_up: Arc::new(look_up) }
    }

    /// Adds its addresses to a name that matches the patterns of what the caller may aim at. Everything else stays as
    /// it is, and so does a name that has none or is not found in time.
    pub async fn resolve(&self, target: Target, allowance: &Allowance) -> Target {
        let Target::Name { name, .. } = target else { return target };
        let families = allowance.families();
        let known = allowance.names.iter().any(|pattern| pattern.matches(&name));
        if !known || !(families.ipv4 || families.ipv6) {
            return Target::Name { name, addresses: Vec::new() };
        }
        let (look_up, asked) = (Arc::clone(&self.look_up), name.clone());
        let working = tokio::task::spawn_blocking(move || look_up(asked.as_str(), families));
        let found = match tokio::time::timeout(LOOK_UP_DEADLINE, working).await {
            Ok(Ok(Ok(found))) => found,
            Ok(Ok(Err(error))) => {
                tracing::info!(name = name.as_str(), %error, "resolve.failed");
                Vec::new()
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(name = name.as_str(), "resolve.timeout");
                Vec::new()
            }
        };
        Target::Name { name, addresses: tidy(found) }
    }
}

/// In the resolver's order, each once, and no more than a call carries.
fn tidy(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for address in found.iter().map(IpAddr::to_canonical) {
        if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn system_look_up(name: &str, families: NetworkFamilies) -> io::Result<Vec<IpAddr>> {
    let family = match (families.ipv4, families.ipv6) {
        (true, false) => AddrFamily::Inet.into(),
        (false, true) => AddrFamily::Inet6.into(),
        _ => 0,
    };
    // One socket type, or every address would come three times.
    let socktype = SockType::Stream.into();
    let hints = AddrInfoHints { address: family, socktype, ..AddrInfoHints::default() };
    let found = dns_lookup::getaddrinfo(Some(name), None, Some(hints)).map_err(io::Error::from)?;
    found.map(|entry| entry.map(|entry| entry.sockaddr.ip())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::events::tests::emitted;

    fn allowance() -> Allowance {
        Allowance {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            names: vec!["*.lab.internal".parse().unwrap()],
            ..Allowance::default()
        }
    }

    fn resolve(resolver: &Resolver, name: &str) -> Vec<IpAddr> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        match runtime.block_on(resolver.resolve(Target::parse(name), &allowance())) {
            Target::Name { addresses, .. } => addresses,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_outside_the_patterns_is_never_looked_up() {
        let resolver = Resolver::with(|name, _| panic!("looked up {name}"));
        for name in ["example.com", "lab.internal", "lab.internal.example.com"] {
            assert!(resolve(&resolver, name).is_empty());
        }
    }

    #[test]
    fn addresses_come_once_each_and_only_families_of_the_policy_are_asked_for() {
        let resolver = Resolver::with(|name, families| {
            assert_eq!(name, "web.lab.internal");
            assert!(families.ipv4 && !families.ipv6);
            let texts = ["10.0.0.2", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1"];
            Ok(texts.iter().map(|text| text.parse().unwrap()).collect())
        });
        let found = resolve(&resolver, "Web.lab.internal");
        assert_eq!(found, ["10.0.0.2", "10.0.0.1"].map(|text| text.parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn no_more_addresses_than_a_call_carries_are_kept() {
        let resolver =
            Resolver::with(|_, _| Ok((0..200).map(|n| IpAddr::from([10, 0, 0, n])).collect()));
        assert_eq!(resolve(&resolver, "many.lab.internal").len(), MAX_ADDRESSES);
    }

    #[test]
    fn a_failed_look_up_leaves_the_name_without_addresses_and_is_logged() {
        let resolver = Resolver::with(|_, _| Err(io::Error::other("no such host")));
        let look_up = || assert!(resolve(&resolver, "gone.lab.internal").is_empty());
        assert_eq!(emitted(look_up), ["resolve.failed"]);
    }

    #[test]
    fn a_resolver_that_hangs_is_given_up_and_logged() {
        let (give_up, hang) = std::sync::mpsc::channel::<()>();
        let hang = std::sync::Mutex::new(hang);
        let resolver = Resolver::with(move |_, _| {
            let _ = hang.lock().unwrap().recv();
            Ok(vec!["10.0.0.1".parse().unwrap()])
        });
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let look_up = || {
            let allowance = allowance();
            let found = runtime.block_on(async {
                let found = resolver.resolve(Target::parse("slow.lab.internal"), &allowance);
                tokio::join!(found, tokio::time::advance(LOOK_UP_DEADLINE * 2)).0
            });
            assert!(matches!(found, Target::Name { addresses, .. } if addresses.is_empty()));
        };
        assert_eq!(emitted(look_up), ["resolve.timeout"]);
        // Before the runtime ends, which waits for its threads.
        drop(give_up);
    }
}
