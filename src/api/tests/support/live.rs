//! The server on a loopback socket, for what only a real connection shows: a client that goes away.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tern_api::{ApiConfig, Server, Services, Tls};
use tern_conversations::Conversations;
use tern_registry::{Registry, RegistryConfig};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

/// A running server.
pub struct Live {
    pub registry: Registry,
    pub conversations: Conversations,
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _dir: TempDir,
}

impl Live {
    pub async fn start(change: impl FnOnce(&mut RegistryConfig)) -> Self {
        Self::serving(change, None).await
    }

    /// One that speaks TLS.
    pub async fn with_tls(tls: Arc<Tls>) -> Self {
        Self::serving(|_| {}, Some(tls)).await
    }

    async fn serving(change: impl FnOnce(&mut RegistryConfig), tls: Option<Arc<Tls>>) -> Self {
        let (registry, dir) = super::registry(change);
        let services = Services::in_memory(registry.clone());
        let conversations = services.conversations.clone();
        let server = Server::bind("127.0.0.1:0", services, ApiConfig::default()).await.unwrap();
        let server = match tls {
            Some(tls) => server.with_tls(tls),
            None => server,
        };
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(server.run(shutdown, Duration::from_secs(60)));
        Self { registry, conversations, address, stop, task, _dir: dir }
    }

    /// A connection on which the request has been sent and nothing read yet. Dropping it is the client's end.
    pub async fn send(&self, path: &str, body: &Value) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let body = body.to_string();
        let head = format!("POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n", self.address, body.len());
        socket.write_all((head + &body).as_bytes()).await.unwrap();
        socket
    }

    /// A connection on which a GET has been sent and nothing read yet.
    pub async fn get(&self, path: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        socket.write_all(head.as_bytes()).await.unwrap();
        socket
    }

    /// Stops as a signal does; `run` must return.
    pub async fn shut_down(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

/// Reads from a socket until `wanted` has come.
pub async fn read_until(socket: &mut (impl AsyncRead + Unpin), wanted: &str) -> String {
    let mut seen = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = socket.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen);
        if text.contains(wanted) {
            return text.into_owned();
        }
        assert!(count > 0, "the connection ended without {wanted:?}: {text}");
    }
}
