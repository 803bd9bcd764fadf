//! The binary, run with an environment and a home folder of its own, and what is needed to talk to it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// Longest wait for anything; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that is home, data folder and working directory of the commands run in it.
pub struct Home {
    dir: TempDir,
    /// The hub its commands ask; none may be asked without.
    hub: Option<String>,
}

impl Home {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), hub: None }
    }

    /// A home whose commands ask the hub at `url`.
    pub fn asking(url: &str) -> Self {
        Self { hub: Some(url.to_owned()), ..Self::new() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Every file below it, with its size.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let (mut files, mut folders) = (Vec::new(), vec![self.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                match entry.metadata() {
                    Ok(found) if found.is_dir() => folders.push(entry.path()),
                    Ok(found) => files.push((entry.path(), found.len())),
                    // Gone meanwhile.
                    Err(_) => {}
                }
            }
        }
        files
    }

    /// Writes a file and returns its path as text.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command, undisturbed by settings of whoever runs the tests, and without a way to the real hub.
    pub fn tern(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
        command.args(args).current_dir(self.path()).env_clear().env("HOME", self.path());
        match &self.hub {
            Some(url) => command.env("HF_ENDPOINT", url),
            None => command.env("HF_HUB_OFFLINE", "1"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        Ended::new(args, self.tern(args).output().unwrap())
    }

    /// Runs it with `input` on stdin.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Ended {
        let mut child = self.tern(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::new(args, child.wait_with_output().unwrap())
    }

    /// Starts a server on a free port with the echo engine's models.
    pub fn serve(&self, args: &[&str]) -> Served {
        let mut command = self.tern(&["serve", "--echo", "--port", "0"]);
        let mut child = command.args(args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let first = lines.next().map(Result::unwrap).unwrap_or_default();
        let Some(port) = first.split("http://127.0.0.1:").nth(1) else {
            let (status, mut said) = (child.wait(), String::new());
            let _ = log.read_to_string(&mut said);
            panic!("no address in {first:?}, ended with {status:?}: {said}");
        };
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        // A full pipe would stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        Served { child, log, address: format!("127.0.0.1:{port}") }
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub args: Vec<String>,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    fn new(args: &[&str], output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Asserts success and returns what was printed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "tern {}: {self:#?}", self.args.join(" "));
        self.stdout
    }

    /// Asserts success and returns what was printed as JSON.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Asserts this exit code, and that each part is in what was said on stderr.
    #[track_caller]
    pub fn fails(self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "tern {}: {self:#?}", self.args.join(" "));
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in {self:#?}");
        }
    }
}

/// Sends a signal (`TERM`, `INT`) to a command.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(status.unwrap().success());
}

/// A running server. Killed when dropped.
pub struct Served {
    child: Child,
    log: BufReader<ChildStderr>,
    /// `127.0.0.1:PORT`
    pub address: String,
}

impl Served {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a signal (`TERM`, `INT`).
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for a line of the log that contains `part`.
    pub fn wait_for_log(&mut self, part: &str) {
        let mut seen = String::new();
        while !seen.contains(part) {
            assert!(self.log.read_line(&mut seen).unwrap() > 0, "the log ended without {part:?}: {seen}");
        }
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Asks for a streamed answer of a model, and waits for its first piece.
    pub fn stream(&self, model: &str) -> BufReader<TcpStream> {
        let messages = serde_json::json!([{"role": "user", "content": "hi"}]);
        let body = serde_json::json!({"model": model, "stream": true, "temperature": 0, "messages": messages});
        let mut answer = BufReader::new(self.send("POST", "/v1/chat/completions", &body.to_string()).unwrap());
        let mut seen = String::new();
        while !seen.contains("\"content\":\"") || seen.ends_with("\"content\":\"\"") {
            assert!(answer.read_line(&mut seen).unwrap() > 0, "no piece in {seen}");
        }
        answer
    }

    /// Sends a request. The answer ends with the connection.
    pub fn send(&self, method: &str, path: &str, body: &str) -> std::io::Result<TcpStream> {
        let mut socket = TcpStream::connect(&self.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            socket,
            "{method} {path} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        Ok(socket)
    }

    /// Sends a request and reads the whole answer, headers and all.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let mut text = String::new();
        self.send(method, path, body)?.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
