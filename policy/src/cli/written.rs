//! A sound policy as it is written, so that a warning or a step can point at the very word. What it means is
//! asked of the [`crate::Policy`], never made out here.

use std::net::IpAddr;

use ipnet::IpNet;
use probity_protocol::{HostName, NamePattern};
use serde::de::DeserializeOwned;

use crate::{
    Source, Sources,
    networks::NetworkSet,
    raw::{RawDropIn, RawPolicy, RawTool},
    source::{Defect, Place},
};

pub(super) struct Written<'s> {
    sources: &'s Sources,
    pub policy: Option<RawPolicy>,
    pub drop_ins: Vec<(&'s Source, RawDropIn)>,
    /// Tools of the files and of the policy's own, each with where it stands.
    pub tools: Vec<(&'s Source, RawTool)>,
}

impl<'s> Written<'s> {
    /// Of sources that `validate` accepted, so that everything parses.
    pub(super) fn of(sources: &'s Sources) -> Self {
        let mut policy = parse::<RawPolicy>(&sources.policy);
        let drop_ins = sources.drop_ins.iter();
        let drop_ins = drop_ins.filter_map(|source| Some((source, parse(source)?))).collect();
        let files = sources.tools.iter().filter_map(|source| Some((source, parse(source)?)));
        let mut tools: Vec<_> = files.collect();
        let own = policy.iter_mut().flat_map(|policy| std::mem::take(&mut policy.tools));
        tools.extend(own.map(|tool| (&sources.policy, tool.into_inner())));
        Self { sources, policy, drop_ins, tools }
    }

    /// Where in `policy.toml` a word stands.
    pub(super) fn place_of<T>(&self, word: &toml::Spanned<T>) -> Place {
        self.sources.policy.place(&word.span())
    }

    /// The lines that allow any of `network`.
    pub(super) fn allowing(&self, network: IpNet) -> Vec<Place> {
        let texts = self.policy.iter().flat_map(|policy| &policy.targets.networks);
        let touching = texts.filter(|text| {
            let written = parse_network(text.get_ref());
            written.is_some_and(|written| NetworkSet::new(&[written]).overlaps(network))
        });
        touching.map(|text| self.place_of(text)).collect()
    }

    /// The first name pattern that matches.
    pub(super) fn naming(&self, name: &HostName) -> Option<Place> {
        let names = self.policy.iter().flat_map(|policy| &policy.targets.names);
        let mut parsed = names.filter_map(|text| Some((text, text.get_ref().parse().ok()?)));
        let found = parsed.find(|(_, pattern): &(_, NamePattern)| pattern.matches(name));
        found.map(|(text, _)| self.place_of(text))
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

/// An address or a network, in a policy that `validate` accepted.
pub(super) fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn parse<T: DeserializeOwned>(source: &Source) -> Option<T> {
    toml::from_str(source.text()).ok()
}
