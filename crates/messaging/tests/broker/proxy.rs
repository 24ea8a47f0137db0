//! A TCP proxy that can cut, refuse and freeze what goes through it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weather {
    Fair,
    /// Nothing moves; connections stay open and new ones are accepted.
    Frozen,
    /// Connections are cut as soon as they come.
    Refusing,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Counts up for each cut.
    cuts: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (weather, _) = watch::channel(Weather::Fair);
        let (cuts, _) = watch::channel(0);
        let proxy = Arc::new(Self { address: listener.local_addr().unwrap(), weather, cuts });
        let (weather, cuts) = (proxy.weather.subscribe(), proxy.cuts.subscribe());
        stdx::task::spawn("proxy", async move {
            while let Ok((client, _)) = listener.accept().await {
                stdx::task::spawn("proxied connection", carry(client, upstream, weather.clone(), cuts.clone()));
            }
        });
        proxy
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
        if weather == Weather::Refusing {
            self.cut();
        }
    }

    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn carry(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut weather: watch::Receiver<Weather>,
    mut cuts: watch::Receiver<u64>,
) {
    cuts.borrow_and_update();
    let carrying = async {
        let mut server: Option<TcpStream> = None;
        loop {
            let now = *weather.borrow_and_update();
            match now {
                Weather::Refusing => return,
                Weather::Frozen => {
                    if weather.changed().await.is_err() {
                        return;
                    }
                }
                Weather::Fair => {
                    let server = match &mut server {
                        Some(server) => server,
                        None => server.insert(TcpStream::connect(upstream).await.unwrap()),
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, server) => return,
                        changed = weather.changed() => if changed.is_err() { return },
                    }
                }
            }
        }
    };
    tokio::select! {
        () = carrying => {}
        _ = cuts.changed() => {}
    }
}
