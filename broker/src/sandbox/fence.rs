//! The fence of one run: the kernel stops it at each call that names an address, asks here, and goes
//! on only where the address is the run's own target. A scanned host that redirects, refers or embeds
//! sends the tool nowhere.
//!
//! What is read here is the tool's memory at a call that stands still. Nobody can change it between
//! the answer and the kernel's own look: a run has one thread, or helpers that share no memory with it,
//! and nothing that writes to its memory behind its back (io_uring ends it). Of a run that has threads
//! the kernel does not look again: the broker makes the call in its place ([`super::on_behalf`]).
//! A run with `CAP_NET_RAW` is the exception: it may have a ring, which the kernel fills with packets as
//! they come, and frames that a packet socket writes without an address are not seen at all.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read as _},
    net::SocketAddr,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::FileExt as _,
    },
    path::{Path, PathBuf},
};

use nix::unistd::{Pid, getpgid};
use probity_policy::PacketsTo;
use probity_protocol::FenceRefusals;
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    address::{self, Address},
    on_behalf::{LONGEST_MESSAGE, Sockets},
};
use crate::{
    complain::complain,
    slices::Share,
    sys::{
        listener::{Answer, Question, answer, hand_over, next, waits},
        process::watch,
    },
};

/// Questions answered before anybody else has a turn on this thread.
const BATCH: usize = 16;

/// Memory of packet rings that a run may have at a time: libpcap takes 2 to 4 MiB for each capture.
const RINGS_BYTES: u64 = 16 << 20;

/// The list of a run's mappings that is looked at, in bytes. Who has more of them has no more rings.
const MOST_MAPS: u64 = 256 << 10;

/// Messages that one `sendmmsg` may have. glibc's resolver sends two.
const MOST_MESSAGES: u64 = 16;

/// Control data that is looked at; what tools send is shorter.
const MOST_CONTROL: usize = 256;

/// Pieces that a message of a run with threads may have. libuv sends one.
const MOST_PIECES: u64 = 16;

const REFUSED: Answer = Answer::Fail(libc::EACCES);

/// Answers for one run.
#[derive(Debug)]
pub(crate) struct Fence {
    /// `None` once nobody is left who could ask. The kernel fails calls that nobody answers for.
    listener: Option<AsyncFd<OwnedFd>>,
    /// The run's process, which is its group too.
    pid: Pid,
    /// Of a run with threads.
    sockets: Sockets,
    rules: FenceRules,
    /// How many files it has made.
    files: u32,
    rings: Vec<Ring>,
    memory: Option<Memory>,
    refusals: Option<FenceRefusals>,
}

/// What a run may do of what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FenceRules {
    /// Where it may send packets.
    pub reach: PacketsTo,
    /// How many files it may make.
    pub files: u32,
    /// It has threads.
    pub threads: bool,
    /// What it writes to packet sockets has no header yet.
    pub headerless: bool,
}

/// The memory of the process that asks.
#[derive(Debug)]
struct Memory {
    pid: Pid,
    file: File,
}

/// A ring of packets that a run has.
#[derive(Debug)]
struct Ring {
    /// As /proc names its socket.
    socket: PathBuf,
    bytes: u64,
}

/// What an argument points to cannot be read.
struct Unreadable;

impl Fence {
    /// For a run whose questions come through `listener`.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`.
    pub(crate) fn new(listener: OwnedFd, pid: Pid, rules: FenceRules) -> io::Result<Self> {
        hand_over(listener.as_fd());
        let listener = Some(watch(listener)?);
        Ok(Self {
            listener,
            pid,
            sockets: Sockets::default(),
            rules,
            files: 0,
            rings: Vec::new(),
            memory: None,
            refusals: None,
        })
    }

    /// Where the run was not let go, if it tried.
    pub(crate) fn refusals(&self) -> Option<FenceRefusals> {
        self.refusals
    }

