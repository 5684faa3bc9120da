//! A call as it is written on a command line, for the questions that are about one.

use std::{net::IpAddr, time::Duration};

use probity_protocol::{
    Arguments, Call, CorrelationId, GivenOption, Identifier, MAX_ADDRESSES, MAX_ARGS_BYTES,
    MAX_OPTIONS, OptionText, RequestedLimits, Target, ToolName, split_extra_args,
};

use super::CliError;

/// What of a call stands beside its tool and its target.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// An address that a frontend would claim for the host name; several times for several
    #[arg(long = "address", value_name = "IP")]
    pub addresses: Vec<IpAddr>,
    /// A named set of options
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// An option by its property name: count=5, or quiet for one without a value
    #[arg(long = "option", value_name = "NAME=VALUE")]
    pub options: Vec<String>,
    /// The time asked for, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub timeout: Option<Duration>,
    /// The tool's own flags, as in extra_args
    #[arg(last = true, value_name = "ARGS")]
    pub extra: Vec<String>,
}

/// The call as a frontend would put it to the broker.
pub(super) fn call(tool: &str, target: Option<&str>, words: &Words) -> Result<Call, CliError> {
    let lexical = |what: &str, text: &str, e| usage(format!("{what} {text:?}: {e}"));
    let tool = ToolName::new(tool).map_err(|e| lexical("the tool", tool, e))?;
    Ok(Call {
        tool,
        target: self::target(target, words)?,
        arguments: arguments(words)?,
        limits: RequestedLimits { timeout: words.timeout, ..RequestedLimits::default() },
        correlation_id: CorrelationId::new("explain").map_err(|e| usage(e.to_string()))?,
        client: None,
    })
}

/// Names come with the addresses that are claimed for them, and with no others.
fn target(text: Option<&str>, words: &Words) -> Result<Target, CliError> {
    let Some(text) = text else { return Ok(Target::None) };
    match Target::as_given(text) {
        Target::Name { name, .. } if words.addresses.len() <= MAX_ADDRESSES => {
            Ok(Target::Name { name, addresses: words.addresses.clone() })
        }
        Target::Name { .. } => Err(usage(format!("--address: {MAX_ADDRESSES} at most"))),
        _ if !words.addresses.is_empty() => {
            Err(usage("--address goes with a host name as --target".to_owned()))
        }
        target => Ok(target),
    }
}

fn arguments(words: &Words) -> Result<Arguments, CliError> {
    if words.options.len() > MAX_OPTIONS {
        return Err(usage(format!("--option: {MAX_OPTIONS} at most")));
    }
    let options: Vec<_> = words.options.iter().map(|text| given(text)).collect::<Result<_, _>>()?;
    let preset = words
        .preset
        .as_ref()
        .map(|name| Identifier::new(&**name).map_err(|e| usage(format!("--preset {name:?}: {e}"))));
    let preset = preset.transpose()?;
    let extra = words.extra.iter().map(String::as_str);
    // As a frontend sends it: one text, which the protocol takes apart again.
    let text = shlex::try_join(extra).map_err(|e| usage(e.to_string()))?;
    Ok(match split_extra_args(&text, MAX_ARGS_BYTES) {
        Ok(tokens) => Arguments::Given { preset, options, tokens },
        Err(defect) => Arguments::Malformed(defect),
    })
}

fn given(text: &str) -> Result<GivenOption, CliError> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let lexical = |e| usage(format!("--option {text:?}: {e}"));
    Ok(GivenOption {
        name: Identifier::new(name).map_err(lexical)?,
        value: value.map(OptionText::new).transpose().map_err(lexical)?,
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

fn usage(message: String) -> CliError {
    CliError::Usage(message)
}
