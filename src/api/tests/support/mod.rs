//! Starts the app on the echo engine and keeps every exchange whole, so that a failure prints all of it. Each answer
//! is checked against the schema of the description on the way.

pub mod disk;
mod exchange;
pub mod live;
pub mod schema;
pub mod talk;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::BoxStream};
use poem::{
    Body, EndpointExt, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, Method},
    test::{TestClient, TestRequestBuilder},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tern_api::{ApiConfig, Services};
use tern_catalog::{Catalog, CatalogConfig, hub};
use tern_conversations::{Conversations, Settings};
use tern_registry::{Registry, RegistryConfig};
use tern_scheduler::Stats;
use tern_store::{ConversationStore, RedbStore};

pub use exchange::{Event, Exchange, numbered_events, parse_events};

/// The whole API in this process, over an empty models directory.
pub struct App {
    client: TestClient<BoxEndpoint<'static, Response>>,
    pub registry: Registry,
    pub conversations: Conversations,
    dir: TempDir,
}

/// A registry over an empty folder with the echo engine's models; nothing is ever asked of the hub.
pub fn registry(change: impl FnOnce(&mut RegistryConfig)) -> (Registry, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = hub::Settings::new(dir.path().join("hub"));
    hub.offline = true;
    let broken = dir.path().join("broken.gguf");
    std::fs::write(&broken, b"GGUF").unwrap();
    let extra = vec![("org/name:tag".to_owned(), broken)];
    let catalog = Catalog::new(CatalogConfig { models_dir: dir.path().join("models"), hub, extra });
    let mut config = RegistryConfig { echo: true, threads: 1, ..RegistryConfig::default() };
    change(&mut config);
    (Registry::new(catalog, config), dir)
}

impl App {
    pub fn start() -> Self {
        Self::with(|_, _| {})
    }

    pub fn with(change: impl FnOnce(&mut RegistryConfig, &mut ApiConfig)) -> Self {
        Self::over(Arc::new(RedbStore::temporary()), change)
    }

    /// Over a store of its own.
    pub fn over(store: Arc<dyn ConversationStore>, change: impl FnOnce(&mut RegistryConfig, &mut ApiConfig)) -> Self {
        let mut api = ApiConfig::default();
        let (registry, dir) = registry(|config| change(config, &mut api));
        let conversations =
            Conversations::new(store, registry.clone(), Settings { temperature: 0.0, ..Settings::default() });
        let services = Services { registry: registry.clone(), conversations: conversations.clone() };
        let app = tern_api::app(&services, api).boxed();
        Self { client: TestClient::new(app), registry, conversations, dir }
    }

    /// Puts a file into the models directory, where it is found by its name.
    pub fn add_model(&self, file: &str, content: &[u8]) {
        let models = self.dir.path().join("models");
        std::fs::create_dir_all(&models).unwrap();
        std::fs::write(models.join(file), content).unwrap();
    }

