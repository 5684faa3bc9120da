//! All that one user may do, on a page: each grant of each tool, with what it leaves.

use std::{
    io::{self, Write as _},
    time::SystemTime,
};

use humantime::{format_duration, format_rfc3339_seconds};
use probity_protocol::{Allowance, Tier};
use serde_json::{Value, json};

use super::{listed, options_as_json, tier};
use crate::{
    Policy, allowance,
    cli::{asker::Asker, output},
    grants::Grant,
    subject_grants::SubjectGrants,
    template::spelled,
    tool::Tool,
};

/// One grant of one tool that the user can use.
struct Use<'p> {
    tool: &'p Tool,
    grant: &'p Grant,
    tier: Tier,
    allowance: Allowance,
}

fn uses<'p>(policy: &'p Policy, who: &Asker, now: SystemTime) -> Vec<Use<'p>> {
    let grants = SubjectGrants::of(policy, &who.subject, None, now);
    let mut uses = Vec::new();
    for (at, tool, _) in grants.usable() {
        for (grant, tier) in grants.granted(Some(at)).iter().flat_map(|granted| granted.each()) {
            if tool.tier <= tier {
                let allowance = allowance::by(policy, tool, grant);
                uses.push(Use { tool, grant, tier, allowance });
            }
        }
    }
    uses.sort_by(|a, b| a.tool.name.cmp(&b.tool.name));
    uses
}

pub(super) fn print(policy: &Policy, who: &Asker) -> io::Result<()> {
    let now = SystemTime::now();
    let mut out = anstream::stdout().lock();
    let groups = listed(&who.groups);
    let name = output::cell(format!("{} (uid {})", who.name, who.subject.uid)).content();
    writeln!(out, "{}, groups {groups}\n", output::head(name))?;
    let uses = uses(policy, who, now);
    if uses.is_empty() {
        return writeln!(out, "No grant that holds is for this user: nothing may be run.");
    }
    let mut table = output::table(["TOOL", "TIER", "MAY AIM AT", "OPTIONS", "FOR", "GRANTED AT"]);
    for Use { tool, grant, tier: granted, allowance } in &uses {
        let time = tool.timeout.value.min(allowance.timeout_ceiling);
        let at_once = grant.concurrency.map(|runs| format!(", {runs} at once"));
        let most = format!(
            "{}, at most {}{}",
            format_duration(time),
            format_duration(allowance.timeout_ceiling),
            at_once.unwrap_or_default()
        );
        let until = grant.until.map(|until| format!("\nuntil {}", format_rfc3339_seconds(until)));
        let approval = grant.needs_approval.then(|| {
            let approvers = policy.approvers(&tool.name, who.subject.uid);
            format!("\napproved by {}", listed(approvers.map(|approver| &approver.who)))
        });
        let note = grant.note.as_ref().map(|note| format!("\n({note})"));
        let place = format!("{}{}", grant.place, note.unwrap_or_default());
        let row = [
            tool.name.to_string(),
            tier(*granted),
            aims(tool, allowance),
            options(tool, grant),
            format!("{most}{}{}", until.unwrap_or_default(), approval.unwrap_or_default()),
            place,
        ];
        table.add_row(row.map(output::cell));
    }
    output::print_table(&mut out, table)?;
    let can = |tool: &Tool| uses.iter().any(|each| each.tool.name == tool.name);
    let others = policy.tools().iter().filter(|tool| !can(tool));
    let others: Vec<_> = others.map(|tool| &tool.name).collect();
    if !others.is_empty() {
        writeln!(out, "\nNot granted: {}", listed(others))?;
    }
    writeln!(
        out,
        "A call needs one of these rows as a whole: what two of them give is not added up."
    )
}

/// What the grant leaves of the tool's options, one a line.
fn options(tool: &Tool, grant: &Grant) -> String {
    let left: Vec<_> = grant.options.of(tool).iter().map(ToString::to_string).collect();
    if left.is_empty() { "all".to_owned() } else { left.join("\n") }
}

fn aims(tool: &Tool, allowance: &Allowance) -> String {
    use probity_protocol::TargetKind::{Address, Network};
    if tool.targets.is_empty() {
        return "this machine: it takes no target".to_owned();
    }
    let mut parts = vec![listed(allowance.networks.iter().copied().map(spelled))];
    if tool.targets.contains(&Address) && !allowance.names.is_empty() {
        parts.push(format!("names {}", listed(&allowance.names)));
    }
    if !allowance.denied.is_empty() {
        parts.push(format!("never {}", listed(allowance.denied.iter().copied().map(spelled))));
    }
    if tool.targets.contains(&Network) {
        parts.push(format!("networks of at most {} addresses", allowance.max_hosts));
    }
    parts.join("\n")
}

pub(super) fn as_json(policy: &Policy, who: &Asker) -> Value {
    let uses = uses(policy, who, SystemTime::now());
    let each = uses.iter().map(|Use { tool, grant, tier: granted, allowance }| {
        json!({
            "tool": tool.name,
            "tier": tier(*granted),
            "networks": allowance.networks,
            "denied": allowance.denied,
            "names": allowance.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "max_hosts": allowance.max_hosts,
            "options": options_as_json(grant, tool),
            "timeout_sec": tool.timeout.value.min(allowance.timeout_ceiling).as_secs_f64(),
            "timeout_ceiling": allowance.timeout_ceiling.as_secs_f64(),
            "until": grant.until.map(|until| format_rfc3339_seconds(until).to_string()),
            "concurrency": grant.concurrency,
            "needs_approval": grant.needs_approval,
            "note": grant.note,
            "rule": grant.place.to_string(),
        })
    });
    json!({
        "user": who.name,
        "uid": who.subject.uid,
        "groups": who.groups,
        "grants": each.collect::<Vec<_>>(),
    })
}
