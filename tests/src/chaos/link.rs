//! A TCP proxy between two that believe they speak to each other: it passes, and on command refuses, resets, stalls, delays
//! or cuts what they say.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::Rng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

const PIECE_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Pass,
    /// What is open is reset, what is new as well.
    Refuse,
    /// What is open is reset once; what is new passes.
    Reset,
    /// Nothing arrives, and nobody is told: a partition.
    Stall,
    Delay(Duration),
    /// Each connection is closed in good order when the answers have grown to so many bytes.
    Truncate(u64),
    /// Each connection is reset when the requests have grown to so many bytes.
    CutOff(u64),
}

impl Mode {
    pub fn random(random: &mut impl Rng) -> Self {
        match random.random_range(0..6) {
            0 => Self::Refuse,
            1 => Self::Reset,
            2 => Self::Stall,
            3 => Self::Delay(Duration::from_millis(random.random_range(20..400))),
            4 => Self::Truncate(random.random_range(1..200_000)),
            _ => Self::CutOff(random.random_range(1..200_000)),
        }
    }

    pub fn kind(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse => "refuse",
            Self::Reset => "reset",
            Self::Stall => "stall",
            Self::Delay(_) => "delay",
            Self::Truncate(_) => "truncate",
            Self::CutOff(_) => "cut after n bytes",
        }
    }
}

/// A listening proxy. What it carries ends when it is dropped.
#[derive(Debug)]
pub struct Link {
    port: u16,
    mode: watch::Sender<Mode>,
    _serving: AbortOnDropHandle<()>,
}

impl Link {
    /// Connections go to the `targets` in turn, past one that does not listen.
    pub async fn start(targets: Vec<u16>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen as a proxy")?;
        let port = listener.local_addr()?.port();
        let (mode, seen) = watch::channel(Mode::Pass);
        let serving = stdx::task::spawn("fault proxy", serve(listener, Arc::new(Targets::new(targets)), seen));
        Ok(Self { port, mode, _serving: AbortOnDropHandle::new(serving) })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

#[derive(Debug)]
struct Targets {
    ports: Vec<u16>,
    turn: AtomicUsize,
}

impl Targets {
    fn new(ports: Vec<u16>) -> Self {
        Self { ports, turn: AtomicUsize::new(0) }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut outcome = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for step in 0..self.ports.len() {
            let port = self.ports[(first + step) % self.ports.len()];
            outcome = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

async fn serve(listener: TcpListener, targets: Arc<Targets>, mode: watch::Receiver<Mode>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => { connections.spawn(carry(client, Arc::clone(&targets), mode.clone())); }
                // Out of descriptors, say: nothing of ours to report, the peers see it.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, to its end.
async fn carry(client: TcpStream, targets: Arc<Targets>, mode: watch::Receiver<Mode>) {
    if *mode.borrow() == Mode::Refuse {
        return reset(&client);
    }
    let Ok(server) = targets.connect().await else { return reset(&client) };
    // Small messages both ways: waiting for acknowledgements would be a delay of our own.
    let _best_effort = client.set_nodelay(true).and(server.set_nodelay(true));
    let (mut client, mut server) = (client, server);
    let mut severed = mode.clone();
    severed.mark_unchanged();
    let outcome = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let requests = pump(from_client, to_server, mode.clone(), |mode| match mode {
            Mode::CutOff(bytes) => Some(bytes),
            _ => None,
        });
        let answers = pump(from_server, to_client, mode, |mode| match mode {
            Mode::Truncate(bytes) => Some(bytes),
            _ => None,
        });
        tokio::select! {
            outcome = async { tokio::try_join!(requests, answers) } => outcome.map(drop),
            () = until_severed(&mut severed) => Err(Broken::Reset),
        }
    };
    if matches!(outcome, Err(Broken::Reset)) {
        reset(&client);
        reset(&server);
    }
}

async fn until_severed(mode: &mut watch::Receiver<Mode>) {
    while mode.changed().await.is_ok() {
        if matches!(*mode.borrow_and_update(), Mode::Refuse | Mode::Reset) {
            return;
        }
    }
}

/// Why a connection ends before its peers wanted it to.
enum Broken {
    Closed,
    Reset,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Reset
    }
}

/// Moves bytes one way. `limit` says after how many of them a mode ends the connection.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
    limit: impl Fn(Mode) -> Option<u64>,
) -> Result<(), Broken> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut since_limit = 0;
    loop {
        let read = from.read(&mut piece).await?;
        let now = passable(&mut mode).await;
        if read == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        if let Mode::Delay(delay) = now {
            tokio::time::sleep(delay).await;
        }
        let Some(limit) = limit(now) else {
            since_limit = 0;
            to.write_all(&piece[..read]).await?;
            continue;
        };
        let rest = usize::try_from(limit.saturating_sub(since_limit)).unwrap_or(usize::MAX);
        to.write_all(&piece[..read.min(rest)]).await?;
        since_limit += read as u64;
        if since_limit >= limit {
            to.flush().await?;
            return Err(if matches!(now, Mode::Truncate(_)) { Broken::Closed } else { Broken::Reset });
        }
    }
}

/// The mode, once it lets anything through.
async fn passable(mode: &mut watch::Receiver<Mode>) -> Mode {
    let passing = mode.wait_for(|mode| *mode != Mode::Stall).await.ok().map(|mode| *mode);
    match passing {
        Some(mode) => mode,
        // The link is gone, and with it whoever would lift the stall.
        None => std::future::pending().await,
    }
}

/// The peer sees a reset instead of an end when the connection is dropped.
fn reset(connection: &TcpStream) {
    let _best_effort = connection.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> Result<(u16, AbortOnDropHandle<()>)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let serving = stdx::task::spawn("echo", async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                let (mut from, mut to) = peer.split();
                let _ended = tokio::io::copy(&mut from, &mut to).await;
            }
        });
        Ok((port, AbortOnDropHandle::new(serving)))
    }

    async fn answer(link: &Link) -> io::Result<Vec<u8>> {
        let mut connection = TcpStream::connect(("127.0.0.1", link.port())).await?;
        connection.write_all(b"twelve bytes").await?;
        connection.shutdown().await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn a_link_does_what_it_is_told() -> Result<()> {
        let (port, _echo) = echo().await?;
        let link = Link::start(vec![port]).await?;
        assert_eq!(answer(&link).await?, b"twelve bytes");
        link.set(Mode::Truncate(6));
        assert_eq!(answer(&link).await?, b"twelve");
        link.set(Mode::Refuse);
        assert!(answer(&link).await.is_err());
        link.set(Mode::CutOff(1));
        assert!(answer(&link).await.is_err());
        link.set(Mode::Stall);
        let mut stalled = std::pin::pin!(answer(&link));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut stalled).await.is_err());
        link.set(Mode::Pass);
        assert_eq!(stalled.await?, b"twelve bytes");
        Ok(())
    }
}
