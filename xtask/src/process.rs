//! A child process that ends with its owner, together with everything it started.

use std::fmt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// How often a child is asked whether it has ended.
const POLL: Duration = Duration::from_millis(30);

/// A child in a process group of its own. Dropping it asks the group to stop and, after `grace`, kills it.
pub(crate) struct Group {
    name: String,
    child: Child,
    stop: Signal,
    grace: Duration,
    reaped: bool,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.child.id())
    }
}

impl Group {
    /// Starts `command` with no standard input. `stop` is the signal that means "end in good order" to it.
    pub(crate) fn start(name: &str, mut command: Command, stop: Signal, grace: Duration) -> anyhow::Result<Self> {
        let child = command.process_group(0).stdin(Stdio::null()).spawn();
        let child = child.with_context(|| format!("start {name}: {}", command.get_program().to_string_lossy()))?;
        Ok(Self { name: name.to_owned(), child, stop, grace, reaped: false })
    }

    /// The number of the first process of the group.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the end of the first process of the group, and ends what it left behind.
    pub(crate) async fn finished(&mut self) -> anyhow::Result<ExitStatus> {
        while !self.has_ended() {
            tokio::time::sleep(POLL).await;
        }
        Ok(self.reap()?)
    }

    /// Whether the first process of the group has ended.
    pub(crate) fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(rustix::process::waitid(WaitId::Pid(self.pid()), look), Ok(None))
    }

    /// Sends the stop signal; does not wait.
    pub(crate) fn ask_to_stop(&self) {
        // "No such process" means that it has ended by itself.
        let _ended = rustix::process::kill_process_group(self.pid(), self.stop);
    }

    /// The group is signalled while its first process is unreaped: until then no stranger can have its number.
    fn reap(&mut self) -> std::io::Result<ExitStatus> {
        let _ended = rustix::process::kill_process_group(self.pid(), Signal::KILL);
        self.reaped = true;
        self.child.wait()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.ask_to_stop();
        let deadline = Instant::now() + self.grace;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        let _status = self.reap();
    }
}

/// `setpriv --pdeathsig …`: the child gets `stop` as well when this process is killed without a chance to clean up.
pub(crate) fn ends_with_us(program: &std::path::Path, stop: Signal, user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig").arg(if stop == Signal::INT { "INT" } else { "TERM" });
    if let Some(user) = user {
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--init-groups");
    }
    command.arg("--").arg(program);
    command
}

/// What a process has used so far.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu_s: f64,
    pub(crate) memory_bytes: u64,
    /// The most memory it held at any time.
    pub(crate) peak_bytes: u64,
}

/// What proc(5) tells of a process: times in hundredths of a second, memory in kibibytes. `None` when it has ended.
pub(crate) fn usage(process: u32) -> Option<Usage> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).ok();
    let (stat, status) = (read("stat")?, read("status")?);
    // Behind the name, which may hold anything: the 14th and the 15th field of the line.
    let times = stat.rsplit_once(") ")?.1.split_whitespace().skip(11).take(2);
    let cpu_s = times.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0;
    let memory = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
    };
    Some(Usage { cpu_s, memory_bytes: memory("VmRSS:")?, peak_bytes: memory("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    #[tokio::test(flavor = "current_thread")]
    async fn a_dropped_group_takes_its_grandchildren_along() {
        let directory = tempfile::tempdir().unwrap();
        let note = directory.path().join("grandchild");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("sleep 300 & echo $! > \"$0\"; wait").arg(&note);
        let group = Group::start("shell", shell, Signal::TERM, GRACE).unwrap();
        let deadline = Instant::now() + GRACE;
        let grandchild = loop {
            let text = fs::read_to_string(&note).unwrap_or_default();
            if let Some(pid) = text.strip_suffix('\n').and_then(|pid| pid.parse::<i32>().ok()) {
                break pid;
            }
            assert!(Instant::now() < deadline, "the shell did not start its child");
            tokio::time::sleep(POLL).await;
        };
        drop(group);
        let gone = || {
            let stat = fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        while !gone() {
            assert!(Instant::now() < deadline + GRACE, "process {grandchild} outlived its group");
            tokio::time::sleep(POLL).await;
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn finished_tells_the_exit_status() {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("exit 7");
        let mut group = Group::start("shell", shell, Signal::TERM, GRACE).unwrap();
        assert_eq!(group.finished().await.unwrap().code(), Some(7));
    }

    #[test]
    fn a_living_process_uses_memory_and_an_ended_one_tells_nothing() {
        let own = usage(std::process::id()).unwrap();
        assert!(0 < own.memory_bytes && own.memory_bytes <= own.peak_bytes, "{own:?}");
        let mut ended = Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        assert!(usage(ended.id()).is_none());
    }
}
