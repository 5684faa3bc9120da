//! A banner grabber as naive as they come: what a server says goes to stdout and stderr, byte for
//! byte. The suites run it as a tool, to see that nothing gets past the cleaning.
//!
//! `grab-banner --port PORT ADDRESS`

use std::{
    env,
    error::Error,
    io::{self, Read as _, Write as _},
    net::{IpAddr, TcpStream},
    time::Duration,
};

/// More than any banner of the lab.
const BANNER_MAX_BYTES: u64 = 64 * 1024;
const READ_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [flag, port, address] = arguments.as_slice() else {
        return Err("usage: grab-banner --port PORT ADDRESS".into());
    };
    if flag != "--port" {
        return Err(format!("{flag}: no such option").into());
    }
    let server = TcpStream::connect((address.parse::<IpAddr>()?, port.parse()?))?;
    server.set_read_timeout(Some(READ_TIMEOUT))?;
    let mut banner = Vec::new();
    server.take(BANNER_MAX_BYTES).read_to_end(&mut banner)?;
    io::stdout().write_all(&banner)?;
    io::stderr().write_all(&banner)?;
    Ok(())
}
