//! gRPC between scheduler and worker without a socket: both ends of a pipe in memory.

use std::io;

use futures::Stream;
use hyper_util::rt::TokioIo;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

const PIPE_BYTES: usize = 256 * 1024;

/// A client channel, and the connections it makes as the server sees them.
pub fn in_memory() -> (Channel, impl Stream<Item = io::Result<DuplexStream>> + Send + 'static) {
    let (connections, incoming) = mpsc::channel(4);
    let connector = service_fn(move |_| {
        let connections = connections.clone();
        async move {
            let (near, far) = duplex(PIPE_BYTES);
            connections.send(Ok(far)).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok::<_, io::Error>(TokioIo::new(near))
        }
    });
    let channel = Endpoint::from_static("http://scheduler.in-process").connect_with_connector_lazy(connector);
    (channel, ReceiverStream::new(incoming))
}