    /// Waits for questions and answers some, in a slice of the run's user.
    pub(crate) async fn serve(&mut self, share: &Share) {
        let Some(listener) = &self.listener else { return std::future::pending().await };
        // That it cannot be waited for shows when it is read.
        let _ = listener.readable().await;
        let _slice = share.next().await;
        for _ in 0..BATCH {
            let Some(listener) = &self.listener else { return };
            let taken = listener.try_io(Interest::READABLE, |listener| next(listener.as_fd()));
            if taken.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                return;
            }
            let answered = taken.and_then(|question| {
                let Some(question) = question else { return Ok(false) };
                let decided = self.decide(&question).unwrap_or(Answer::Fail(libc::EFAULT));
                let Some(listener) = &self.listener else { return Ok(false) };
                answer(listener.as_fd(), question.id, decided).map(|()| true)
            });
            match answered {
                Ok(true) => {}
                Ok(false) => self.listener = None,
                Err(error) => {
                    complain!("a run's fence cannot be held, so it reaches nothing: {error}");
                    self.listener = None;
                }
            }
        }
    }

    fn decide(&mut self, asked: &Question) -> Result<Answer, Unreadable> {
        if self.rules.threads {
            return self.make(asked);
        }
        let [first, second, third, _, fifth, sixth] = asked.arguments;
        match asked.call {
            libc::SYS_kill => Ok(self.signal(first)),
            libc::SYS_connect => match self.address(asked, second, third)? {
                Some(Address::Unspecified) => Ok(Answer::Continue),
                to => Ok(self.outward(to)),
            },
            libc::SYS_bind => Ok(match self.address(asked, second, third)? {
                Some(Address::Kernel | Address::Device(_)) => Answer::Continue,
                // A port of one's own choice is there to be talked to. The kernel's choice is what
                // every connection has.
                Some(Address::Internet(own)) if own.port() == 0 => Answer::Continue,
                _ => REFUSED,
            }),
            libc::SYS_sendto => match self.address(asked, fifth, sixth)? {
                Some(Address::Device(kind)) => {
                    let mut frame = [0; address::FRAME];
                    let frame = self.read(asked, second, third, &mut frame)?;
                    // The kernel writes the header of what is no frame yet.
                    let to = match self.rules.headerless {
                        true => address::of_packet(kind, frame),
                        false => address::of_frame(frame),
                    };
                    let to = to.map(|to| SocketAddr::new(to, 0));
                    Ok(self.outward(to.map(Address::Internet)))
                }
                to => Ok(self.outward(to)),
            },
            libc::SYS_sendmsg => self.message(asked, second),
            libc::SYS_sendmmsg => self.messages(asked, second, third),
            libc::SYS_setsockopt => self.ring(asked),
            _ => Ok(self.file()),
        }
    }

    /// Makes a call in the place of a run with threads, or lets it fail. It connects, and sends where it
    /// is connected.
    fn make(&mut self, asked: &Question) -> Result<Answer, Unreadable> {
        let [socket, second, third, ..] = asked.arguments;
        match asked.call {
            libc::SYS_kill => Ok(self.signal(socket)),
            libc::SYS_socket => {
                let listener = self.listener.as_ref().ok_or(Unreadable)?;
                Ok(self.sockets.open(listener.as_fd(), asked))
            }
            libc::SYS_connect => match self.address(asked, second, third)? {
                Some(Address::Internet(to)) => {
                    Ok(match self.outward(Some(Address::Internet(to))) {
                        Answer::Continue => self.sockets.connect(socket, to),
                        refused => refused,
                    })
                }
                _ => Ok(REFUSED),
            },
            libc::SYS_bind => Ok(match self.address(asked, second, third)? {
                // What the kernel would choose, it chooses where the socket is connected.
                Some(Address::Internet(own)) if own.port() == 0 => Answer::Done(0),
                _ => REFUSED,
            }),
            libc::SYS_sendmsg => {
                let header = self.header(asked, second)?;
                if header.name != 0 || header.control_length != 0 || header.pieces > MOST_PIECES {
                    return Ok(REFUSED);
                }
                let message = self.pieces(asked, &header)?;
                Ok(self.sockets.send(socket, &message))
            }
            // Whoever has no such call takes the other one.
            libc::SYS_sendmmsg => Ok(Answer::Fail(libc::ENOSYS)),
            libc::SYS_sendto | libc::SYS_setsockopt => Ok(REFUSED),
            _ => Ok(self.file()),
        }
    }

    /// The bytes of a message, as many as IP takes.
    fn pieces(&mut self, asked: &Question, header: &Header) -> Result<Vec<u8>, Unreadable> {
        let mut message = Vec::new();
        for number in 0..header.pieces {
            let mut piece = [0; 16];
            self.read(asked, header.pieces_at.wrapping_add(number * 16), 16, &mut piece)?;
            let word = |at: usize| {
                piece.get(at..).and_then(|rest| rest.first_chunk()).map(|w| u64::from_ne_bytes(*w))
            };
            let (at, length) = (word(0).ok_or(Unreadable)?, word(8).ok_or(Unreadable)?);
            let room = LONGEST_MESSAGE.saturating_sub(message.len() as u64);
            let mut bytes = vec![0; usize::try_from(length.min(room)).map_err(|_| Unreadable)?];
            self.read(asked, at, length, &mut bytes)?;
            message.extend(bytes);
        }
        Ok(message)
    }

    /// A signal to a process of the run, or to all of them.
    fn signal(&self, to: u64) -> Answer {
        // The kernel looks at no more of it.
        #[allow(clippy::cast_possible_truncation)]
        let to = Pid::from_raw((to as u32).cast_signed());
        let own = [0, -self.pid.as_raw()].contains(&to.as_raw());
        match own || (to.as_raw() > 0 && getpgid(Some(to)) == Ok(self.pid)) {
            true => Answer::Continue,
            false => Answer::Fail(libc::EPERM),
        }
    }

    /// Whether something may be sent to an address.
    fn outward(&mut self, to: Option<Address>) -> Answer {
        match to {
            Some(Address::Kernel) => Answer::Continue,
            Some(Address::Internet(to)) => {
                // RULE: A run reaches its own target alone.
                if self.rules.reach.has(to.ip()) {
                    return Answer::Continue;
                }
                let refusals = self.refusals.get_or_insert(FenceRefusals { first: to, count: 0 });
                refusals.count += 1;
                REFUSED
            }
            // A family that no tool has, or an address that is none.
            Some(Address::Device(_) | Address::Unspecified) | None => REFUSED,
        }
    }

    /// One message, with its address and its control data.
    fn message(&mut self, asked: &Question, header: u64) -> Result<Answer, Unreadable> {
        let message = self.header(asked, header)?;
        if message.control != 0 && message.control_length > 0 {
            let mut control = [0; MOST_CONTROL];
            if message.control_length > control.len() as u64 {
                return Ok(REFUSED);
            }
            let control =
                self.read(asked, message.control, message.control_length, &mut control)?;
            if !only_harmless(control) {
                return Ok(REFUSED);
            }
        }
        if message.name == 0 {
            return Ok(Answer::Continue);
        }
        let to = self.address(asked, message.name, message.name_length)?;
        Ok(self.outward(to))
    }

    /// Several at once. The kernel writes into their headers as it goes, so that of more than one only
    /// such are let through as point nowhere.
    fn messages(
        &mut self,
        asked: &Question,
        headers: u64,
        count: u64,
    ) -> Result<Answer, Unreadable> {
        /// A header, and how much of its message was sent.
        const STRIDE: u64 = 64;
        if count == 1 {
            return self.message(asked, headers);
        }
        if count > MOST_MESSAGES {
            return Ok(REFUSED);
        }
        for number in 0..count {
            let message = self.header(asked, headers.wrapping_add(number * STRIDE))?;
            if message.name != 0 || message.control != 0 {
                return Ok(REFUSED);
            }
        }
        Ok(Answer::Continue)
    }

    /// A ring of packets, if there is room for it beside those that the run has. libpcap tries a
    /// smaller one where there is no memory.
    fn ring(&mut self, asked: &Question) -> Result<Answer, Unreadable> {
        let [socket, _, _, value, length, _] = asked.arguments;
        // Size of a block and number of blocks, whatever the ring's version.
        let mut request = [0; 8];
        let request = self.read(asked, value, length, &mut request)?;
        let number = |at| request.get(at..)?.first_chunk().map(|n| u32::from_ne_bytes(*n).into());
        let (Some(size), Some(blocks)): (Option<u64>, Option<u64>) = (number(0), number(4)) else {
            return Ok(Answer::Fail(libc::EINVAL));
        };
        let bytes = size.saturating_mul(blocks);
        let folder = PathBuf::from(format!("/proc/{}/fd", asked.pid));
        let socket = fs::read_link(folder.join(socket.to_string())).map_err(|_| Unreadable)?;
        if bytes == 0 {
            // It goes, if it is not in use: that shows when it is closed.
            return Ok(Answer::Continue);
        }
        // A ring stays for as long as its socket is open or a page of it is mapped.
        if !self.rings.is_empty() {
            let open: HashSet<_> = fs::read_dir(&folder)
                .and_then(Iterator::collect::<io::Result<Vec<_>>>)
                .map_err(|_| Unreadable)?
                .iter()
                .filter_map(|entry| fs::read_link(entry.path()).ok())
                .collect();
            let Some(maps) = short_file(&format!("/proc/{}/maps", asked.pid))? else {
                return Ok(Answer::Fail(libc::ENOMEM));
            };
            let mapped: HashSet<_> = maps.split_ascii_whitespace().map(Path::new).collect();
            self.rings.retain(|ring| {
                open.contains(&ring.socket) || mapped.contains(ring.socket.as_path())
            });
        }
        let taken: u64 = self.rings.iter().map(|ring| ring.bytes).sum();
        if taken.saturating_add(bytes) > RINGS_BYTES {
            return Ok(Answer::Fail(libc::ENOMEM));
        }
        self.rings.push(Ring { socket, bytes });
        Ok(Answer::Continue)
    }

    /// A file, if the run may make one more.
    fn file(&mut self) -> Answer {
        if self.files >= self.rules.files {
            return Answer::Fail(libc::EDQUOT);
        }
        self.files += 1;
        Answer::Continue
    }

    fn address(
        &mut self,
        asked: &Question,
        at: u64,
        length: u64,
    ) -> Result<Option<Address>, Unreadable> {
        let mut bytes = [0; address::LONGEST];
        self.read(asked, at, length, &mut bytes).map(address::parse)
    }

    fn header(&mut self, asked: &Question, at: u64) -> Result<Header, Unreadable> {
        let mut bytes = [0; Header::BYTES];
        Header::parse(self.read(asked, at, Header::BYTES as u64, &mut bytes)?).ok_or(Unreadable)
    }

    /// Reads `length` bytes of the asking process, as far as there is room.
    fn read<'b>(
        &mut self,
        asked: &Question,
        at: u64,
        length: u64,
        room: &'b mut [u8],
    ) -> Result<&'b [u8], Unreadable> {
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(room.len());
        let room = room.get_mut(..wanted).ok_or(Unreadable)?;
        let known = self.memory.as_ref().filter(|memory| memory.pid == asked.pid);
        if known.is_none_or(|memory| memory.file.read_exact_at(room, at).is_err()) {
            // It has executed another program since, or it is the first time.
            let memory = Memory::open(asked.pid).map_err(|_| Unreadable)?;
            // While it waits, its number is nobody else's.
            let listener = self.listener.as_ref().ok_or(Unreadable)?;
            if !waits(listener.as_fd(), asked.id) {
                return Err(Unreadable);
            }
            let read = memory.file.read_exact_at(room, at);
            self.memory = Some(memory);
            read.map_err(|_| Unreadable)?;
        }
        Ok(room)
    }
}

