//! The processes under test: Signet itself, and the bare HTTP server beside it. Both end with the benchmark.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Result, failure};
use crate::http::{Connection, request};
use crate::report::Usage;
use crate::statement;

/// How to start Signet.
pub(crate) struct Launch {
    /// The binary.
    pub(crate) binary: PathBuf,
    /// Where it keeps its state and, beside it, its log.
    pub(crate) dir: PathBuf,
    /// A PostgreSQL URL; without, SQLite in `dir`.
    pub(crate) database: Option<String>,
    /// Environment variables, `NAME=value`.
    pub(crate) environment: Vec<String>,
}

/// A running Signet.
pub(crate) struct Server {
    process: Process,
    /// The public listener.
    pub(crate) address: SocketAddr,
    /// The issuer's host and port.
    pub(crate) authority: String,
    /// Where it keeps its state.
    pub(crate) dir: PathBuf,
    /// Its PostgreSQL URL; none with SQLite.
    pub(crate) database: Option<String>,
    /// From the start of the process to the first 200 at `/healthz`.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts `signet dev` and waits until it answers.
    pub(crate) async fn start(launch: &Launch) -> Result<Self> {
        let (port, admin_port) = (free_port()?, free_port()?);
        let log = std::fs::File::create(launch.dir.with_extension("log"))?;
        let mut command = Command::new(&launch.binary);
        command.arg("dev").arg("--dir").arg(&launch.dir);
        command.args(["--port", &port.to_string(), "--admin-port", &admin_port.to_string()]);
        if let Some(url) = &launch.database {
            command.args(["--database", url]);
        }
        // Everybody signs in from one address and as one user here.
        for (name, value) in [("ACCOUNT", "100"), ("ADDRESS", "100000")] {
            command.env(format!("SIGNET_THROTTLE__{name}_BURST"), value);
        }
        command.envs(launch.environment.iter().filter_map(|pair| pair.split_once('=')));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let start = Instant::now();
        let mut process = Process::spawn(&mut command)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let authority = format!("localhost:{port}");
        let probe = request("GET /healthz", &authority, &[], None);
        loop {
            if let Ok(reply) = Connection::new(address).send(&probe).await
                && reply.status == 200
            {
                break;
            }
            if let Some(status) = process.0.try_wait()? {
                return Err(failure(format!(
                    "signet ended with {status}: {}",
                    tail(&launch.dir.with_extension("log"))
                )));
            }
            if start.elapsed() > Duration::from_secs(60) {
                return Err(failure("signet was not ready within a minute"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ready_after = start.elapsed();
        let (dir, database) = (launch.dir.clone(), launch.database.clone());
        Ok(Self { process, address, authority, dir, database, ready_after })
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// What it takes up at this moment.
    pub(crate) async fn usage(&self) -> Result<Usage> {
        let (resident_kib, peak_kib) = self.memory();
        let disk_bytes = statement::size(self.database.as_deref(), &self.dir).await?;
        Ok(Usage { resident_kib, peak_kib, disk_bytes })
    }

    fn memory(&self) -> (Option<u64>, Option<u64>) {
        let process = self.process.id();
        (resident(process), status_field(process, "VmHWM:"))
    }
}

/// Resident memory of a process in KiB, by `/proc`, so nothing elsewhere than on Linux.
pub(crate) fn resident(process: u32) -> Option<u64> {
    status_field(process, "VmRSS:")
}

fn status_field(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time that a process has used, by `/proc`, so nothing elsewhere than on Linux.
pub(crate) fn processor_time(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th field after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    // USER_HZ, which the kernel shows to programs, is 100 on every architecture that runs this.
    Some(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// The bare HTTP server: this program again, in a process of its own.
pub(crate) struct BareServer {
    _process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl BareServer {
    /// Starts it.
    pub(crate) fn start() -> Result<Self> {
        let (process, address) = this_program(&["bare"])?;
        Ok(Self { _process: process, address })
    }
}

/// This program again, in a process of its own, as a server that tells its port in the first line.
pub(crate) fn this_program(arguments: &[&str]) -> Result<(Process, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut process = Process::spawn(command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let mut line = String::new();
    if let Some(output) = process.0.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let port: u16 = line.trim().parse().map_err(|_| failure("the server told no port"))?;
    Ok((process, (Ipv4Addr::LOCALHOST, port).into()))
}

/// A child that is ended when dropped: asked first, then made to.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.spawn().map(Self).map_err(|error| failure(format!("{program}: {error}")))
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success) && Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.0.kill().is_ok() {
            let _ = self.0.wait();
        }
    }
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
