//! How parts of a policy are encoded for its digest, where that is not field by field.

use std::{collections::BTreeSet, ops::Deref, sync::Arc};

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::{names::NameSet, profile::Profile, targets::Scope};

/// A list whose order means nothing, each element once.
pub(crate) fn as_set<S: Serializer, T: Serialize + Ord>(
    list: &[T],
    to: S,
) -> Result<S::Ok, S::Error> {
    list.iter().collect::<BTreeSet<_>>().serialize(to)
}

/// The words of an enumeration, in their order.
pub(crate) fn words<S: Serializer, W: Deref<Target = [String]>>(
    words: &W,
    to: S,
) -> Result<S::Ok, S::Error> {
    words.serialize(to)
}

/// What a scope says.
pub(crate) fn scope<S: Serializer>(scope: &Scope, to: S) -> Result<S::Ok, S::Error> {
    ScopeKey::of(scope).serialize(to)
}

/// A scope by what it says and not by where it says it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct ScopeKey {
    pub networks: Option<Vec<IpNet>>,
    pub denied: Vec<IpNet>,
    pub names: Option<BTreeSet<String>>,
    pub max_hosts: Option<u64>,
}

impl ScopeKey {
    pub(crate) fn of(scope: &Scope) -> Self {
        let names = scope.names.as_ref().map(NameSet::patterns);
        Self {
            networks: scope.networks.as_ref().map(|networks| networks.networks().to_vec()),
            denied: scope.denied.networks().to_vec(),
            names: names.map(|names| names.iter().map(ToString::to_string).collect()),
            max_hosts: scope.max_hosts,
        }
    }
}

/// A profile by its name: what is behind the name belongs to the program, not to the policy.
pub(crate) fn profile<S: Serializer>(profile: &Arc<Profile>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&profile.name)
}
