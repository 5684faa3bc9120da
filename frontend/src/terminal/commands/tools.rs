//! `probity tools`: all of them, or one in full.

use std::sync::Arc;

use super::{CommandError, Exit, complain};
use crate::{
    broker::{accounts::Whom, embedded::EmbeddedBroker},
    calls::{
        control::Controls,
        published::registry::{Hidden, Listing},
        tool_view::{tool_json, tools_json},
    },
    config::Config,
    terminal::{
        cli::{BrokerArgs, ConnectionFlags, ToolsArgs},
        connect, printing,
    },
};

/// Lists the tools, or shows the one that is named.
pub(super) async fn tools(
    args: &ToolsArgs,
    embedded: Option<EmbeddedBroker>,
    config: Arc<Config>,
    flags: &ConnectionFlags,
) -> Result<Exit, CommandError> {
    let session = connect::once(embedded, config).await?;
    let (listing, controls) = (session.service.listing(), session.service.controls());
    if let Some(name) = &args.tool {
        if args.is_help && listing.tool(name).is_some() {
            anstream::println!("{}", printing::usage_of(name));
        }
        return one(name, args.json, &listing, controls, flags);
    }
    if session.granted.is_empty() {
        if args.json {
            printing::print_json(&tools_json(&listing, controls, &[]))?;
        }
        let BrokerArgs { embedded, policy, .. } = &args.broker;
        let whom = Whom::this_process();
        complain(&printing::nothing_granted(&whom, *embedded, policy.as_deref()));
        return Ok(Exit::Denied);
    }
    let hidden = |name: &String| listing.hidden(name).map(|hidden| (name.clone(), hidden));
    let hidden: Vec<(String, Hidden)> = session.granted.iter().filter_map(hidden).collect();
    match args.json {
        true => printing::print_json(&tools_json(&listing, controls, &hidden))?,
        false => printing::print_tools(&listing, &hidden)?,
    }
    Ok(Exit::Success)
}

fn one(
    name: &str,
    json: bool,
    listing: &Listing,
    controls: &Controls,
    flags: &ConnectionFlags,
) -> Result<Exit, CommandError> {
    if let Some(tool) = listing.tool(name) {
        match json {
            true => printing::print_json(&tool_json(tool, &controls.of(tool)))?,
            false => printing::print_tool(tool, listing, flags)?,
        }
        return Ok(Exit::Success);
    }
    // As a call of the same name ends.
    if let Some(hidden) = listing.hidden(name) {
        complain(&format!(
            "{name} {}.\n`probity config` shows where that is set.",
            hidden.reason()
        ));
        return Ok(Exit::ToolFailed);
    }
    complain(&printing::no_such_tool(name, &listing.catalog));
    Ok(Exit::Denied)
}
