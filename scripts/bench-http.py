#!/usr/bin/env python3
"""Times what stands above the engines, on the echo engine, which takes no time itself: short chats a second, the first byte of a
stream, what a token takes more, and the memory of 1,000 streams that wait.

Usage: scripts/bench-http.py                     starts target/release/tern (or $TERN) for itself
       scripts/bench-http.py URL [--pid PID]     asks a server that runs with --echo; its memory is read if PID is given

Needs nothing but Python. Clients run on the same machine and take processor time of their own; sockets are plain, so that they
take little. `make bench` runs it.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
STREAMS = 1000
SECONDS = 4
CLIENTS = 2
CONNECTIONS = 8


def chat(address, model, **more):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "temperature": 0, **more}
    body = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {address[0]}:{address[1]}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def connect(address):
    connection = socket.create_connection(address, timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_until(connection, wanted):
    seen = b""
    while wanted not in seen:
        piece = connection.recv(65536)
        if not piece:
            raise SystemExit(f"the connection ended: {seen.decode(errors='replace')}")
        seen += piece
    return seen


def read_answer(connection):
    """An answer in one piece."""
    seen = read_until(connection, b"\r\n\r\n")
    head, _, body = seen.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(seen.decode(errors="replace"))
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(65536))


def ask_for(seconds, address, answered):
    """Asks on several connections at once; all have a request running nearly always."""
    connections = [connect(address) for _ in range(CONNECTIONS)]
    request = chat(address, "echo")
    until = time.monotonic() + seconds
    for connection in connections:
        connection.sendall(request)
    count = 0
    while time.monotonic() < until:
        for connection in connections:
            read_answer(connection)
            connection.sendall(request)
            count += 1
    answered.put(count)


def requests_a_second(address):
    answered = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=ask_for, args=(SECONDS, address, answered)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    count = sum(answered.get() for _ in clients)
    for client in clients:
        client.join()
    return count / SECONDS


def first_bytes(address):
    """Milliseconds from sending a request to the first byte and to the first word of its stream."""
    connection, request = connect(address), chat(address, "echo-pieces", stream=True)
    times = []
    for _ in range(500):
        began = time.perf_counter()
        connection.sendall(request)
        seen = connection.recv(1)
        byte = time.perf_counter()
        while b"Hello" not in seen:
            seen += connection.recv(65536)
        word = time.perf_counter()
        # The last piece of a body in chunks has no bytes.
        if not seen.endswith(b"0\r\n\r\n"):
            read_until(connection, b"0\r\n\r\n")
        times.append(((byte - began) * 1000, (word - began) * 1000))
    return list(zip(*times))


def a_token(address):
    """Milliseconds a token of one stream, of an engine that takes none: scheduling, chat, HTTP and this client."""
    connection, times, tokens = connect(address), [], 2000
    for _ in range(5):
        connection.sendall(chat(address, "echo-fast", stream=True, max_tokens=tokens))
        seen = read_until(connection, b"data:")
        began = time.perf_counter()
        while not seen.endswith(b"0\r\n\r\n"):
            seen = seen[-5:] + connection.recv(65536)
        times.append((time.perf_counter() - began) * 1000 / tokens)
    return min(times)


def resident(pid):
    """Bytes of memory that a process has."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def waiting_streams(address, pid):
    """Bytes that the server takes for streams which have begun and have nothing to say yet."""
    model = "echo-long?step_ms=20000"
    with connect(address) as first:
        # Loads the model.
        first.sendall(chat(address, model, stream=True))
        read_until(first, b"data:")
        time.sleep(0.5)
        before, request, streams = resident(pid), chat(address, model, stream=True), []
        for _ in range(STREAMS):
            streams.append(connect(address))
            streams[-1].sendall(request)
        for stream in streams:
            read_until(stream, b"data:")
        taken = resident(pid) - before
        for stream in streams:
            stream.close()
    return taken


def measure(address, pid):
    for _ in range(2):
        # The first round warms up.
        rate = requests_a_second(address)
    print(f"short chats        {rate:8.0f} a second, {CLIENTS * CONNECTIONS} at once")
    byte, word = first_bytes(address)
    for name, times in [("first byte", byte), ("first word", word)]:
        slowest = statistics.quantiles(times, n=100)[98]
        print(f"{name} of a stream {statistics.median(times):6.2f} ms (median), {slowest:.2f} ms (99 of 100)")
    print(f"a token of a stream  {a_token(address):6.3f} ms more than the engine takes")
    if pid:
        taken = waiting_streams(address, pid)
        print(f"{STREAMS} idle streams {taken / 1e6:8.1f} MB, {taken / STREAMS / 1000:.1f} kB each")
    else:
        print("idle streams: not measured without --pid")


def serve():
    """A server of our own, and its address."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    home = tempfile.TemporaryDirectory()
    command = [os.environ.get("TERN", target / "release/tern"), "serve", "--echo", "--port", "0", "--queue", str(2 * STREAMS)]
    environment = {**os.environ, "HOME": home.name, "HF_HUB_OFFLINE": "1"}
    server = subprocess.Popen(
        command, env=environment, cwd=home.name, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    line = server.stdout.readline()
    if "http://" not in line:
        raise SystemExit(f"no server: {line}")
    url = urllib.parse.urlsplit("http://" + line.split("http://")[1].split()[0])
    return server, home, (url.hostname, url.port)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="a server that runs with --echo")
    parser.add_argument("--pid", type=int, help="its process, whose memory is read")
    given = parser.parse_args()
    # Each stream is a file here and in the server.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if given.url:
        url = urllib.parse.urlsplit(given.url)
        measure((url.hostname, url.port or 80), given.pid)
        return
    server, home, address = serve()
    try:
        measure(address, server.pid)
    finally:
        server.kill()
        server.wait()
        home.cleanup()


if __name__ == "__main__":
    main()
