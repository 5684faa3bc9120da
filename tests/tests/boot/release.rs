//! What `make dist` puts together: that its sums are right, that it runs on what the docs say, that its
//! bills of materials tell the truth, and that packing it again gives the same bytes. (That building it
//! again in another folder does, `make test-long` tries.)

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use probity_tests::{broker::package_folder, needs};
use serde_json::Value;

const PROGRAMS: [&str; 3] = ["probity", "probity-broker", "probity-policy"];

/// The oldest C library that the programs run with. docs/releasing.md and docs/install.md name it.
const OLDEST_GLIBC: [u32; 2] = [2, 34];

/// What a difference means where nobody has changed anything else.
const OLD: &str = "is it of this commit? make dist";

pub(super) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The one file of a folder whose name ends so.
pub(super) fn named(folder: &Path, end: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut fitting = files.filter(|path| path.to_str().unwrap().ends_with(end));
    let found = fitting.next().unwrap_or_else(|| panic!("no {end} in {}", folder.display()));
    assert_eq!(fitting.next(), None, "more than one {end}");
    found
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    output
}

fn printed(command: &mut Command) -> String {
    String::from_utf8(done(command).stdout).unwrap()
}

pub(super) fn sha256(path: &Path) -> String {
    let line = printed(Command::new("sha256sum").arg(path));
    line.split(' ').next().unwrap().to_owned()
}

/// What the archive of programs holds, unpacked.
fn unpacked(release: &Path, into: &Path) -> PathBuf {
    let archive = named(release, "-linux-gnu.tar.gz");
    done(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(into));
    let name = archive.file_name().unwrap().to_str().unwrap();
    into.join(name.strip_suffix(".tar.gz").unwrap())
}

#[test]
fn the_sums_are_those_of_all_files() {
    let Some(release) = needs::release() else { return };
    let mut check = Command::new("sha256sum");
    let checked = printed(check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(&release));
    let summed: BTreeSet<_> =
        checked.lines().map(|line| line.strip_suffix(": OK").unwrap().to_owned()).collect();
    let files = fs::read_dir(&release).unwrap().map(|entry| entry.unwrap().file_name());
    let mut files: BTreeSet<_> = files.map(|name| name.into_string().unwrap()).collect();
    assert!(files.remove("SHA256SUMS"));
    assert_eq!(summed, files);
    // And each is told of.
    let page = fs::read_to_string(root().join("docs/releasing.md")).unwrap();
    for file in &files {
        let general = file.replace(version(), "VERSION");
        assert!(page.contains(&format!("`{general}`")), "docs/releasing.md lacks {general}");
    }
}

#[test]
fn the_programs_of_the_archive_name_their_commit_and_install() {
    let Some(release) = needs::release() else { return };
    let folder = tempfile::tempdir().unwrap();
    let unpacked = unpacked(&release, folder.path());
    for program in PROGRAMS {
        let said = printed(Command::new(unpacked.join("bin").join(program)).arg("--version"));
        let bill = bill(&release, program);
        let build = bill["metadata"]["properties"][0]["value"].as_str().unwrap();
        assert_eq!(said, format!("{program} {build}\n"));
        // (Sources without a repository know none.)
        if root().join(".git").exists() {
            let commit = build.strip_prefix(&format!("{} (", version())).unwrap();
            assert!(commit.chars().take(12).all(|c| c.is_ascii_hexdigit()), "{said}");
        }
    }

    let place = folder.path().join("installed");
    done(Command::new(unpacked.join("install")).arg("install").env("DESTDIR", &place));
    for file in ["usr/local/bin/probity-broker", "etc/probity/policy.toml"] {
        assert!(place.join(file).is_file(), "{file}");
    }
    assert!(place.join("usr/local/lib/systemd/system/probity-broker.service").is_file());
    assert!(place.join("usr/local/share/man/man1/probity.1").is_file());
}

#[test]
fn an_archive_of_the_sources_knows_its_commit_without_git() {
    let Some(release) = needs::release() else { return };
    if !needs::repository() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = release.join(format!("probity-{}.tar.gz", version()));
    done(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()));
    let sources = folder.path().join(format!("probity-{}", version()));
    let build = |sources: &Path| {
        let command = &mut Command::new(sources.join("packaging/as-released"));
        let command = command.args(["printenv", "PROBITY_BUILD", "SOURCE_DATE_EPOCH"]);
        printed(command.env_remove("SOURCE_DATE_EPOCH"))
    };
    let owner = format!("safe.directory={}", root().display());
    let mut head = Command::new("git");
    head.args(["-c", &owner, "log", "-1", "--abbrev=12", "--format=%h%n%ct"]);
    let head = printed(head.current_dir(root()));
    let (commit, time) = head.trim().split_once('\n').unwrap();
    assert_eq!(build(&sources), format!("{} ({commit})\n{time}\n", version()), "{OLD}");
    // What is not committed is no commit's.
    let own = build(&root());
    assert!(own.starts_with(&format!("{} ({commit}", version())), "{own}");
}

#[test]
fn the_programs_run_with_the_c_library_that_the_docs_name() {
    let Some(release) = needs::release() else { return };
    let folder = tempfile::tempdir().unwrap();
    let unpacked = unpacked(&release, folder.path());
    let mut newest = [0, 0];
    for program in PROGRAMS {
        let mut readelf = Command::new("readelf");
        let wanted = printed(
            readelf.args(["--version-info", "--wide"]).arg(unpacked.join("bin").join(program)),
        );
        for name in wanted.split_whitespace().filter_map(|word| word.strip_prefix("GLIBC_")) {
            let mut parts = name.split('.').map(|part| part.parse().unwrap());
            newest = newest.max([parts.next().unwrap(), parts.next().unwrap()]);
        }
    }
    assert_eq!(newest, OLDEST_GLIBC);
    let [major, minor] = OLDEST_GLIBC;
    for page in ["docs/releasing.md", "docs/install.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        assert!(text.contains(&format!("glibc {major}.{minor}")), "{page}");
    }
}