    pub async fn get(&self, path: &str) -> Exchange {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Exchange {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// A chat completion.
    pub async fn chat(&self, body: Value) -> Exchange {
        self.post("/v1/chat/completions", body).await
    }

    /// Any request, answered to its end.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Exchange {
        let body = body.into();
        let shown: String = String::from_utf8_lossy(&body[..body.len().min(8000)]).chars().take(2000).collect();
        let request = format!("> {method} {path} {headers:?}\n{shown}");
        let builder = headers.iter().fold(self.request(&method, path), |b, (name, value)| b.header(*name, *value));
        let response = builder.body(body).send().await.0;
        self.finish(method, path, request, response).await
    }

    /// A form: of each field its name, its file's name if it is one, and what is in it.
    pub async fn form(&self, path: &str, fields: &[(&str, Option<&str>, &[u8])]) -> Exchange {
        let mut body = Vec::new();
        for (name, file, content) in fields {
            let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
            body.extend(format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
            body.extend(*content);
            body.extend(b"\r\n");
        }
        body.extend(b"--XX--\r\n");
        self.send(Method::POST, path, &[("content-type", "multipart/form-data; boundary=XX")], body).await
    }

    /// A request whose body comes in pieces, without a declared length.
    pub async fn send_pieces(&self, path: &str, pieces: Vec<String>) -> Exchange {
        let request = format!("> POST {path}, {} pieces", pieces.len());
        let pieces = pieces.into_iter().map(Ok::<_, std::io::Error>);
        let body = Body::from_bytes_stream(futures_util::stream::iter(pieces.map(|p| p.map(bytes::Bytes::from))));
        let response = self.request(&Method::POST, path).body(body).send().await.0;
        self.finish(Method::POST, path, request, response).await
    }

    fn request(&self, method: &Method, path: &str) -> TestRequestBuilder<'_, BoxEndpoint<'static, Response>> {
        match *method {
            Method::GET => self.client.get(path),
            Method::POST => self.client.post(path),
            Method::PUT => self.client.put(path),
            Method::DELETE => self.client.delete(path),
            Method::HEAD => self.client.head(path),
            Method::OPTIONS => self.client.options(path),
            Method::PATCH => self.client.patch(path),
            _ => unreachable!("no test asks with {method}"),
        }
    }

    async fn finish(&self, method: Method, path: &str, request: String, response: Response) -> Exchange {
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(body.into_vec().await.unwrap()).unwrap();
        let exchange = Exchange { request, status: parts.status.as_u16(), headers: parts.headers, body };
        if method != Method::HEAD {
            schema::check_exchange(method.as_str(), path, &exchange);
        }
        exchange
    }

    /// A stream that is read event by event. Dropping it is what a client that leaves does.
    pub async fn open(&self, path: &str, body: Value) -> Open {
        self.open_with(Method::POST, path, body).await
    }

    /// The same with any method.
    pub async fn open_with(&self, method: Method, path: &str, body: Value) -> Open {
        let request = format!("> {method} {path}\n{body}");
        let response = self.request(&method, path).body(body.to_string()).send().await.0;
        Self::opened(request, response)
    }

    /// The same with headers.
    pub async fn open_as(&self, headers: &[(&str, &str)], path: &str, body: Value) -> Open {
        let request = format!("> POST {path} {headers:?}\n{body}");
        let builder =
            headers.iter().fold(self.request(&Method::POST, path), |b, (name, value)| b.header(*name, *value));
        Self::opened(request, builder.body(body.to_string()).send().await.0)
    }

    fn opened(request: String, response: Response) -> Open {
        let (parts, body) = response.into_parts();
        let frames = body.into_bytes_stream().map(|frame| frame.unwrap().to_vec()).boxed();
        Open { request, status: parts.status.as_u16(), headers: parts.headers, frames, text: String::new(), read: 0 }
    }

    /// A stream of a chat completion that has begun to speak: it holds a place in the model.
    pub async fn speaking(&self, body: Value) -> Open {
        let mut open = self.open("/v1/chat/completions", with(body, json!({"stream": true}))).await;
        while let Some(event) = open.next().await {
            let said = event.data().and_then(|data| data.pointer("/choices/0/delta/content")?.as_str());
            if said.is_some_and(|text| !text.is_empty()) {
                return open;
            }
        }
        panic!("the stream ended without a word: {}\n{}", open.request, open.text)
    }

    pub fn stats(&self, model: &str) -> Stats {
        stats(&self.registry, model)
    }
}

/// Figures of a loaded model's scheduler; zeros for one that is not loaded.
pub fn stats(registry: &Registry, model: &str) -> Stats {
    let loaded = registry.loaded().into_iter().find(|loaded| loaded.entry.id == model);
    loaded.map(|loaded| loaded.text().unwrap().scheduler.stats()).unwrap_or_default()
}

/// A response whose body is still coming.
pub struct Open {
    pub request: String,
    pub status: u16,
    pub headers: HeaderMap,
    frames: BoxStream<'static, Vec<u8>>,
    text: String,
    read: usize,
}

impl Open {
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text[self.read..].find("\n\n") {
                let block = &self.text[self.read..self.read + end + 2];
                self.read += end + 2;
                return parse_events(block).pop();
            }
            let frame = self.frames.next().await?;
            self.text.push_str(&String::from_utf8(frame).unwrap());
        }
    }

    /// The whole exchange, once the stream has ended.
    pub async fn rest(mut self) -> Exchange {
        while let Some(frame) = self.frames.next().await {
            self.text.push_str(&String::from_utf8(frame).unwrap());
        }
        Exchange { request: self.request, status: self.status, headers: self.headers, body: self.text }
    }
}

/// A dialogue of one message.
pub fn ask(model: &str, text: &str) -> Value {
    json!({"model": model, "temperature": 0, "messages": [{"role": "user", "content": text}]})
}

/// `body` with the fields of `more`.
pub fn with(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("not an object: {more}") };
    body.as_object_mut().unwrap().extend(more);
    body
}

/// Waits until `reached` holds. The bound only ends a test that would hang for ever.
pub async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !reached() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
