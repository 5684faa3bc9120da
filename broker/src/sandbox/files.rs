//! The Landlock ruleset of one run.
//!
//! It is made anew each time: a child can add rules to a ruleset that it holds a descriptor of, so
//! one that was shared would grow.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::fd::OwnedFd,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, Scope, make_bitflags,
};
use probity_policy::Plan;

/// What stands between a run and its ruleset.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The kernel refuses a layer that it has.
    #[error("the Landlock ruleset cannot be made: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// A path of the policy cannot be opened.
    #[error("{}: {error}", path.display())]
    Path { path: PathBuf, error: io::Error },
    /// The kernel made no ruleset: without one nothing runs.
    #[error("the kernel made no Landlock ruleset")]
    Missing,
}

/// A ruleset, and the rules that the child must add itself.
pub(super) struct Files {
    pub ruleset: OwnedFd,
    pub proc_rules: Vec<(CString, u64)>,
}

/// What a tool may do in the one folder that it can write to. It makes no folders there: its files
/// are counted, and removed one by one.
const PRIVATE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | MakeReg | RemoveFile
});

/// Makes the ruleset of a run: everything the kernel's ABI knows is handled, and therefore denied
/// unless a rule below allows it.
pub(super) fn ruleset(plan: &Plan, private: Option<&Path>, abi: u32) -> Result<Files, FilesError> {
    let abi = ABI::from(i32::try_from(abi).unwrap_or(i32::MAX));
    // RULE: A layer that does not install fully is a refused call.
    let mut ruleset = Ruleset::default()
        // No best effort: what this ABI has is enforced, or nothing runs.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        // No rule follows: no tool has a reason to listen.
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    }
    if abi >= ABI::V6 {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    let mut rules = Rules { ruleset: ruleset.create()?, abi, proc_rules: Vec::new() };

    let profile = plan.profile();
    let read = BitFlags::from(AccessFs::ReadFile) | AccessFs::ReadDir;
    for path in profile.read.iter().chain(plan.read()) {
        rules.allow(path, read)?;
    }
    for path in &profile.read_write {
        rules.allow(path, AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    for path in profile.execute.iter().chain(plan.execute()).map(PathBuf::as_path) {
        rules.allow(path, AccessFs::ReadFile | AccessFs::Execute)?;
    }
    rules.allow(plan.command(), AccessFs::ReadFile | AccessFs::Execute)?;
    if let Some(private) = private {
        let truncate = if abi >= ABI::V3 { AccessFs::Truncate.into() } else { BitFlags::EMPTY };
        rules.allow(private, PRIVATE | truncate)?;
    }

    let ruleset: Option<OwnedFd> = rules.ruleset.into();
    Ok(Files { ruleset: ruleset.ok_or(FilesError::Missing)?, proc_rules: rules.proc_rules })
}

struct Rules {
    ruleset: RulesetCreated,
    abi: ABI,
    proc_rules: Vec<(CString, u64)>,
}

impl Rules {
    /// Allows `access` to a path and what is below it. A path that this machine does not have is
    /// left out: nothing is granted by that.
    fn allow(&mut self, path: &Path, access: BitFlags<AccessFs>) -> Result<(), FilesError> {
        let fail = |error| FilesError::Path { path: path.to_owned(), error };
        if path.starts_with("/proc") {
            let text = CString::new(path.as_os_str().as_bytes()).map_err(|e| fail(e.into()))?;
            self.proc_rules.push((text, access.bits()));
            return Ok(());
        }
        let mut open = File::options();
        let opened = match open.read(true).custom_flags(libc::O_PATH).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(fail)?,
        };
        let is_folder = opened.metadata().map_err(fail)?.is_dir();
        let access = if is_folder { access } else { access & AccessFs::from_file(self.abi) };
        // By value and back: the crate's builder takes the ruleset over.
        let rule = PathBeneath::new(opened, access);
        (&mut self.ruleset).add_rule(rule)?;
        Ok(())
    }
}
