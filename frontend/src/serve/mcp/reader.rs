//! Whether anybody still reads what is written. Where input has ended, a client that died has closed
//! its other end too, and one that only has no more to say has not.

use std::{os::fd::AsFd, time::Duration};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::time::sleep;

/// How often it is looked at, in the short time at the end in which it matters.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until nobody reads at the other end of `output`. Never returns where the kernel cannot
/// tell, as of a file.
pub(super) async fn gone(output: impl AsFd) {
    while !is_broken(&output) {
        sleep(LOOK).await;
    }
}

/// Whether the kernel says that writing is useless. Half-closed sockets can still be written to.
fn is_broken(output: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(output, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let has_news = poll(&mut asked, Some(&now)).is_ok_and(|found| found > 0);
    has_news && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

#[cfg(test)]
mod tests {
    use std::{io, net::Shutdown, os::unix::net::UnixStream};

    use super::*;

    #[test]
    fn the_end_of_a_reader_shows_in_a_pipe_and_in_a_socket() {
        let (reader, output) = io::pipe().unwrap();
        assert!(!is_broken(&output));
        drop(reader);
        assert!(is_broken(&output));

        let (client, output) = UnixStream::pair().unwrap();
        assert!(!is_broken(&output));
        client.shutdown(Shutdown::Write).unwrap();
        assert!(!is_broken(&output), "it can still read");
        drop(client);
        assert!(is_broken(&output));
    }

    #[test]
    fn a_file_has_no_reader_that_could_go() {
        assert!(!is_broken(&tempfile::tempfile().unwrap()));
    }
}
