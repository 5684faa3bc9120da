//! What this machine lacks for a policy to do what it says, or has too much of for it to be safe.
//! It looks at files and accounts; no program is started.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    thread,
};

use landlock::{
    ABI, Access as _, AccessFs, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetError,
};

use super::Finding;
use crate::{
    Origin,
    cli::{own_policy_path, people::People, written::Written},
    grants::{Grant, GrantedTools, Grantee},
    policy::Policy,
    subject::Principal,
};

/// The installed broker's socket with its folder, and the group that may connect.
const SOCKET: &str = "/run/probity/broker.sock";
const SOCKET_FOLDER: &str = "/run/probity";
const SOCKET_GROUP: &str = "probity";

/// The log in the shipped policy, which only an installed broker writes.
const INSTALLED_LOG: &str = "/var/log/probity/audit.jsonl";

/// Who the installed broker is.
const BROKER_USER: &str = "probity-broker";

pub(super) fn find(
    policy: &Policy,
    written: &Written<'_>,
    people: &People,
    origin: &Origin,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for warning in policy.warnings() {
        findings.push(Finding::machine(written.place(&warning.place, &warning.message)));
    }
    accounts(policy, written, people, &mut findings);
    commands(policy, written, &mut findings);
    if let Origin::Root(path) = origin {
        findings.extend(unread(path, people).map(Finding::of_machine));
        socket(policy, written, people, &mut findings);
        if let (Some(problem), Some(raw)) = (problem_of_log(&policy.audit_path), &written.policy) {
            findings.push(Finding::machine(written.at(&raw.audit.path, problem)));
        }
    }
    if let (Origin::User(path, _), Some(raw)) = (origin, &written.policy)
        && own_policy_path().as_ref() == Some(path)
        && policy.audit_path == Path::new(INSTALLED_LOG)
    {
        let message = "brokers that you start yourself do not write there, but to \
                       ~/.local/state/probity (or $XDG_STATE_HOME/probity), a file for each that runs \
                       at once; another path is taken as it is";
        findings.push(Finding::machine(written.at(&raw.audit.path, message)));
    }
    findings.extend(landlock(policy.landlock_abi_min).map(Finding::of_machine));
    findings
}

fn accounts(policy: &Policy, written: &Written<'_>, people: &People, findings: &mut Vec<Finding>) {
    for grant in policy.grants.iter().filter(|grant| grant.intrusive) {
        if let Principal::Group(gid) = grant.principal
            && people.is_everybody(gid)
        {
            let message = "the intrusive tier is granted to a group that every user here is in";
            findings.push(Finding::machine(written.place(&grant.place, message)));
        }
    }
}

/// A program that somebody but root can change is run with what the policy lends it, and a path that
/// is a link opens another than the one that is written.
fn commands(policy: &Policy, written: &Written<'_>, findings: &mut Vec<Finding>) {
    for (source, raw) in &written.tools {
        let Some(tool) = policy.tool(raw.name.get_ref()) else { continue };
        let mut say = |word: &crate::raw::Text, problem: String| {
            findings.push(Finding::machine(source.defect(&word.span(), problem)));
        };
        if let Some(problem) = problem_of_program(&tool.command) {
            say(&raw.command, problem);
        }
        for text in &raw.sandbox.read {
            if let Some(leads) = elsewhere(Path::new(text.get_ref())) {
                say(text, leads);
            }
        }
        for text in &raw.sandbox.execute {
            if let Some(problem) = problem_of_program(Path::new(text.get_ref())) {
                say(text, problem);
            }
        }
    }
}

/// Why a broker could not write its log there.
fn problem_of_log(path: &Path) -> Option<String> {
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        return Some(format!("the audit log's folder {} does not exist", folder.display()));
    }
    let found = fs::symlink_metadata(path).ok()?;
    (!found.is_file()).then(|| {
        format!("{} is no regular file: a broker with this policy does not start", path.display())
    })
}

/// Where a path really leads, if that is not what its text says.
fn elsewhere(path: &Path) -> Option<String> {
    let real = path.canonicalize().ok().filter(|real| real != path)?;
    Some(format!("{} leads to {}, which is what the tool may read", path.display(), real.display()))
}

