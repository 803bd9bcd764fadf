//! The accept loop. poem's own runs a handler to its end after its client has left, and never times out half-sent
//! headers; this one drops the handler with the connection, and speaks TLS where it is given a certificate. Routing and
//! everything above stays poem's.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use poem::{
    Addr, Endpoint, Response,
    endpoint::{DynEndpoint, ToDynEndpoint},
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::{ApiConfig, Services, Tls};

/// Connections open at once; more wait in the system's backlog.
const MAX_CONNECTIONS: usize = 4096;
/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long connections may take to end after their requests were aborted.
const ABORT_TIME: Duration = Duration::from_secs(2);

type App = Arc<dyn DynEndpoint<Output = Response>>;

/// A bound server, ready to run.
pub struct Server {
    listener: TcpListener,
    app: App,
    services: Services,
    tls: Option<Arc<Tls>>,
}

impl Server {
    /// Binds `address` ("127.0.0.1:8080"). Port 0 takes a free one.
    ///
    /// # Errors
    /// What the system says, such as an address in use.
    pub async fn bind(address: &str, services: Services, config: ApiConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let app = crate::app(&services, config);
        Ok(Self { listener, app: Arc::new(ToDynEndpoint(app)), services, tls: None })
    }

    /// The same server, speaking TLS with this certificate, and nothing else.
    pub fn with_tls(self, tls: Arc<Tls>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is ready. Then interrupts the answers in conversations, which are kept as far as they
    /// are, refuses new requests and waits for running ones for `grace` at most; what still runs then ends with an
    /// error.
    pub async fn run(self, shutdown: impl Future<Output = ()>, grace: Duration) {
        let Self { listener, app, services: Services { registry, conversations }, tls } = self;
        let graceful = GracefulShutdown::new();
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        tokio::pin!(shutdown);
        loop {
            let accept = async {
                // Never closed.
                let slot = slots.clone().acquire_owned().await.ok();
                (listener.accept().await, slot)
            };
            let (accepted, slot) = tokio::select! {
                accepted = accept => accepted,
                () = &mut shutdown => break,
            };
            match accepted {
                Ok((socket, peer)) => {
                    let (app, tls, watcher) = (app.clone(), tls.clone(), graceful.watcher());
                    tokio::spawn(async move {
                        converse(socket, peer, app, tls, watcher).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: it passes.
                    tracing::warn!("accept: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(listener);
        // Answers in conversations can be continued later, so nobody waits for their ends.
        conversations.shut_down().await;
        registry.close();
        let ended = graceful.shutdown();
        tokio::pin!(ended);
        if tokio::time::timeout(grace, &mut ended).await.is_err() {
            tracing::warn!("requests still running after {} s are ended", grace.as_secs());
            registry.abort();
            let _ = tokio::time::timeout(ABORT_TIME, ended).await;
        }
    }
}

/// Shakes hands, where there is TLS, and serves a connection to its end.
async fn converse(socket: TcpStream, peer: SocketAddr, app: App, tls: Option<Arc<Tls>>, watcher: Watcher) {
    // Small frames must not wait for each other.
    let _ = socket.set_nodelay(true);
    let local =
        socket.local_addr().map_or(LocalAddr(Addr::custom("tcp", "unknown")), |a| LocalAddr(Addr::SocketAddr(a)));
    let from = Origin { local, remote: RemoteAddr(Addr::SocketAddr(peer)), scheme: Scheme::HTTP };
    let Some(tls) = tls else { return serve(socket, from, app, watcher).await };
    match tokio::time::timeout(HEADER_TIMEOUT, tls.acceptor().accept(socket)).await {
        Ok(Ok(socket)) => serve(socket, Origin { scheme: Scheme::HTTPS, ..from }, app, watcher).await,
        // A client that speaks plain HTTP, or does not trust the certificate.
        Ok(Err(error)) => tracing::debug!("TLS: {error}"),
        Err(_) => tracing::debug!("TLS: the client was too slow"),
    }
}

/// Where a request comes from.
#[derive(Clone)]
struct Origin {
    local: LocalAddr,
    remote: RemoteAddr,
    scheme: Scheme,
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, from: Origin, app: App, watcher: Watcher) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (app, Origin { local, remote, scheme }) = (app.clone(), from.clone());
        async move {
            let request: poem::Request = (request, local, remote, scheme).into();
            let response = app.call(request).await.unwrap_or_else(|error| error.into_response());
            Ok::<_, Infallible>(hyper::Response::from(response))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).keep_alive(true);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(128).keep_alive_interval(Duration::from_secs(20));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!("connection: {error}");
    }
}
