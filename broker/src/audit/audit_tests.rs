use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use probity_policy::Subject;
use probity_protocol::{RefusalKind, Tier, chain::Link};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::peer::Peer;

const POLICY: Digest = Digest([7; 32]);

fn facts() -> probity_protocol::SandboxFacts {
    probity_protocol::SandboxFacts { landlock_abi: 6, net_raw: false, ping_sockets: true }
}

fn start(path: &Path) -> Result<AuditLog, AuditError> {
    AuditLog::start(LogFile::open(path, own_uid())?, POLICY, &facts(), false)
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn peer(uid: u32) -> Peer {
    let subject = Subject { uid, gids: vec![uid], owner: false, most: Tier::Intrusive };
    Peer { pid: 42, gid: uid, user: None, subject }
}

fn refuse(log: &mut AuditLog, uid: u32, message: &str) -> Result<(), AuditError> {
    let refusal = Refusal { kind: RefusalKind::Malformed, message: message.to_owned() };
    log.refused(By { policy: POLICY, peer: &peer(uid) }, &refusal)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("audit.jsonl")
    }

    fn lines(&self) -> Vec<Value> {
        lines(&fs::read(self.log()).unwrap())
    }
}

/// Every line parsed, of a text that is a whole chain.
fn lines(text: &[u8]) -> Vec<Value> {
    whole(text, Head::START);
    text.split_inclusive(|b| *b == b'\n').map(|l| serde_json::from_slice(l).unwrap()).collect()
}

/// The head that a text of whole lines leads to.
fn whole(text: &[u8], after: Head) -> Head {
    assert!(text.is_empty() || text.ends_with(b"\n"));
    let lines = text.split_inclusive(|b| *b == b'\n').map(|line| &line[..line.len() - 1]);
    lines.fold(after, |head, line| {
        let next = Link { seq: head.seq + 1, prev: head.hash };
        assert_eq!(Link::read(line), Some(next));
        Head::of(line).unwrap()
    })
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap()).collect()
}

#[test]
fn a_chain_goes_on_across_starts() {
    let folder = Folder::new();
    for round in 0..3 {
        let mut log = start(&folder.log()).unwrap();
        refuse(&mut log, round, "junk").unwrap();
        log.stop(POLICY).unwrap();
        assert_eq!(log.head(), whole(&fs::read(folder.log()).unwrap(), Head::START));
    }
    let lines = folder.lines();
    let round = ["start", "refused", "stop"];
    assert_eq!(events(&lines), [round, round, round].concat());
    assert_eq!((&lines[0]["continued"], &lines[3]["continued"]), (&false.into(), &true.into()));
    assert_eq!(lines[8]["seq"], 9);
    assert_eq!(lines[0]["landlock_abi"], 6);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_line_torn_at_any_byte_is_cut_off_and_kept(
        messages in prop::collection::vec(".{0,60}", 1..8), cut in any::<prop::sample::Index>(),
    ) {
        let folder = Folder::new();
        let mut log = start(&folder.log()).unwrap();
        for message in &messages {
            refuse(&mut log, 1, message).unwrap();
        }
        drop(log);
        let text = fs::read(folder.log()).unwrap();
        let cut = cut.index(text.len());
        fs::write(folder.log(), &text[..cut]).unwrap();
        start(&folder.log()).unwrap();

        let left = text[..cut].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let after = fs::read(folder.log()).unwrap();
        prop_assert_eq!(&after[..left], &text[..left]);
        let lines = lines(&after);
        if left < cut {
            let repaired = &lines[lines.len() - 2];
            prop_assert_eq!(&repaired["event"], "repaired");
            prop_assert_eq!(&repaired["torn_bytes"], cut - left);
            let sha256 = Digest::of(&text[left..cut]).to_string();
            prop_assert_eq!(&repaired["torn_sha256"], &sha256);
            let torn = repaired["torn_text"].as_str().unwrap();
            prop_assert_eq!(torn.as_bytes(), &text[left..cut]);
        }
        prop_assert_eq!(&lines[lines.len() - 1]["event"], "start");
    }

    #[test]
    fn whatever_a_crash_leaves_after_the_last_line_is_kept_byte_for_byte(
        torn in prop::collection::vec(any::<u8>().prop_map(|b| if b == b'\n' { 0 } else { b }), 1..6000),
    ) {
        let folder = Folder::new();
        drop(start(&folder.log()).unwrap());
        OpenOptions::new().append(true).open(folder.log()).unwrap().write_all(&torn).unwrap();
        start(&folder.log()).unwrap();
        let lines = folder.lines();
        prop_assert_eq!(events(&lines), ["start", "repaired", "start"]);
        prop_assert_eq!(&lines[1]["torn_bytes"], torn.len());
        prop_assert_eq!(&lines[1]["torn_sha256"], &Digest::of(&torn).to_string());
        let kept: Vec<u8> =
            lines[1]["torn_text"].as_str().unwrap().chars().map(|c| u8::try_from(c).unwrap()).collect();
        prop_assert_eq!(&kept[..], &torn[..torn.len().min(4096)]);
    }
}

