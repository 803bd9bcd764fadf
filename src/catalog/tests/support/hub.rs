//! A hub on loopback that does as it is told, and remembers what it was asked.
//!
//! Raw HTTP/1.1, one thread a connection, so that every misbehaviour can be scripted.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use super::{COMMIT, sha256};

/// Longest wait for something that must happen; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// `N` of `Range: bytes=N-` or `bytes=N-M`.
    pub fn range(&self) -> Option<(usize, Option<usize>)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()))
    }
}

/// Opens once, for all who wait.
#[derive(Default)]
pub struct Gate(Mutex<bool>, Condvar);

impl Gate {
    pub fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let open = self.0.lock().unwrap();
        let _open = self.1.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap();
    }
}

/// An answer. `content-length` is that of the body unless a header says otherwise.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The connection is closed after this many bytes of the body.
    cut: Option<usize>,
    /// After this many bytes of the body, nothing comes until the gate opens.
    hold: Option<(usize, Arc<Gate>)>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None, hold: None }
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    pub fn hold(mut self, after: usize, gate: &Arc<Gate>) -> Self {
        self.hold = Some((after, Arc::clone(gate)));
        self
    }

    /// What a hub says about a file of its own.
    pub fn described(self, etag: &str, size: usize) -> Self {
        self.header("x-repo-commit", COMMIT).header("etag", format!("\"{etag}\"")).header("x-linked-size", size)
    }

    /// The file, or the part of it that was asked for, as an orderly server sends it.
    pub fn file(request: &Request, bytes: &[u8], etag: &str) -> Self {
        let current = request.header("if-range").is_none_or(|validator| validator == format!("\"{etag}\""));
        let reply = match request.range().filter(|_| current) {
            Some((first, _)) if first >= bytes.len() => Self::new(416, ""),
            Some((first, last)) => {
                let end = last.map_or(bytes.len(), |last| (last + 1).min(bytes.len()));
                let range = format!("bytes {first}-{}/{}", end - 1, bytes.len());
                Self::new(206, &bytes[first..end]).header("content-range", range)
            }
            None => Self::new(200, bytes),
        };
        reply.header("etag", format!("\"{etag}\""))
    }
}

type Script = Arc<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

#[derive(Default)]
struct State {
    scripts: HashMap<(String, String), Script>,
    counts: HashMap<(String, String), usize>,
    log: Vec<Request>,
}

/// The hub. Its threads end with the test's process.
pub struct FakeHub {
    port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl FakeHub {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<(Mutex<State>, Condvar)>::default();
        let hub = Self { port, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        hub
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Answers `method path` by `script`, which gets the request and how many there were before it.
    pub fn on(&self, method: &str, path: &str, script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) {
        let key = (method.to_owned(), path.to_owned());
        self.shared.0.lock().unwrap().scripts.insert(key, Arc::new(script));
    }

    /// `org/name` has this file: at `main` and at its commit, under its sha256, served by the hub itself.
    pub fn put(&self, file: &str, bytes: &[u8]) -> String {
        let etag = sha256(bytes);
        self.describe(file, &etag, bytes.len());
        let (bytes, tag) = (bytes.to_vec(), etag.clone());
        self.on("GET", &at(COMMIT, file), move |request, _| {
            Reply::file(request, &bytes, &tag).header("x-repo-commit", COMMIT)
        });
        etag
    }

    /// HEAD only.
    pub fn describe(&self, file: &str, etag: &str, size: usize) {
        for revision in ["main", COMMIT] {
            let etag = etag.to_owned();
            self.on("HEAD", &at(revision, file), move |_, _| {
                Reply::new(200, "").described(&etag, size).header("content-length", size)
            });
        }
    }

    /// How often `method` was asked for a path that ends in `file`.
    pub fn count(&self, method: &str, file: &str) -> usize {
        self.requests(method, file).len()
    }

    /// Requests by `method` for a path that ends in `file`.
    pub fn requests(&self, method: &str, file: &str) -> Vec<Request> {
        let matches = |request: &&Request| request.method == method && request.path.ends_with(file);
        self.log().iter().filter(matches).cloned().collect()
    }

    pub fn log(&self) -> Vec<Request> {
        self.shared.0.lock().unwrap().log.clone()
    }

    /// Waits until the log is as wanted. Blocks the thread.
    pub fn wait_until(&self, wanted: impl Fn(&[Request]) -> bool) {
        let state = self.shared.0.lock().unwrap();
        let (state, timeout) = self.shared.1.wait_timeout_while(state, PATIENCE, |s| !wanted(&s.log)).unwrap();
        assert!(!timeout.timed_out(), "it never came; the log is {:#?}", state.log);
    }
}

/// The hub's path of a file of `org/name`.
pub fn at(revision: &str, file: &str) -> String {
    format!("/org/name/resolve/{revision}/{file}")
}

fn serve(stream: TcpStream, shared: &(Mutex<State>, Condvar)) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    });
    let request = Request { method: method.clone(), path: path.clone(), headers: headers.collect() };
    let (script, nth) = {
        let mut state = shared.0.lock().unwrap();
        state.log.push(request.clone());
        let key = (method.clone(), path.split('?').next().unwrap().to_owned());
        let count = state.counts.entry(key.clone()).or_default();
        let nth = *count;
        *count += 1;
        (state.scripts.get(&key).cloned(), nth)
    };
    shared.1.notify_all();
    let reply = match script {
        Some(script) => script(&request, nth),
        None => Reply::new(404, "").header("x-error-code", "EntryNotFound"),
    };
    let _ = send(&stream, &reply, method == "HEAD");
    let _ = stream.shutdown(Shutdown::Both);
}

fn send(mut stream: &TcpStream, reply: &Reply, head_only: bool) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Scripted\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !reply.headers.iter().any(|(name, _)| matches!(name.as_str(), "content-length" | "transfer-encoding")) {
        head += &format!("content-length: {}\r\n", reply.body.len());
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    if head_only {
        return Ok(());
    }
    let mut body = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
    if let Some((after, gate)) = &reply.hold {
        stream.write_all(&body[..*after])?;
        gate.wait();
        body = &body[*after..];
    }
    stream.write_all(body)
}
