//! How busy the machine is: processors, memory and disks.
//!
//! A busy processor makes calls slower and stops none, so it never takes a server out of service.
//! Memory and disks do when nothing is left. In a container, memory is what the container may have.

use std::{borrow::Cow, env, path::PathBuf, sync::Arc, time::Duration};

use rustix::fs::{StatVfsMountFlags, statvfs};
use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, System};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{Finding, HealthCheck, Looking, Priority};
use crate::{calls::observe::metrics::Load, config::Health};

/// From here on memory or a disk counts as full.
const FULL: f64 = 98.0;

/// A setting of this switches a check off: nothing is above it.
const NEVER: f64 = 100.0;

/// How long a sample stays good.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The machine's load, looked at when somebody asks.
#[derive(Debug, Default)]
pub struct Machine(Mutex<Option<Sampled>>);

#[derive(Debug)]
struct Sampled {
    /// None where the library finds no system that it knows.
    system: Option<System>,
    last: Option<(Instant, Load)>,
}

impl Machine {
    /// How busy it is: the processors since the last sample, which the first one takes a fifth of a
    /// second for. What cannot be read, as where `/proc` is hidden, is not known.
    pub async fn load(&self) -> Load {
        let mut sampled = self.0.lock().await;
        let is_first = sampled.is_none();
        let Sampled { system, last } =
            sampled.get_or_insert_with(|| Sampled { system: System::new().ok(), last: None });
        if let Some((taken, load)) = last
            && taken.elapsed() < GOOD_FOR
        {
            return *load;
        }
        let Some(system) = system else { return Load::default() };
        if is_first {
            system.refresh_cpu_usage();
            sleep(MINIMUM_CPU_UPDATE_INTERVAL).await;
        }
        system.refresh_cpu_usage();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let load = Load { cpu: processors(system), memory: memory(system) };
        *last = Some((Instant::now(), load));
        load
    }
}

fn processors(system: &System) -> Option<f64> {
    let is_known = !system.cpus().is_empty();
    is_known.then(|| percent(system.global_cpu_usage().into()))
}

/// What is used of the memory that this process could have. Caches count as free, in a container too.
fn memory(system: &System) -> Option<f64> {
    let total = system.total_memory();
    let of_all = (total.saturating_sub(system.available_memory()), total);
    let (used, total) = match system.cgroup_limits() {
        Some(limits) if limits.total_memory < total => (limits.rss, limits.total_memory),
        _ => of_all,
    };
    (total > 0).then(|| percent(used as f64 / total as f64 * 100.0))
}

/// In tenths.
fn percent(value: f64) -> f64 {
    (value.clamp(0.0, 100.0) * 10.0).round() / 10.0
}

pub(super) fn checks(machine: &Arc<Machine>, settings: &Health) -> Vec<Arc<dyn HealthCheck>> {
    let machine = || Arc::clone(machine);
    vec![
        Arc::new(Processors { machine: machine(), above: settings.cpu_percent }),
        Arc::new(Memory { machine: machine(), above: settings.memory_percent }),
        Arc::new(Disks::new(settings.disk_percent)),
    ]
}

struct Processors {
    machine: Arc<Machine>,
    above: f64,
}

impl HealthCheck for Processors {
    fn name(&self) -> Cow<'_, str> {
        "system.cpu".into()
    }

    fn priority(&self) -> Priority {
        Priority::Critical
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            let Some(used) = self.machine.load().await.cpu else { return not_known() };
            match used > self.above {
                true => Finding::degraded(format!(
                    "{used} % of the processors are busy: runs are slower"
                )),
                false => Finding::healthy(format!("{used} % of the processors are busy")),
            }
        })
    }
}

struct Memory {
    machine: Arc<Machine>,
    above: f64,
}

impl HealthCheck for Memory {
    fn name(&self) -> Cow<'_, str> {
        "system.memory".into()
    }

    fn priority(&self) -> Priority {
        Priority::Critical
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            let Some(used) = self.machine.load().await.memory else { return not_known() };
            judged(used, self.above, &format!("{used} % of the memory is used"))
        })
    }
}

/// The file systems that the machine cannot do without: its root, its logs, its temporary files.
/// Others, as read-only images that are always full, are none of this server's business.
struct Disks {
    above: f64,
    paths: Vec<PathBuf>,
}

impl Disks {
    fn new(above: f64) -> Self {
        Self { above, paths: vec!["/".into(), "/var/log".into(), env::temp_dir()] }
    }

    /// The fullest, in percent as `df` has it.
    fn fullest(&self) -> Option<(f64, &PathBuf)> {
        let used = self.paths.iter().filter_map(|path| {
            let found = statvfs(path).ok()?;
            let used = found.f_blocks.saturating_sub(found.f_bfree);
            let total = used + found.f_bavail;
            let writable = !found.f_flag.contains(StatVfsMountFlags::RDONLY) && total > 0;
            writable.then(|| (percent(used as f64 / total as f64 * 100.0), path))
        });
        // The first of those that are as full.
        used.reduce(|fullest, next| if next.0 > fullest.0 { next } else { fullest })
    }
}

impl HealthCheck for Disks {
    fn name(&self) -> Cow<'_, str> {
        "system.disk".into()
    }

    fn priority(&self) -> Priority {
        Priority::Critical
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            match self.fullest() {
                Some((used, path)) => {
                    let message = format!("{used} % of the disk at {} is used", path.display());
                    judged(used, self.above, &message)
                }
                None => Finding::healthy("no disk here can be written"),
            }
        })
    }
}

/// A hardened unit may hide it on purpose.
fn not_known() -> Finding {
    Finding::healthy("not known: /proc does not show it here")
}

fn judged(used: f64, above: f64, message: &str) -> Finding {
    if above >= NEVER || used <= above {
        Finding::healthy(message)
    } else if used < FULL {
        Finding::degraded(format!("{message}: free some"))
    } else {
        Finding::unhealthy(format!("{message}: free some now"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::observe::health::State;

    #[test]
    fn what_is_used_is_judged_by_the_setting_and_100_switches_it_off() {
        for (used, above, expected) in [
            (0.0, 90.0, State::Healthy),
            (90.0, 90.0, State::Healthy),
            (90.1, 90.0, State::Degraded),
            (97.9, 90.0, State::Degraded),
            (98.0, 90.0, State::Unhealthy),
            (100.0, 99.0, State::Unhealthy),
            (100.0, 100.0, State::Healthy),
        ] {
            assert_eq!(judged(used, above, "it").state, expected, "{used} above {above}");
        }
    }

    #[tokio::test]
    async fn the_machine_has_a_load_and_a_disk() {
        let machine = Machine::default();
        let load = machine.load().await;
        assert!((0.0..=100.0).contains(&load.cpu.unwrap()), "{load:?}");
        assert!((0.1..=100.0).contains(&load.memory.unwrap()), "{load:?}");
        assert_eq!(machine.load().await, load, "a sample stays good for a while");
        let disks = Disks::new(90.0);
        assert!(disks.fullest().is_none_or(|(used, _)| (0.0..=100.0).contains(&used)));
    }

    #[tokio::test]
    async fn a_busy_processor_is_never_worse_than_degraded() {
        let machine = Arc::new(Machine::default());
        let above = -1.0;
        let found = Processors { machine, above }.check().await;
        assert_eq!(found.state, State::Degraded, "{found:?}");
    }
}