#[test]
fn the_end_is_found_behind_a_torn_line_that_is_larger_than_what_is_read_at_once() {
    let folder = Folder::new();
    let mut log = start(&folder.log()).unwrap();
    refuse(&mut log, 1, &"long ".repeat(30_000)).unwrap();
    let head = log.head();
    drop(log);
    let mut file = OpenOptions::new().append(true).open(folder.log()).unwrap();
    file.write_all(&vec![0; 300_000]).unwrap();
    let log = start(&folder.log()).unwrap();
    assert_eq!(log.head().seq, head.seq + 2);
    assert_eq!(folder.lines()[2]["torn_bytes"], 300_000);
}

#[test]
fn a_first_line_that_goes_on_with_the_chain_of_another_file_is_believed_where_it_is_torn() {
    let folder = Folder::new();
    let head = Head { seq: 57, hash: Digest([9; 32]) };
    fs::write(folder.log(), format!("{}\"time\":\"20", head.next_line())).unwrap();
    start(&folder.log()).unwrap();
    let text = fs::read(folder.log()).unwrap();
    assert_eq!(whole(&text, head).seq, 59);
}

#[test]
fn what_is_no_log_is_left_alone_and_the_message_says_what_to_do() {
    let folder = Folder::new();
    for foreign in ["somebody's notes", "somebody's notes\n", "{\"time\":\"old\"}\n", "\n"] {
        fs::write(folder.log(), foreign).unwrap();
        let said = start(&folder.log()).unwrap_err().to_string();
        assert!(said.contains("move it away (mv ") && said.contains("--audit"), "{said}");
        assert_eq!(fs::read_to_string(folder.log()).unwrap(), foreign);
    }
}

#[test]
fn links_folders_fifos_and_files_that_others_can_write_are_refused() {
    let folder = Folder::new();
    let at = |name: &str| folder.0.path().join(name);
    symlink(at("elsewhere"), at("link")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(at("open"), "").unwrap();
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o660)).unwrap();
    for (name, why) in [
        ("link", "symbolic link"),
        ("folder", "directory"),
        ("fifo", "no regular file"),
        ("open", "chmod go-w"),
    ] {
        let said = LogFile::open(&at(name), own_uid()).unwrap_err().to_string();
        assert!(said.contains(why), "{name}: {said}");
    }
    assert!(!at("elsewhere").exists());
}

#[test]
fn two_brokers_do_not_share_a_file() {
    let folder = Folder::new();
    let first = start(&folder.log()).unwrap();
    let said = start(&folder.log()).unwrap_err().to_string();
    assert!(said.contains("another broker writes to it"), "{said}");
    drop(first);
    start(&folder.log()).unwrap();
}

#[test]
fn the_chain_goes_on_in_a_new_file_and_a_file_that_was_not_moved_is_left_as_it_is() {
    let folder = Folder::new();
    let mut log = start(&folder.log()).unwrap();
    log.reopen().unwrap();
    assert_eq!(events(&folder.lines()), ["start"]);

    let old = folder.0.path().join("audit.jsonl.1");
    fs::rename(folder.log(), &old).unwrap();
    log.reopen().unwrap();
    refuse(&mut log, 1, "junk").unwrap();
    let first = fs::read(&old).unwrap();
    assert_eq!(events(&lines(&first)), ["start", "rotated"]);
    let second = fs::read(folder.log()).unwrap();
    assert_eq!(whole(&second, whole(&first, Head::START)), log.head());
    assert_eq!(log.head().seq, 3);
    drop(log);
    start(&folder.log()).unwrap();
    assert_eq!(whole(&fs::read(folder.log()).unwrap(), whole(&first, Head::START)).seq, 4);
}

