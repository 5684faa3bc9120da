//! What confines a server of this user's: what it gives up before it serves (`confine`), and whom root's
//! becomes.

use super::{
    kernel::Landlock,
    person::Person,
    report::{Check, Mode},
};
use crate::process::confine::NOBODY;

const NAME: &str = "server";

/// The ABIs from which Landlock holds TCP, and signals and abstract sockets.
const TCP: u32 = 4;
const SCOPES: u32 = 6;

/// Whom a server of root's becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Becomes {
    /// Nobody.
    Nobody,
    /// Itself, since the installed broker's policy grants something to root by name.
    ItselfByName,
    /// Itself, since it can become nobody else here.
    Itself,
}

/// What a server that this user starts is held to.
pub(super) fn check(landlock: Landlock, person: &Person, becomes: Becomes, mode: Mode) -> Check {
    let by = match landlock {
        Landlock::Abi(abi) if abi >= SCOPES => "by Landlock and a filter of system calls",
        Landlock::Abi(abi) if abi >= TCP => {
            "by Landlock and a filter of system calls (abstract sockets of others stay within reach)"
        }
        Landlock::Abi(_) => {
            "by Landlock and a filter of system calls (TCP and abstract sockets stay within reach)"
        }
        Landlock::Off | Landlock::Absent | Landlock::Unknown => {
            "by a filter of system calls alone, since there is no Landlock: it may still write files"
        }
    };
    let starts = match mode {
        Mode::Installed => "",
        Mode::Embedded | Mode::NothingInstalled => {
            "; another process, which takes no orders, starts its broker"
        }
    };
    let gives_up =
        format!("a server gives up executing, changing files and connecting, {by}{starts}");
    match (person.uid, becomes) {
        (0, Becomes::Nobody) => {
            Check::ok(NAME, format!("{gives_up}; root's becomes nobody (uid {NOBODY})"))
        }
        (0, Becomes::ItselfByName) => Check::ok(
            NAME,
            format!(
                "{gives_up}; root's stays root, without any capability, since the policy grants \
                 something to root by name"
            ),
        ),
        (0, Becomes::Itself) => Check::warning(
            NAME,
            format!("{gives_up}; root's stays root, without any capability: it can become nobody else here"),
        )
        .advise(
            "Start it as another user, or with CAP_SETUID and CAP_SETGID (a container: --user=65534, or \
             --cap-add of both). In a user namespace of one user that user is all there is.",
        ),
        _ => match landlock {
            Landlock::Abi(_) => Check::ok(NAME, gives_up),
            _ => Check::warning(NAME, gives_up).advise("As is said of landlock, above."),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::doctor::CheckState;

    #[test]
    fn whoever_starts_a_server_is_told_what_is_left_to_it() {
        let of = |landlock, uid, becomes| {
            check(landlock, &Person { uid, ..Person::default() }, becomes, Mode::Embedded)
        };
        let usual = of(Landlock::Abi(7), 1000, Becomes::Itself);
        assert_eq!(usual.state, CheckState::Ok);
        assert!(usual.found.contains("takes no orders"), "{}", usual.found);
        assert!(of(Landlock::Abi(2), 1000, Becomes::Itself).found.contains("TCP"));
        assert_eq!(of(Landlock::Absent, 1000, Becomes::Itself).state, CheckState::Warning);
        assert!(of(Landlock::Abi(7), 0, Becomes::Nobody).found.contains("becomes nobody"));
        assert_eq!(of(Landlock::Abi(7), 0, Becomes::Itself).state, CheckState::Warning);
        let by_name = of(Landlock::Abi(7), 0, Becomes::ItselfByName);
        assert_eq!(by_name.state, CheckState::Ok);
        assert!(by_name.found.contains("by name"), "{}", by_name.found);
        let installed = check(
            Landlock::Abi(7),
            &Person { uid: 1, ..Person::default() },
            Becomes::Itself,
            Mode::Installed,
        );
        assert!(!installed.found.contains("starts its broker"), "{}", installed.found);
    }
}
