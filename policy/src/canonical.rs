//! How parts of a policy are encoded for its digest, where that is not field by field.

use std::{collections::BTreeSet, ops::Deref, sync::Arc};

use serde::{Serialize, Serializer};

use crate::profile::Profile;

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

/// A profile by its name: what is behind the name belongs to the program, not to the policy.
pub(crate) fn profile<S: Serializer>(profile: &Arc<Profile>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&profile.name)
}