#[test]
fn a_file_that_is_removed_is_made_anew_and_says_where_the_chain_went_on() {
    let folder = Folder::new();
    let mut log = start(&folder.log()).unwrap();
    refuse(&mut log, 1, "junk").unwrap();
    assert_eq!(log.removed(), None);
    let lost = log.head();
    fs::remove_file(folder.log()).unwrap();
    assert_eq!(log.removed(), Some(Duration::ZERO));
    refuse(&mut log, 2, "junk").unwrap();
    let text = fs::read(folder.log()).unwrap();
    assert_eq!(whole(&text, lost), log.head());
    let text = String::from_utf8(text).unwrap();
    let new: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events(&new), ["removed", "refused"]);
    assert_eq!(new[0]["lost_to"], lost.seq);
    assert!(log.removed().is_some_and(|since| !since.is_zero()));
    // One that a rotation has moved is still there for whoever reads it.
    fs::rename(folder.log(), folder.0.path().join("audit.jsonl.1")).unwrap();
    refuse(&mut log, 3, "junk").unwrap();
    assert!(!folder.log().exists());
    // After a signal, too, it is told from a rotation.
    fs::remove_file(folder.0.path().join("audit.jsonl.1")).unwrap();
    log.reopen().unwrap();
    let text = fs::read_to_string(folder.log()).unwrap();
    assert!(text.contains("\"event\":\"removed\"") && !text.contains("rotated"), "{text}");
}

#[test]
fn what_cannot_be_recorded_since_the_file_was_removed_does_not_happen() {
    let folder = Folder::new();
    let mut log = start(&folder.log()).unwrap();
    fs::remove_file(folder.log()).unwrap();
    symlink("/dev/null", folder.log()).unwrap();
    let said = refuse(&mut log, 1, "junk").unwrap_err().to_string();
    assert!(said.contains("was removed, and cannot be made anew"), "{said}");
    assert!(said.contains("symbolic link"), "{said}");
    assert!(log.failed().is_some());
    fs::remove_file(folder.log()).unwrap();
    refuse(&mut log, 1, "junk").unwrap();
    assert!(log.failed().is_none() && folder.log().exists());
}

#[test]
fn a_new_file_that_holds_lines_or_is_a_link_is_not_gone_on_in() {
    let folder = Folder::new();
    let mut log = start(&folder.log()).unwrap();
    let old = folder.0.path().join("audit.jsonl.1");
    fs::rename(folder.log(), &old).unwrap();
    fs::copy(&old, folder.log()).unwrap();
    assert!(log.reopen().unwrap_err().to_string().contains("holds lines already"));
    fs::remove_file(folder.log()).unwrap();
    symlink("/dev/null", folder.log()).unwrap();
    assert!(log.reopen().unwrap_err().to_string().contains("symbolic link"));
    refuse(&mut log, 1, "junk").unwrap();
    assert_eq!(events(&lines(&fs::read(&old).unwrap())), ["start", "refused"]);
}

#[test]
fn what_is_refused_again_is_counted_and_what_another_user_is_refused_is_counted_apart() {
    let folder = Folder::new();
    let mut log = start(&folder.log()).unwrap();
    for _ in 0..5 {
        refuse(&mut log, 1, "junk").unwrap();
        refuse(&mut log, 2, "junk").unwrap();
    }
    refuse(&mut log, 1, "other junk").unwrap();
    log.stop(POLICY).unwrap();
    let lines = folder.lines();
    let expected = ["start", "refused", "refused", "refused", "repeated", "repeated", "stop"];
    assert_eq!(events(&lines), expected);
    for (line, uid, first) in [(&lines[4], 1, 2), (&lines[5], 2, 3)] {
        assert_eq!((&line["uid"], &line["first_seq"]), (&uid.into(), &first.into()));
        assert_eq!((&line["of"], &line["kind"]), (&"refused".into(), &"malformed".into()));
        assert_eq!(line["count"], 4);
        assert!(line["first_time"].as_str() <= line["last_time"].as_str());
    }
}

#[test]
fn a_window_that_is_over_gets_its_line_and_the_next_refusal_is_one_in_full() {
    let folder = Folder::new();
    let mut log = start(&folder.log()).unwrap();
    refuse(&mut log, 1, "junk").unwrap();
    refuse(&mut log, 1, "junk").unwrap();
    let due = log.due().unwrap();
    assert!(due > Instant::now());
    log.close_windows(|window| window.end() <= due).unwrap();
    assert_eq!(log.due(), None);
    refuse(&mut log, 1, "junk").unwrap();
    assert_eq!(events(&folder.lines()), ["start", "refused", "repeated", "refused"]);
}

#[test]
fn more_kinds_of_refusals_than_are_counted_lose_none() {
    const KINDS: u64 = 300;
    let folder = Folder::new();
    let mut log = start(&folder.log()).unwrap();
    for _ in 0..2 {
        for kind in 0..KINDS {
            refuse(&mut log, 1, &format!("junk {kind}")).unwrap();
            refuse(&mut log, 1, &format!("junk {kind}")).unwrap();
        }
    }
    log.stop(POLICY).unwrap();
    let lines = folder.lines();
    let told: u64 = lines
        .iter()
        .map(|line| match line["event"].as_str().unwrap() {
            "refused" => 1,
            "repeated" => line["count"].as_u64().unwrap(),
            _ => 0,
        })
        .sum();
    assert_eq!(told, 4 * KINDS);
}