fn bill(release: &Path, program: &str) -> Value {
    let file = release.join(format!("{program}-{}.cdx.json", version()));
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// The crates of a program by its bill of materials: whether each is linked.
fn crates(release: &Path, program: &str) -> BTreeMap<String, bool> {
    let bill = bill(release, program);
    let components = bill["components"].as_array().unwrap().iter();
    let crates = components.map(|one| {
        let text = |key: &str| one[key].as_str().unwrap();
        (format!("{}-{}", text("name"), text("version")), text("scope") == "required")
    });
    crates.collect()
}

/// Crates that a program names itself: in the paths of the places where it may panic.
fn crates_named_in(program: &Path) -> BTreeSet<String> {
    let bytes = fs::read(program).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let after = text.split("cargo/registry/").skip(1).filter_map(|rest| {
        // Where paths are as the compiler found them, the registry's own folder comes first.
        match rest.strip_prefix("src/") {
            Some(rest) => Some(rest.split_once('/')?.1),
            None => Some(rest),
        }
    });
    let is_of_a_name = |c: &char| c.is_ascii_alphanumeric() || "-._+".contains(*c);
    after.map(|rest| rest.chars().take_while(is_of_a_name).collect()).collect()
}

#[test]
fn the_bills_of_materials_have_what_the_programs_are_built_of() {
    let Some(release) = needs::release() else { return };
    let folder = tempfile::tempdir().unwrap();
    let unpacked = unpacked(&release, folder.path());
    for program in PROGRAMS {
        let crates = crates(&release, program);
        let named = crates_named_in(&unpacked.join("bin").join(program));
        assert!(named.len() > 5, "{program} names {named:?}");
        for one in named {
            assert_eq!(crates.get(&one), Some(&true), "{program} has {one} in it");
        }
    }
    // What the frontend reads of strangers is not in the broker.
    let has = |program: &str, name: &str| {
        let crates = crates(&release, program);
        crates
            .keys()
            .any(|one| one.rsplit_once('-').is_some_and(|(crate_name, _)| crate_name == name))
    };
    for foreign in ["axum", "clap", "hyper", "rmcp", "serde_json"] {
        assert!(has("probity", foreign) && !has("probity-broker", foreign), "{foreign}");
    }
    for own in ["caps", "seccompiler", "landlock"] {
        assert!(has("probity-broker", own), "{own}");
    }
}

#[test]
fn the_bills_of_materials_fit_the_schema_of_cyclonedx() {
    let Some(release) = needs::release() else { return };
    let Some(python) = needs::venv("cyclonedx/bin/python") else { return };
    let mut check = Command::new(python);
    check.arg(root().join("tests/clients/bill_of_materials.py"));
    check.args(PROGRAMS.map(|program| release.join(format!("{program}-{}.cdx.json", version()))));
    done(&mut check);
}

#[test]
fn to_pack_it_again_gives_the_same_bytes() {
    let Some(release) = needs::release() else { return };
    if needs::venv("mcpb/ready").is_none() {
        return;
    }
    let Some(cargo_deb) = needs::venv("cargo-deb/bin/cargo-deb") else { return };
    let folder = tempfile::tempdir().unwrap();
    let programs = unpacked(&release, folder.path()).join("bin");
    // Later than the release was packed, by somebody with other habits.
    let later = |target: &Path, words: &[&OsStr]| {
        let mut command = Command::new(root().join("packaging/as-released"));
        command.args(["sh", "-c", "umask 077; exec \"$@\"", "sh"]).args(words);
        command.env("BUILT", &programs).env("CARGO_TARGET_DIR", target);
        done(command.env("TZ", "Asia/Kathmandu").env("LC_ALL", "C.UTF-8").current_dir(root()));
    };
    let again = folder.path().join("a folder elsewhere");
    let built = release.parent().unwrap();
    later(built, &[root().join("packaging/dist/pack").as_os_str(), again.as_os_str()]);
    // The programs of the release, where the package takes them from: what is built may be younger.
    let target = folder.path().join("target");
    fs::create_dir(&target).unwrap();
    symlink(&programs, target.join(package_folder())).unwrap();
    let package = again.join("package");
    let profile = env::var_os("PROBITY_PROFILE").unwrap_or("release".into());
    let quiet = ["--quiet", "-p", "probity", "--no-build", "--output"].map(OsStr::new);
    // As the Makefile packs what is not to be shipped.
    let fast = (profile == "dev").then_some(OsStr::new("--fast"));
    let fast: Vec<_> = fast.into_iter().collect();
    let words = [&[cargo_deb.as_os_str()], &fast[..], &quiet[..], &[package.as_os_str()]].concat();
    later(&target, &[&words[..], &[OsStr::new("--profile"), &profile]].concat());
    let deb = named(&package, ".deb");
    fs::rename(&deb, again.join(deb.file_name().unwrap())).unwrap();
    for entry in fs::read_dir(&release).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap();
        assert_eq!(sha256(&file), sha256(&again.join(name)), "{}: {OLD}", name.display());
    }
}
