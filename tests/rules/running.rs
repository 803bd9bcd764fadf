//! The built server, started for a test, and plain HTTP to ask it. Only the standard library: what is read here is
//! what goes over the wire.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc::{Sender, channel},
    thread,
    time::Duration,
};

/// Longest wait for anything; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary that cargo built for these tests.
pub const TERN: &str = env!("CARGO_BIN_EXE_tern");

/// A command on that binary, undisturbed by settings of whoever runs the tests, and without a way to the hub.
pub fn tern(data: &std::path::Path) -> Command {
    let mut command = Command::new(TERN);
    for (name, _) in std::env::vars() {
        if name.starts_with("TERN_") || name.starts_with("HF_") {
            command.env_remove(name);
        }
    }
    command.env("TERN_DATA_DIR", data).env("HF_HOME", data.join("hub")).env("HF_HUB_OFFLINE", "1");
    command
}

/// A server on a free port with the echo engine's models and a data directory of its own.
pub struct Running {
    process: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Where it keeps its data.
    pub data: tempfile::TempDir,
}

impl Running {
    /// Starts it and waits for its address. Panics with what it printed if there is none.
    pub fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let process = tern(data.path())
            .args(["serve", "--echo", "--port", "0"])
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut running = Self { process, address: String::new(), data };
        let (sender, lines) = channel();
        drain(running.process.stdout.take().unwrap(), sender.clone());
        drain(running.process.stderr.take().unwrap(), sender);
        let mut printed = String::new();
        while let Ok(line) = lines.recv_timeout(PATIENCE) {
            if let Some((_, rest)) = line.split_once("http://127.0.0.1:") {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                running.address = format!("127.0.0.1:{port}");
                running.await_health();
                return running;
            }
            printed += &line;
            printed.push('\n');
        }
        panic!("{TERN} serve --echo --port 0 printed no address:\n{printed}");
    }

    fn await_health(&self) {
        // The address is printed when the socket listens; requests wait in it until they are accepted.
        let answer = self.ask("GET", "/health", None);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// One exchange, in HTTP/1.0: the answer ends with the connection, so that a stream needs no decoding.
    pub fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.send(method, path, "application/json", body.unwrap_or_default().as_bytes())
    }

    /// As [`Running::ask`], with a body of any kind.
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            socket,
            "{method} {path} HTTP/1.0\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
        )
        .unwrap();
        socket.write_all(body).unwrap();
        let mut raw = Vec::new();
        socket.read_to_end(&mut raw).unwrap();
        let raw = String::from_utf8_lossy(&raw).into_owned();
        let (head, body) = raw.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {raw:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {head:?}"));
        let content_type = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
        });
        Answer { status, content_type: content_type.unwrap_or_default(), body: body.to_owned() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

/// Sends every line of a pipe on, until it closes. A pipe that nobody reads would stop the server once it is full.
fn drain(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Nobody listens any more once the address is known.
            let _ = lines.send(line);
        }
    });
}