/// A file of the kernel's, if it is of a length that is soon read.
fn short_file(path: &str) -> Result<Option<String>, Unreadable> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|_| Unreadable)?;
    file.take(MOST_MAPS + 1).read_to_end(&mut text).map_err(|_| Unreadable)?;
    let is_short = text.len() as u64 <= MOST_MAPS;
    Ok(is_short.then(|| String::from_utf8_lossy(&text).into_owned()))
}

impl Memory {
    fn open(pid: Pid) -> io::Result<Self> {
        Ok(Self { pid, file: File::open(format!("/proc/{pid}/mem"))? })
    }
}

/// What of a `msghdr` says where its message goes.
struct Header {
    name: u64,
    name_length: u64,
    /// Where what it holds is told, piece by piece, and how many pieces there are.
    pieces_at: u64,
    pieces: u64,
    control: u64,
    control_length: u64,
}

impl Header {
    const BYTES: usize = size_of::<libc::msghdr>();

    fn parse(bytes: &[u8]) -> Option<Self> {
        use std::mem::offset_of;
        let word = |at: usize| bytes.get(at..)?.first_chunk().map(|word| u64::from_ne_bytes(*word));
        let length = bytes.get(offset_of!(libc::msghdr, msg_namelen)..)?.first_chunk()?;
        Some(Self {
            name: word(offset_of!(libc::msghdr, msg_name))?,
            name_length: u32::from_ne_bytes(*length).into(),
            pieces_at: word(offset_of!(libc::msghdr, msg_iov))?,
            pieces: word(offset_of!(libc::msghdr, msg_iovlen))?,
            control: word(offset_of!(libc::msghdr, msg_control))?,
            control_length: word(offset_of!(libc::msghdr, msg_controllen))?,
        })
    }
}

/// Whether control data leaves alone by which way a packet goes: a source route leads elsewhere first.
fn only_harmless(mut control: &[u8]) -> bool {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    while let Some(header) = control.get(..HEADER) {
        let Some(length) = header.first_chunk().map(|word| usize::from_ne_bytes(*word)) else {
            return false;
        };
        let number = |at: usize| header.get(at..)?.first_chunk().map(|n| i32::from_ne_bytes(*n));
        let kind = (number(HEADER - 8), number(HEADER - 4));
        let (Some(level), Some(kind)) = kind else { return false };
        let harmless = match level {
            libc::IPPROTO_IP => [libc::IP_TOS, libc::IP_TTL, libc::IP_PKTINFO].contains(&kind),
            libc::IPPROTO_IPV6 => {
                [libc::IPV6_TCLASS, libc::IPV6_HOPLIMIT, libc::IPV6_PKTINFO].contains(&kind)
            }
            _ => false,
        };
        if !harmless || length < HEADER {
            return false;
        }
        let next = length.saturating_add(HEADER / 2 - 1) & !(HEADER / 2 - 1);
        control = control.get(next..).unwrap_or_default();
    }
    // What is too short for a header the kernel does not look at.
    true
}