fn problem_of_program(path: &Path) -> Option<String> {
    let Ok(real) = path.canonicalize() else {
        return Some(format!(
            "there is no {}: calls answer NOT_FOUND until it is installed",
            path.display()
        ));
    };
    match fs::metadata(&real) {
        Ok(found) if !found.is_file() || found.permissions().mode() & 0o111 == 0 => {
            return Some(format!("{} is not a program", path.display()));
        }
        Ok(_) => {}
        Err(error) => return Some(format!("{}: {error}", path.display())),
    }
    // By the way it is named, and by the way it is: whoever can change either can replace it.
    let ways = real.ancestors().chain(path.ancestors().skip(1));
    ways.filter(|part| !part.as_os_str().is_empty()).find_map(problem_of_owner)
}

fn problem_of_owner(path: &Path) -> Option<String> {
    let found = fs::metadata(path).ok()?;
    let shown = path.display();
    if found.uid() != 0 {
        let uid = found.uid();
        return Some(format!(
            "{shown} belongs to uid {uid}, who can replace the program: chown it"
        ));
    }
    let mode = found.mode() & 0o7777;
    (mode & 0o022 != 0).then(|| {
        format!(
            "{shown} can be written by others (mode {mode:04o}), who can replace the program: \
             chmod go-w {shown}"
        )
    })
}

/// A policy that root reads and the installed broker does not: it starts no more.
fn unread<'p>(policy: &Path, people: &'p People) -> impl Iterator<Item = String> + use<'p> {
    let broker = people.user(BROKER_USER);
    let tools = policy.parent().map(|folder| folder.join("tools.d"));
    let files = tools.iter().flat_map(fs::read_dir).flatten().flatten().map(|entry| entry.path());
    let all: Vec<_> = [policy.to_owned()].into_iter().chain(tools.clone()).chain(files).collect();
    all.into_iter().filter_map(move |path| {
        let (broker, found) = (broker?, fs::metadata(&path).ok()?);
        let class = match found.uid() == broker.uid {
            true => 6,
            false if people.is_in(broker, found.gid()) => 3,
            false => 0,
        };
        let wanted = if found.is_dir() { 0o5 } else { 0o4 };
        (found.mode() >> class & wanted != wanted).then(|| {
            let shown = path.display();
            format!("{shown} is closed to {BROKER_USER}, who has to read it: chmod a+rX {shown}")
        })
    })
}

/// Whoever is granted something and cannot connect to the socket has nothing of it.
fn socket(policy: &Policy, written: &Written<'_>, people: &People, findings: &mut Vec<Finding>) {
    let closed = |path: &str, others: u32| {
        fs::metadata(path).ok().filter(|found| found.mode() & others == 0)
    };
    let folder = closed(SOCKET_FOLDER, 0o001);
    let door = folder.or_else(|| closed(SOCKET, 0o002));
    if door.is_none() && Path::new(SOCKET_FOLDER).exists() {
        return;
    }
    let gid = door.map(|door| door.gid()).or_else(|| people.group(SOCKET_GROUP));
    let Some(gid) = gid else {
        findings.push(Finding::of_machine(format!(
            "no broker is installed: there is neither {SOCKET_FOLDER} nor a group {SOCKET_GROUP}"
        )));
        return;
    };
    let name = people.group_name(gid).map_or_else(|| gid.to_string(), str::to_owned);
    for grant in locked_out(&policy.grants, people, gid) {
        let message = format!(
            "{} reach the broker's socket in {SOCKET_FOLDER} without group {name}: \
             usermod -aG {name} USER",
            who(&grant.grantee)
        );
        findings.push(Finding::machine(written.place(&grant.place, message)));
    }
}

/// The grants of whom some are not in the group that may enter.
fn locked_out<'g>(
    grants: &'g [Grant],
    people: &People,
    gid: u32,
) -> impl Iterator<Item = &'g Grant> {
    grants.iter().filter(|grant| grants_something(grant)).filter(move |grant| {
        match grant.principal {
            Principal::User(uid) if uid != 0 => {
                !people.user_of(uid).is_some_and(|user| people.is_in(user, gid))
            }
            Principal::Group(of) if of != gid => {
                let mut members = people.members(of).peekable();
                members.peek().is_none() || members.any(|user| !people.is_in(user, gid))
            }
            _ => false,
        }
    })
}

