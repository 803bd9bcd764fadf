"""What the suites share: a server that is started and stopped, plain HTTP exchanges, server-sent events.

Only the standard library: what a client library would forgive or repair has to be seen here.
"""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Longest wait for anything that should come at once. Only a hang reaches it.
PATIENCE = 60.0


def binary():
    """The server to test."""
    return pathlib.Path(os.environ.get("TERN_BINARY", ROOT / "target" / "release" / "tern"))


class Server:
    """A server of its own port and data directory. `log` collects what it prints."""

    def __init__(self, *flags):
        self.data = tempfile.TemporaryDirectory(prefix="tern-clients-")
        # A developer's settings and models must not change what is tested.
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("TERN_", "HF_"))}
        environment["HF_HOME"] = os.path.join(self.data.name, "hub")
        environment["HF_HUB_OFFLINE"] = "1"
        command = [str(binary()), "serve", "--echo", "--port", "0", "--data-dir", self.data.name, *flags]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment, cwd=self.data.name, text=True, errors="replace",
        )
        self.log = []
        self.url = None
        self._printed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._await_address(" ".join(command))
        self._await_health()

    def _read(self):
        for line in self.process.stdout:
            # Colours, if any, would stand between the scheme and the port.
            line = re.sub(r"\x1b\[[0-9;]*m", "", line)
            with self._printed:
                self.log.append(line)
                found = re.search(r"http://(127\.0\.0\.1|localhost|\[::1\]):(\d+)", line)
                if found and self.url is None:
                    self.url = found.group(0)
                self._printed.notify_all()
        with self._printed:
            self._printed.notify_all()

    def _await_address(self, command):
        with self._printed:
            ended = lambda: self.url or not self._reader.is_alive() or self.process.poll() is not None
            self._printed.wait_for(ended, PATIENCE)
            if not self.url:
                self.process.kill()
                raise RuntimeError(f"{command}\nprinted no address:\n{''.join(self.log)}")

    def _await_health(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if call("GET", "/health", base=self.url).status == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.process.kill()
                raise RuntimeError(f"/health does not answer 200:\n{''.join(self.log)}")
            time.sleep(0.02)

    def stop(self):
        """Ends the server as `systemctl stop` would; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "still running after SIGTERM"
        self._reader.join(PATIENCE)
        self.data.cleanup()
        return status


def base_url():
    """Address of the server that run.py started."""
    return os.environ["TERN_URL"]


class Exchange:
    """One request and its answer. As text it is the whole of both, for messages of failing asserts."""

    def __init__(self, method, path, sent, response, body):
        self.method, self.path, self.sent = method, path, sent
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = body

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(f"the answer is not JSON\n{self}") from None

    @property
    def error(self):
        """The error object, after checking that the body is an error envelope and nothing else."""
        assert self.status >= 400, self
        assert self.headers.get("content-type", "").split(";")[0] == "application/json", self
        assert list(self.json) == ["error"], self
        error = self.json["error"]
        assert sorted(error) == ["code", "message", "param", "type"], self
        assert isinstance(error["message"], str) and error["message"], self
        assert isinstance(error["type"], str) and error["type"], self
        assert error["param"] is None or isinstance(error["param"], str), self
        assert error["code"] is None or isinstance(error["code"], str), self
        return error

    def __repr__(self):
        sent = self.sent if len(self.sent) < 2000 else self.sent[:2000] + b"... (%d bytes)" % len(self.sent)
        headers = "".join(f"{name}: {value}\n" for name, value in self.headers.items())
        return (
            f"\n> {self.method} {self.path}\n> {sent.decode(errors='replace')}\n"
            f"< {self.status}\n{headers}\n{self.body[:4000].decode(errors='replace')}"
        )

    def events(self):
        """The events of a complete stream."""
        assert self.status == 200, self
        return [event for event in parse_events(self.body.decode()) if event is not None]


def connect(base=None, timeout=PATIENCE):
    address = urllib.parse.urlsplit(base or base_url())
    return http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)


def encode(body):
    if body is None:
        return b""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def call(method, path, body=None, headers=None, base=None):
    """One exchange. `body` is bytes, or a value that is sent as JSON."""
    sent = encode(body)
    connection = connect(base)
    try:
        headers = {"content-type": "application/json", **(headers or {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        try:
            connection.request(method, path, sent if body is not None else None, headers)
        except BrokenPipeError:
            pass  # refused before all of it was sent; the answer is there to be read
        response = connection.getresponse()
        return Exchange(method, path, sent, response, response.read())
    finally:
        connection.close()


def post(path, body, **options):
    return call("POST", path, body, **options)


def chat(model="echo-pieces", content="hi", base=None, **fields):
    """A chat completion, greedy unless told otherwise. Keyword arguments are fields of the request."""
    body = {"model": model, "messages": [{"role": "user", "content": content}], "temperature": 0, **fields}
    return post("/v1/chat/completions", body, base=base)


def complete(model="echo-pieces", prompt="hi", base=None, **fields):
    """A text completion, greedy unless told otherwise."""
    return post("/v1/completions", {"model": model, "prompt": prompt, "temperature": 0, **fields}, base=base)


def embed(input="the word", model="echo-embed", **fields):
    return post("/v1/embeddings", {"model": model, "input": input, **fields})


def answer(exchange, index=0):
    """The text of an answer that must have succeeded."""
    assert exchange.status == 200, exchange
    choice = exchange.json["choices"][index]
    return choice["message"]["content"] if "message" in choice else choice["text"]


def tokens(text, model="echo", **fields):
    """Token ids of a text."""
    exchange = post("/v1/tokenize", {"model": model, "content": text, "add_special": False, **fields})
    assert exchange.status == 200, exchange
    return exchange.json["tokens"]


def words(count, word=" the"):
    """A text of exactly `count` tokens for the echo engine. `word` is one of its common words."""
    return word * count


def parse_events(text):
    """Data of each event: parsed JSON, or the string "[DONE]". None stands for a comment."""
    for block in text.split("\n\n"):
        if not block:
            continue
        if block.startswith(":"):
            yield None
            continue
        assert block.startswith("data: ") and "\n" not in block, f"not a single data line: {block!r}"
        data = block[len("data: "):]
        yield data if data == "[DONE]" else json.loads(data)


class Stream:
    """A stream that is read as it arrives, and may be left before its end."""

    def __init__(self, path, body, base=None, timeout=PATIENCE):
        self.connection = connect(base, timeout)
        self.connection.request("POST", path, encode(body), {"content-type": "application/json"})
        self.response = self.connection.getresponse()
        self.headers = {name.lower(): value for name, value in self.response.getheaders()}
        self.status = self.response.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # http.client would read the rest of the body first.
        if self.connection.sock:
            self.connection.sock.close()
        self.response.close()
        self.connection.close()

    def line(self):
        return self.response.readline().decode()

    def next(self):
        """The next event that is not a comment; None at the end."""
        while line := self.line():
            if line.startswith("data: "):
                data = line[len("data: "):].rstrip("\n")
                return data if data == "[DONE]" else json.loads(data)
        return None


def chat_stream(model, content="hi", base=None, timeout=PATIENCE, **fields):
    body = {
        "model": model, "messages": [{"role": "user", "content": content}], "temperature": 0, "stream": True, **fields,
    }
    return Stream("/v1/chat/completions", body, base, timeout)


def deltas(events, index=0, field="content"):
    """The pieces of one answer of a chat stream."""
    pieces = []
    for event in events:
        if event == "[DONE]":
            continue
        for choice in event["choices"]:
            if choice["index"] == index and choice["delta"].get(field):
                pieces.append(choice["delta"][field])
    return pieces
