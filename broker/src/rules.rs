//! What calls are decided and confined by: policy, accounts and compiled profiles, read together and
//! swapped together. It never changes; a reload makes another.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::PathBuf};

use probity_policy::{Accounts, Defects, LoadError, Origin, Policy, Tool, load, validate};
use probity_protocol::Availability;

use crate::{
    catalogs::Catalogs,
    complain::complain,
    sandbox::{Sandbox, SandboxError},
};

/// One policy at work. A run holds on to the one that approved it.
pub(crate) struct Rules {
    pub policy: Policy,
    pub accounts: Accounts,
    pub sandbox: Sandbox,
    /// What peers are told that they are granted.
    pub catalogs: Catalogs,
    /// Its tools are those that are compiled in.
    pub has_shipped_tools: bool,
}

/// What an administrator wrote: valid, and not compiled yet.
pub(crate) struct LoadedPolicy {
    pub policy: Policy,
    pub accounts: Accounts,
    /// The text of /etc/passwd.
    pub passwd: String,
    /// Nobody but root could have written it.
    pub belongs_to_root: bool,
    /// Its tools are those that are compiled in.
    pub has_shipped_tools: bool,
}

/// What of a broker's start the sandbox depends on. It stays as it is until the broker ends.
pub(crate) struct SandboxContext {
    pub run_folder: PathBuf,
    pub own_uid: bool,
}

/// Why there are no rules to decide by. Its message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The policy's files.
    #[error("the policy cannot be read: {0}")]
    Load(#[from] LoadError),
    /// What is in them.
    #[error(
        "the policy has defects, so nothing will run by it:\n{0}\n\
         `probity-policy check` shows each defect, and what to write instead"
    )]
    Defects(Defects),
    /// /etc/passwd, /etc/group or /etc/subuid.
    #[error("{path}: {error}")]
    Accounts {
        /// Which.
        path: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// The sandbox.
    #[error("the sandbox cannot be had: {0}")]
    Sandbox(#[from] SandboxError),
}

impl LoadedPolicy {
    /// Reads the accounts and the policy.
    ///
    /// # Errors
    /// Files that cannot be read or trusted, and defects of a policy.
    pub(crate) fn read(origin: &Origin) -> Result<Self, RulesError> {
        let passwd = read_text("/etc/passwd")?;
        let accounts = Accounts::parse(&passwd, &read_text("/etc/group")?)
            .with_subordinates(&read_text("/etc/subuid")?);
        let sources = load(origin)?;
        let policy = validate(&sources, &accounts).map_err(RulesError::Defects)?;
        let (belongs_to_root, has_shipped_tools) =
            (sources.belongs_to_root(), sources.has_shipped_tools());
        Ok(Self { policy, accounts, passwd, belongs_to_root, has_shipped_tools })
    }

    /// Says what in it is legal, but perhaps not meant. A broker that is started for each command says
    /// no more than which tools are left out: the rest is for `probity-policy check`, once.
    pub(crate) fn report(&self, is_embedded: bool) {
        for warning in self.policy.warnings().iter().filter(|_| !is_embedded) {
            complain!("{}: {}", warning.place, warning.message);
        }
        for tool in self.policy.excluded() {
            complain!("{}: {} is left out: {}", tool.file, tool.name, tool.reason);
        }
    }

    /// Compiles the sandbox of every tool.
    ///
    /// # Errors
    /// A kernel that has less than the policy demands, and a profile that does not compile.
    pub(crate) fn compile(self, context: &SandboxContext) -> Result<Rules, RulesError> {
        let profiles = self.policy.tools().iter().map(|tool| tool.sandbox().profile().as_ref());
        let sandbox = Sandbox::new(
            profiles,
            self.policy.landlock_abi_min(),
            context.run_folder.clone(),
            context.own_uid,
        )?;
        let Self { policy, accounts, has_shipped_tools, .. } = self;
        Ok(Rules { policy, accounts, sandbox, catalogs: Catalogs::default(), has_shipped_tools })
    }
}

impl Rules {
    /// Whether a tool can run here and now.
    pub(crate) fn availability(&self, tool: &Tool) -> Availability {
        let command = tool.command();
        let executable = fs::metadata(command)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        if !executable {
            return Availability::Unavailable {
                reason: format!("{} is not installed on the broker's host.", command.display()),
                remedy: match tool.package() {
                    Some(package) => format!("Install it: `apt install {package}` on Debian."),
                    None => format!("Install the program {}.", command.display()),
                },
            };
        }
        let facts = self.sandbox.facts();
        let needs = tool.sandbox().needs_net_raw()
            || (tool.sandbox().needs_net_raw_or_ping_sockets() && !facts.ping_sockets);
        if needs { self.capability(tool.name().as_str()) } else { Availability::Available }
    }

    /// Whether something that needs the capability can run.
    pub(crate) fn capability(&self, tool: &str) -> Availability {
        if self.sandbox.facts().net_raw {
            return Availability::Available;
        }
        Availability::Unavailable {
            reason: format!(
                "This use of {tool} needs CAP_NET_RAW, which this broker does not hold."
            ),
            remedy: "Use the installed broker, which holds it (without --embedded, as a member of group \
                     probity; in a container, add NET_RAW: --cap-add=NET_RAW), or let an administrator \
                     allow ICMP echo sockets: sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"."
                .into(),
        }
    }
}

/// Where there is no such file, as in some containers, nobody has a name.
fn read_text(path: &'static str) -> Result<String, RulesError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(RulesError::Accounts { path, error }),
    }
}
