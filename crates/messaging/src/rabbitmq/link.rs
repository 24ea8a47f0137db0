//! One connection with one channel, made within a time and taken down whatever state it is in.

use std::collections::BTreeSet;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::tcp::AsyncTcpStream;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ExchangeKind, Queue};
use tokio::time::timeout;

use super::settings::{Failure, Settings};
use crate::topology::{self, Durability, Topic};

/// Name resolution, TCP and TLS.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// All of it, with AMQP's handshake and the channel.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);
/// One question to the broker.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// What a closing connection is granted to say goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// AMQP's reply code of an orderly close.
const REPLY_SUCCESS: u16 = 200;

/// A working connection until proved otherwise. Dropping it closes it: politely, and after a moment by force.
pub(super) struct Link {
    connection: Option<Connection>,
    channel: Channel,
    socket: Option<CutOnDrop>,
    /// Topics that were seen to on this connection.
    topics: tokio::sync::Mutex<BTreeSet<String>>,
}

impl Link {
    /// Connects and switches on publisher confirms. Cancel-safe: an abandoned attempt leaves no socket behind.
    pub(super) async fn open(settings: &Settings, purpose: &str) -> Result<Self, Failure> {
        let socket = Socket::default();
        let cut_on_drop = CutOnDrop(socket.clone());
        let opening = async {
            let connection =
                connect(settings, purpose, socket.clone()).await.map_err(|error| settings.explain(error))?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, Failure>((connection, channel))
        };
        let (connection, channel) =
            timeout(OPEN_TIMEOUT, opening).await.map_err(|_| Failure::Silent("the broker"))??;
        Ok(Self { connection: Some(connection), channel, socket: Some(cut_on_drop), topics: Default::default() })
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(super) fn alive(&self) -> bool {
        self.channel.status().connected() && self.connection.as_ref().is_some_and(|it| it.status().connected())
    }

    /// The broker takes no publications for now.
    pub(super) fn blocked(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.status().blocked())
    }

    /// Declares the queue and where its dead letters go, or the exchange of a topic with its queue.
    pub(super) async fn declare(&self, queue: &str) -> Result<(), Failure> {
        let declaring = async {
            if let Some(topic) = Topic::parse(queue) {
                return Ok(self.declare_topic(&topic).await?);
            }
            let dead: ShortString = topology::DEAD_EXCHANGE.into();
            let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
            self.channel.exchange_declare(dead.clone(), ExchangeKind::Fanout, durable, FieldTable::default()).await?;
            self.declare_queue(topology::DEAD).await?;
            let binding = QueueBindOptions::default();
            self.channel.queue_bind(topology::DEAD.into(), dead, "".into(), binding, FieldTable::default()).await?;
            if queue != topology::DEAD {
                self.declare_queue(queue).await?;
            }
            Ok(())
        };
        timeout(ANSWER_TIMEOUT, declaring).await.map_err(|_| Failure::Silent("the declaration of a queue"))?
    }

    /// Sees to a topic once for each connection: what is published to an exchange that is not there costs the channel.
    pub(super) async fn see_to(&self, queue: &str) -> Result<(), Failure> {
        let mut topics = self.topics.lock().await;
        if !topics.contains(queue) {
            self.declare(queue).await?;
            topics.insert(queue.to_owned());
        }
        Ok(())
    }

    /// Others may have made exchange and queue in another way, which is theirs to say; to ask for a thing that is not there
    /// costs a channel.
    async fn declare_topic(&self, topic: &Topic<'_>) -> lapin::Result<()> {
        let (exchange, key): (ShortString, ShortString) = (topic.exchange.into(), topic.key.into());
        let none = FieldTable::default;
        let durable = topic.durability != Durability::Transient;
        let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let asked = self.aside().await?.exchange_declare(exchange.clone(), ExchangeKind::Topic, passive, none()).await;
        if asked.is_err() {
            let options = ExchangeDeclareOptions { durable, ..Default::default() };
            self.aside().await?.exchange_declare(exchange.clone(), ExchangeKind::Topic, options, none()).await?;
        }
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        if self.aside().await?.queue_declare(key.clone(), passive, none()).await.is_err() {
            let options = QueueDeclareOptions { durable, ..Default::default() };
            let mut arguments = none();
            if topic.durability == Durability::Quorum {
                arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            }
            self.aside().await?.queue_declare(key.clone(), options, arguments).await?;
        }
        self.aside().await?.queue_bind(key.clone(), exchange, key, QueueBindOptions::default(), none()).await
    }

