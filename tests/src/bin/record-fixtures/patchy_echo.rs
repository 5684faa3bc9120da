//! A host that answers echo requests as a bad network would: of four in a row it answers one
//! thrice and one never. The lab's kernels cannot lose or double packets at will; this can.

use std::{error::Error, os::fd::AsRawFd as _};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recvfrom, sendto, socket,
};

/// The argument that makes the recorder this.
pub const WORD: &str = "answer-patchily";

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// Answers until it is killed. Prints a line once it listens.
pub fn answer() -> Result<(), Box<dyn Error>> {
    let icmp =
        socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)?;
    println!("ready");
    let mut packet = [0; 2048];
    loop {
        let (length, sender) = recvfrom::<SockaddrIn>(icmp.as_raw_fd(), &mut packet)?;
        let header = usize::from(packet[0] & 0x0f) * 4;
        let Some(sender) = sender.filter(|_| header + 8 <= length) else { continue };
        let message = &mut packet[header..length];
        if message[0] != ECHO_REQUEST {
            continue;
        }
        let sequence = u16::from_be_bytes([message[6], message[7]]);
        message[0] = ECHO_REPLY;
        message[2..4].fill(0);
        let sum = checksum(message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        for _ in 0..times(sequence) {
            sendto(icmp.as_raw_fd(), message, &sender, MsgFlags::empty())?;
        }
    }
}

fn times(sequence: u16) -> u32 {
    match sequence % 4 {
        2 => 3,
        3 => 0,
        _ => 1,
    }
}

/// RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let words = message
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
