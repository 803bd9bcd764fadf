"""J. Behaviour over time: clients that leave, seeds beside neighbours, loading on demand, health.

Nothing here asserts a speed. Where something must end, it would otherwise never end, or end minutes later.
"""

import re
import socket
import threading
import time

import pytest

from support import PATIENCE, answer, call, chat, chat_stream, connect, deltas, encode, words


def figure(name, model, base):
    """A figure of /metrics; 0 while the model has not been loaded."""
    text = call("GET", "/metrics", base=base).body.decode()
    found = re.search(rf'^{name}\{{model="{re.escape(model)}"\}} (\S+)$', text, re.MULTILINE)
    return float(found.group(1)) if found else 0


def becomes(condition):
    """Waits until `condition` holds: the time it takes is not the point, that it comes is."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.01)


def send(model, content, base, **fields):
    """Sends a request without waiting for its answer."""
    body = {"model": model, "messages": [{"role": "user", "content": content}], **fields}
    connection = connect(base)
    connection.request("POST", "/v1/chat/completions", encode(body), {"content-type": "application/json"})
    return connection


def leave(connection):
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


@pytest.fixture(scope="module")
def narrow():
    """A server that computes one answer at a time: what is not cancelled holds up all that follows."""
    from support import Server

    server = Server("--parallel", "1", "--queue", "1")
    yield server.url
    status = server.stop()
    assert status == 0, "".join(server.log)


@pytest.mark.parametrize("stream", [False, True])
def test_j103_a_client_that_leaves_while_decoding_stops_costing(narrow, stream):
    # The model never ends: without cancellation the second request would wait for ever.
    before = figure("tern_requests_cancelled_total", "echo-long", narrow)
    tokens = figure("tern_decode_tokens_total", "echo-long", narrow)
    gone = send("echo-long", "hi", narrow, stream=stream)
    becomes(lambda: figure("tern_decode_tokens_total", "echo-long", narrow) > tokens + 3)
    leave(gone)
    assert chat("echo-long", max_tokens=2, base=narrow).status == 200
    becomes(lambda: figure("tern_requests_cancelled_total", "echo-long", narrow) == before + 1)
    becomes(lambda: figure("tern_requests_running", "echo-long", narrow) == 0)


@pytest.mark.parametrize("stream, word", [(False, " in"), (True, " is")])
def test_j103_a_client_that_leaves_during_prefill_stops_costing(narrow, stream, word):
    before = figure("tern_requests_cancelled_total", "echo-stall", narrow)
    # 8000 tokens take 25 s.
    gone = send("echo-stall", words(8000, word), narrow, stream=stream)
    becomes(lambda: figure("tern_requests_running", "echo-stall", narrow) == 1)
    leave(gone)
    becomes(lambda: figure("tern_requests_cancelled_total", "echo-stall", narrow) == before + 1)
    becomes(lambda: figure("tern_requests_running", "echo-stall", narrow) == 0)
    assert figure("tern_prefill_tokens_total", "echo-stall", narrow) < 16000


@pytest.mark.parametrize("stream", [False, True])
def test_j103_a_client_that_leaves_the_queue_frees_its_place(narrow, stream):
    with chat_stream("echo-long", base=narrow) as running:
        running.next()
        becomes(lambda: figure("tern_requests_running", "echo-long", narrow) == 1)
        gone = send("echo-long", "hi", narrow, stream=stream)
        becomes(lambda: figure("tern_requests_waiting", "echo-long", narrow) == 1)
        assert chat("echo-long", base=narrow).status == 503, "the queue is full"
        leave(gone)
        becomes(lambda: figure("tern_requests_waiting", "echo-long", narrow) == 0)
        # There is room for one again.
        last = send("echo-long", "hi", narrow, max_tokens=1)
        becomes(lambda: figure("tern_requests_waiting", "echo-long", narrow) == 1)
    response = last.getresponse()
    assert response.status == 200, response.read()
    last.close()


def test_j103_a_client_that_leaves_while_a_model_loads_leaves_it_usable():
    leave(send("echo-slowload", "hi", None))
    assert answer(chat("echo-slowload")) == "hi"


# J104, a sign of life every ten seconds, is test_b22.


def test_j105_the_answer_does_not_depend_on_cache_or_neighbours():
    content = "an answer that must not change, whatever else is computed beside it"
    fresh = answer(chat("echo-random", content, cache_prompt=False))
    cached = answer(chat("echo-random", content))
    seeded = answer(chat("echo-random", content, temperature=1, seed=11, cache_prompt=False))
    assert cached == fresh
    texts, failures = [], []

    def ask(number):
        try:
            # Neighbours with the same beginning, the same prompt, and other prompts.
            other = [content, content[:20], f"number {number}", content + " and more"][number % 4]
            text = answer(chat("echo-random", other, temperature=number % 2, seed=11, max_tokens=64))
            if other == content:
                texts.append((number % 2, text))
        except BaseException as error:  # an assertion in a thread would go unseen
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in [0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 2, 6]]
    for thread in threads:
        thread.start()
    again = answer(chat("echo-random", content, temperature=1, seed=11))
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures, failures
    assert again == seeded
    assert texts and all(text == fresh for greedy, text in texts if not greedy), texts


def test_j105_streams_do_not_mix():
    results = {}

    def ask(number):
        content = f"client {number} " * 5
        results[number] = "".join(deltas(chat("echo", content, stream=True).events())) == content

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert results == dict.fromkeys(range(16), True)


def test_j106_a_request_waits_for_its_model(spawn):
    server = spawn()
    assert call("GET", "/v1/models/echo-slowload", base=server.url).json["status"]["value"] == "unloaded"
    assert answer(chat("echo-slowload", base=server.url)) == "hi"
    assert call("GET", "/v1/models/echo-slowload", base=server.url).json["status"]["value"] == "loaded"


def test_j106_a_stream_gets_its_headers_while_the_model_loads(spawn):
    server = spawn()
    with chat_stream("echo-slowload", base=server.url) as stream:
        assert stream.status == 200
        status = call("GET", "/v1/models/echo-slowload", base=server.url).json["status"]
        assert status["value"] in ("loading", "loaded"), status
        text = ""
        while (event := stream.next()) != "[DONE]":
            text += event["choices"][0]["delta"].get("content") or ""
    assert text == "hi"


def test_j106_a_load_that_fails_in_a_stream_is_an_error():
    exchange = chat("echo-noload", stream=True)
    if exchange.status == 200:
        assert "echo-noload" in exchange.events()[-1]["error"]["message"], exchange
    else:
        assert "echo-noload" in exchange.error["message"], exchange


def test_j107_health_is_200_and_needs_no_key():
    for headers in ({}, {"authorization": "Bearer wrong"}):
        exchange = call("GET", "/health", headers=headers)
        assert exchange.status == 200 and exchange.headers["content-type"].startswith("application/json"), exchange
        assert exchange.json["status"] == "ok", exchange
    assert call("HEAD", "/health").status == 200


def test_j107_health_answers_while_everything_is_busy(narrow):
    with chat_stream("echo-long", base=narrow) as running:
        running.next()
        assert call("GET", "/health", base=narrow).status == 200


def test_j_a_signal_lets_running_answers_end(spawn):
    server = spawn()
    with chat_stream("echo-slow", base=server.url) as stream:
        stream.next()
        stream.next()
        server.process.terminate()
        text = ""
        while (event := stream.next()) not in (None, "[DONE]"):
            text += event["choices"][0]["delta"].get("content") or ""
        assert event == "[DONE]", "".join(server.log)
    assert len(text.split()) >= 48, text
    assert server.process.wait(PATIENCE) == 0


def test_j_the_grace_time_ends_answers_that_do_not_end(spawn):
    server = spawn("--grace", "1s")
    with chat_stream("echo-long", base=server.url) as stream:
        stream.next()
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
