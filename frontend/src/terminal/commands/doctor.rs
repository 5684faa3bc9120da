//! `probity doctor`: looks, says, and changes nothing.

use super::{CommandError, Exit};
use crate::{
    admin::doctor,
    config::Loaded,
    terminal::{cli::DoctorArgs, printing},
};

/// Prints what works and what does not. Exit status 1 where calls cannot work.
pub(super) async fn doctor(args: &DoctorArgs, loaded: &Loaded) -> Result<Exit, CommandError> {
    let report = doctor::examine(&args.broker.choice(), loaded).await;
    let exit = if report.ok { Exit::Success } else { Exit::ToolFailed };
    let printed = match args.json {
        true => printing::print_json(&report),
        false => printing::print_report(&report),
    };
    match printed {
        // What was found is the same, however much of it was read.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(exit),
        printed => Ok(printed.map(|()| exit)?),
    }
}