fn grants_something(grant: &Grant) -> bool {
    !matches!(&grant.tools, GrantedTools::Named(names) if names.is_empty())
}

/// The beginning of a sentence that ends in what they cannot.
fn who(grantee: &Grantee) -> String {
    match grantee {
        Grantee::Group(_) => format!("not everybody in {} can", grantee),
        Grantee::User(_) | Grantee::Owner => format!("{} cannot", grantee),
    }
}

/// What this kernel's Landlock leaves open, in a sentence; `None` where that is nothing.
fn landlock(least: u32) -> Option<String> {
    let abi = match landlock_abi() {
        Ok(abi) => abi,
        Err(reason) => return Some(format!("{reason}: a broker here refuses every call")),
    };
    if abi < least {
        return Some(format!(
            "this kernel has Landlock ABI {abi}, and the policy asks for {least} at least \
             (sandbox.landlock_abi_min): a broker here does not start"
        ));
    }
    let missing = [
        (3, "truncating files"),
        (4, "TCP connects and binds to other ports"),
        (5, "ioctl on devices"),
        (6, "signals to other processes and abstract sockets, which seccomp then limits"),
    ];
    let open: Vec<_> = missing.iter().filter(|(since, _)| abi < *since).map(|(_, w)| *w).collect();
    (!open.is_empty())
        .then(|| format!("Landlock ABI {abi} of this kernel leaves open: {}", open.join("; ")))
}

/// The ABI, as the `landlock` crate finds it when it restricts somebody: a thread of its own, which
/// ends with that.
fn landlock_abi() -> Result<u32, String> {
    let restricted = || -> Result<RestrictionStatus, RulesetError> {
        let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1))?;
        rules.create()?.restrict_self()
    };
    let status = thread::scope(|scope| scope.spawn(restricted).join());
    match status {
        Ok(Ok(status)) => match status.landlock {
            LandlockStatus::Available { effective_abi, kernel_abi, .. } => {
                let known = effective_abi as i32;
                u32::try_from(kernel_abi.unwrap_or(known)).map_err(|e| e.to_string())
            }
            LandlockStatus::NotEnabled => Err("Landlock is switched off in this kernel".into()),
            LandlockStatus::NotImplemented => Err("this kernel has no Landlock".into()),
        },
        Ok(Err(error)) => Err(format!("Landlock cannot be asked ({error})")),
        Err(_) => Err("Landlock cannot be asked".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accounts, load, validate};

    const PASSWD: &str = "root:x:0:0::/:\nada:x:1000:1000::/:\nbob:x:1001:1001::/:\n";
    const GROUP: &str = "probity:x:990:ada\nlab:x:991:ada,bob\nops:x:992:ada\nempty:x:993:\n";

    /// The grantees of `grants` that cannot reach a socket of group probity.
    fn out(grants: &str) -> Vec<String> {
        let mut sources = load(&Origin::Shipped).unwrap();
        let text = format!("{}\n{grants}", sources.policy.text());
        sources.policy = crate::Source::new("policy.toml", text);
        let policy = validate(&sources, &Accounts::parse(PASSWD, GROUP)).unwrap();
        let people = People::parse(PASSWD, GROUP);
        locked_out(&policy.grants, &people, 990).map(|grant| who(&grant.grantee)).collect()
    }

    #[test]
    fn who_is_granted_something_and_cannot_enter_the_folder_of_the_socket_is_found() {
        let grant = |to: &str| format!("[[grant]]\n{to}\ntools = [\"ping\"]\n");
        for fine in ["user = \"ada\"", "user = 0", "group = \"ops\"", "self = true"] {
            assert!(out(&grant(fine)).is_empty(), "{fine}");
        }
        assert_eq!(out(&grant("user = \"bob\"")), ["user bob cannot"]);
        assert_eq!(out(&grant("user = 1002")), ["user 1002 cannot"]);
        assert_eq!(out(&grant("group = \"lab\"")), ["not everybody in group lab can"]);
        assert_eq!(out(&grant("group = \"empty\"")), ["not everybody in group empty can"]);
        assert!(out("[[grant]]\nuser = \"bob\"\ntools = []\n").is_empty());
    }
}
