//! Requests on kept connections, and how long they took.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// An administrator's token of Cinder's `noauth`.
pub(super) const TOKEN: &str = "admin:admin";
const ANSWER: Duration = Duration::from_secs(60);
/// What is not counted at first: connections are opened, statements prepared, pages of the database read from the disk.
const WARM_UP: Duration = Duration::from_secs(1);

/// One connection that serves request after request.
struct Connection {
    reader: BufReader<TcpStream>,
    port: u16,
    body: Vec<u8>,
}

impl Connection {
    fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("reach the api")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(Self { reader: BufReader::with_capacity(1 << 16, stream), port, body: Vec::new() })
    }

    fn ask(&mut self, request: &Request) -> anyhow::Result<()> {
        let (port, body) = (self.port, request.body.as_deref().unwrap_or_default());
        let text = format!(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Auth-Token: {TOKEN}\r\nOpenStack-API-Version: volume 3.71\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            request.method,
            request.path,
            body.len()
        );
        self.reader.get_mut().write_all(text.as_bytes())?;
        let status = self.read_answer()?;
        if status >= 300 {
            bail!("{} {} → {status}: {}", request.method, request.path, String::from_utf8_lossy(&self.body));
        }
        Ok(())
    }

    fn read_answer(&mut self) -> anyhow::Result<u16> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
        let mut length = 0;
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("a length")?;
            }
        }
        self.body.resize(length, 0);
        self.reader.read_exact(&mut self.body)?;
        Ok(status)
    }
}

pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<String>,
}

impl Request {
    pub(super) fn get(path: String) -> Self {
        Self { method: "GET", path, body: None }
    }
}

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) connections: u32,
    /// Requests per second of all connections together; 0: each as soon as the one before was answered.
    pub(super) per_second: u32,
    pub(super) lasts: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) per_second: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// Sends what `make` answers for 0, 1, 2 …. Where a pace is set a request's time begins when it is due, so that one that had to
/// wait for an earlier one is not counted as quick.
pub(super) fn run(port: u16, pace: Pace, make: impl Fn(u64) -> Request + Sync) -> anyhow::Result<Figures> {
    let started = Instant::now();
    let connections = u64::from(pace.connections);
    let one = |which: u64| -> anyhow::Result<Vec<Duration>> {
        let mut connection = Connection::open(port)?;
        let mut times = Vec::new();
        let mut number = which;
        loop {
            let due = match pace.per_second {
                0 => Instant::now(),
                rate => started + Duration::from_secs_f64(number as f64 / f64::from(rate)),
            };
            if due.duration_since(started) >= WARM_UP + pace.lasts {
                return Ok(times);
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            connection.ask(&make(number))?;
            if due.duration_since(started) >= WARM_UP {
                times.push(due.elapsed());
            }
            number += connections;
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|which| {
                let one = &one;
                scope.spawn(move || one(which))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("the load generator failed"))).collect()
    });
    let took = started.elapsed().saturating_sub(WARM_UP);
    let mut times: Vec<Duration> = results.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    times.sort();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
    let (p50, p99) = at(50).zip(at(99)).context("no request was answered")?;
    Ok(Figures { per_second: times.len() as f64 / took.as_secs_f64(), p50, p99 })
}
