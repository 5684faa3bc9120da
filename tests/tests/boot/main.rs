//! The first use of all: an administrator installs Probity on a server, and people on it call tools.
//! Each test boots a machine of its own (see `probity_tests::machine`), installs, and asks systemd, the
//! kernel and the programs what came of it. A binary of its own, since it needs the package; what else is
//! made for others is tried here too.
//!
//! | module | promise |
//! |---|---|
//! | [`bundle`] | the bundle for desktop assistants as a host takes it, and what a registry is told of it |
//! | [`confined`] | what the kernel says of the processes, the fence, a broker that is killed |
//! | [`forwarding`] | the audit log in the journal and at a syslog server |
//! | [`from_source`] | `make install` and `make uninstall` |
//! | [`package`] | upgrades, removal, purging; machines where something is missing |
//! | [`pages`] | the lines of the administrators' pages |
//! | [`release`] | what `make dist` puts together |
//! | [`serving`] | what a member of the group, a stranger and HTTP get; reloads; the journal |

mod bundle;
mod confined;
mod forwarding;
mod from_source;
mod package;
mod pages;
mod release;
mod serving;

use probity_tests::{
    machine::{Kind, Machine},
    needs,
};

/// A machine with the package installed, a member of the group (ada) and somebody else (bob); none
/// where this machine cannot boot one.
fn installed() -> Option<Machine> {
    installed_on(Kind::default())
}

fn installed_on(kind: Kind) -> Option<Machine> {
    let machine = bare(kind)?;
    machine.done("dpkg --install /package/probity.deb").unwrap();
    Some(machine)
}

fn bare(kind: Kind) -> Option<Machine> {
    if !needs::root() || !needs::machine() {
        return None;
    }
    let machine = Machine::boot(kind).unwrap();
    machine.done("useradd --create-home ada; useradd --create-home bob").unwrap();
    Some(machine)
}

/// Makes ada a member.
fn let_ada_in(machine: &Machine) {
    machine.done("adduser --quiet ada probity").unwrap();
}
