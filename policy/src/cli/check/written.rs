//! A sound policy as it is written, so that a warning can point at the very word. What it means is
//! asked of the [`crate::Policy`], never made out here.

use serde::de::DeserializeOwned;

use crate::{
    Source, Sources,
    raw::{RawPolicy, RawTool},
    source::{Defect, Place},
};

pub(super) struct Written<'s> {
    sources: &'s Sources,
    pub policy: Option<RawPolicy>,
    /// Tools of the files and of the policy's own, each with where it stands.
    pub tools: Vec<(&'s Source, RawTool)>,
}

impl<'s> Written<'s> {
    /// Of sources that `validate` accepted, so that everything parses.
    pub(super) fn of(sources: &'s Sources) -> Self {
        let mut policy = parse::<RawPolicy>(&sources.policy);
        let files = sources.tools.iter().filter_map(|source| Some((source, parse(source)?)));
        let mut tools: Vec<_> = files.collect();
        let own = policy.iter_mut().flat_map(|policy| std::mem::take(&mut policy.tools));
        tools.extend(own.map(|tool| (&sources.policy, tool.into_inner())));
        Self { sources, policy, tools }
    }

    /// What is to be said of a place in `policy.toml`.
    pub(super) fn at<T>(&self, word: &toml::Spanned<T>, message: impl AsRef<str>) -> Defect {
        self.sources.policy.defect(&word.span(), message)
    }

    /// What is to be said of a place in any of the files.
    pub(super) fn place(&self, place: &Place, message: impl AsRef<str>) -> Defect {
        let source = self.sources.every().find(|source| source.name() == place.file());
        Defect::new(source.unwrap_or(&self.sources.policy), place.clone(), message)
    }
}

fn parse<T: DeserializeOwned>(source: &Source) -> Option<T> {
    toml::from_str(source.text()).ok()
}