    /// Another channel, for what may be refused.
    async fn aside(&self) -> lapin::Result<Channel> {
        match &self.connection {
            Some(connection) => connection.create_channel().await,
            None => Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into()),
        }
    }

    async fn declare_queue(&self, queue: &str) -> Result<(), Failure> {
        self.channel.queue_declare(short(queue)?, QueueDeclareOptions::durable(), arguments(queue)).await?;
        Ok(())
    }

    /// The queue as the broker sees it: a proof of life and the number of messages that wait.
    pub(super) async fn inspect(&self, queue: &str) -> Result<Queue, Failure> {
        let asking =
            self.channel.queue_declare(short(queue)?, QueueDeclareOptions::durable().passive(), FieldTable::default());
        Ok(timeout(ANSWER_TIMEOUT, asking).await.map_err(|_| Failure::Silent("the broker"))??)
    }

    /// A question every broker can answer, for a proof of life.
    pub(super) async fn ping(&self) -> Result<(), Failure> {
        let passive = ExchangeDeclareOptions { passive: true, durable: true, ..Default::default() };
        let asking =
            self.channel.exchange_declare("amq.direct".into(), ExchangeKind::Direct, passive, FieldTable::default());
        Ok(timeout(ANSWER_TIMEOUT, asking).await.map_err(|_| Failure::Silent("the broker"))??)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let (Some(connection), socket) = (self.connection.take(), self.socket.take()) else { return };
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        stdx::task::spawn("close broker connection", async move {
            // Whether it heard us is the broker's business: the socket goes either way.
            if let Ok(Err(error)) = timeout(GOODBYE_TIMEOUT, connection.close(REPLY_SUCCESS, "closing".into())).await {
                tracing::trace!(%error, "broker connection was gone already");
            }
            drop(socket);
        });
    }
}

async fn connect(settings: &Settings, purpose: &str, socket: Socket) -> lapin::Result<Connection> {
    let is_tls = settings.uri.scheme == AMQPScheme::AMQPS;
    let connector = is_tls.then(|| settings.tls.connector()).transpose()?;
    let dial = Connection::connector(
        settings.uri.clone(),
        lapin::runtime::default_runtime()?,
        async move |uri, runtime| {
            let dialling = async {
                let stream = AsyncTcpStream::connect(&runtime, resolve(&uri).await?).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    socket.keep(plain.get_ref().as_fd())?;
                }
                match &connector {
                    None => Ok(stream),
                    Some(connector) => stream.into_rustls(connector, &uri.authority.host).await,
                }
            };
            let dialled = timeout(DIAL_TIMEOUT, dialling).await;
            Ok(dialled.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?)
        },
        settings.properties(purpose),
    );
    dial.await
}

/// RabbitMQ's names end at 255 bytes.
pub(super) fn short(text: &str) -> Result<ShortString, Failure> {
    ShortString::try_new(text).map_err(|_| Failure::Stalled("a name is longer than 255 bytes"))
}

fn arguments(queue: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    if queue == topology::DEAD {
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(topology::DEAD_MAX_MESSAGES));
        return arguments;
    }
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(topology::DELIVERY_LIMIT));
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(topology::DEAD_EXCHANGE.into()));
    if topology::is_worker_queue(queue) {
        arguments.insert("x-expires".into(), AMQPValue::LongLongInt(topology::WORKER_QUEUE_EXPIRES_MS));
    }
    arguments
}

/// A second handle on the connection's socket. The library's thread reads from its own until the peer answers, which a
/// peer that is gone never does; shutting the socket down ends that thread and frees what it holds.
#[derive(Clone, Default)]
struct Socket(Arc<Mutex<Handle>>);

#[derive(Default)]
enum Handle {
    #[default]
    NotYet,
    Open(std::net::TcpStream),
    Cut,
}

impl Socket {
    /// Fails when the connection was given up while it was dialled.
    fn keep(&self, socket: BorrowedFd<'_>) -> std::io::Result<()> {
        let socket = std::net::TcpStream::from(socket.try_clone_to_owned()?);
        socket.set_nodelay(true)?;
        let mut handle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*handle, Handle::Cut) {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        *handle = Handle::Open(socket);
        Ok(())
    }
}

struct CutOnDrop(Socket);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        let handle = std::mem::replace(&mut *self.0.0.lock().unwrap_or_else(PoisonError::into_inner), Handle::Cut);
        if let Handle::Open(socket) = handle
            && let Err(error) = socket.shutdown(Shutdown::Both)
        {
            tracing::trace!(%error, "broker socket was closed already");
        }
    }
}

async fn resolve(uri: &AMQPUri) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((uri.authority.host.as_str(), uri.authority.port)).await?.collect())
}
