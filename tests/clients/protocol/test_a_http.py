"""A. Errors and HTTP: what holds for every endpoint."""

import json
import re
import socket

import pytest

from support import PATIENCE, answer, call, chat, chat_stream, complete, connect, embed, encode, post, words

MESSAGES = [{"role": "user", "content": "hi"}]
CHAT = "/v1/chat/completions"

WRONG = {
    "malformed JSON": ("POST", CHAT, b'{"model": "echo", "messages": [', 400),
    "empty body": ("POST", CHAT, b"", 400),
    "unknown model": ("POST", CHAT, {"model": "nobody", "messages": MESSAGES}, 404),
    "unknown model to retrieve": ("GET", "/v1/models/nobody", None, 404),
    "unknown route under /v1": ("GET", "/v1/nothing", None, 404),
    "unknown route": ("GET", "/nothing/at/all", None, 404),
    "unknown method": ("DELETE", CHAT, None, 405),
    "missing field": ("POST", "/v1/embeddings", {"model": "echo-embed"}, 400),
    "wrong type": ("POST", CHAT, {"model": 5, "messages": MESSAGES}, 400),
    "wrong capability": ("POST", CHAT, {"model": "echo-embed", "messages": MESSAGES}, 400),
    "wrong capability the other way": ("POST", "/v1/embeddings", {"model": "echo", "input": "a"}, 400),
}


@pytest.mark.parametrize("name", WRONG)
def test_a01_every_error_is_the_envelope(name):
    method, path, body, status = WRONG[name]
    exchange = call(method, path, body)
    assert exchange.status == status, exchange
    assert exchange.error["type"] == "invalid_request_error", exchange


def test_a01_an_unknown_route_never_gives_a_page():
    for path in ("/v1/nothing", "/v1/chat/nothing", "/v1/models/a/b/c/d"):
        exchange = call("GET", path, headers={"accept": "text/html"})
        assert exchange.status == 404 and exchange.error, exchange


def test_a02_codes_are_strings_or_null():
    for method, path, body, _ in WRONG.values():
        exchange = call(method, path, body)
        assert exchange.error["code"] is None or isinstance(exchange.error["code"], str), exchange


def test_a03_an_unknown_model_is_404_and_lists_what_there_is():
    for exchange in (
        chat("nobody"), complete("nobody"), embed(model="nobody"), chat("nobody", stream=True),
        post("/v1/tokenize", {"model": "nobody", "content": "a"}),
    ):
        assert exchange.status == 404, exchange
        assert exchange.error["code"] == "model_not_found", exchange
        assert "`nobody`" in exchange.error["message"] and "tern-guide" in exchange.error["message"], exchange


def test_a03_a_request_without_a_model_is_400():
    exchange = post(CHAT, {"messages": MESSAGES})
    assert exchange.status == 400 and exchange.error["param"] == "model", exchange


OUT_OF_RANGE = {
    "max_tokens": 0, "max_completion_tokens": -1, "n": 0, "temperature": -0.5, "top_p": 1.5, "min_p": -1,
    "presence_penalty": 3, "frequency_penalty": -3, "top_logprobs": 21,
}


@pytest.mark.parametrize("field", OUT_OF_RANGE)
def test_a03_values_out_of_range_are_400_and_named(field):
    extra = {"logprobs": True} if field == "top_logprobs" else {}
    for stream in (False, True):
        exchange = chat(stream=stream, **{field: OUT_OF_RANGE[field]}, **extra)
        assert exchange.status == 400 and exchange.error["param"] == field, exchange
        assert field in exchange.error["message"], exchange


WRONG_TYPES = {
    "messages": "hi", "temperature": "hot", "max_tokens": 1.5, "n": "two", "stop": 5, "stream": "yes",
    "logit_bias": [], "seed": "seven", "logprobs": 1,
}


@pytest.mark.parametrize("field", WRONG_TYPES)
def test_a03_wrong_types_are_400_and_named(field):
    exchange = post(CHAT, {"model": "echo", "messages": MESSAGES, field: WRONG_TYPES[field]})
    assert exchange.status == 400 and exchange.error["param"] == field, exchange


def test_a03_the_path_of_a_wrong_field_is_given():
    exchange = post(CHAT, {"model": "echo", "messages": [MESSAGES[0], {"role": "user", "content": 5}]})
    assert exchange.status == 400 and exchange.error["param"] == "messages[1].content", exchange
    exchange = post(CHAT, {"model": "echo", "messages": [{"role": "king", "content": "hi"}]})
    assert exchange.status == 400 and exchange.error["param"] == "messages[0].role", exchange


def test_a03_empty_messages_are_400():
    exchange = post(CHAT, {"model": "echo", "messages": []})
    assert exchange.status == 400 and exchange.error["param"] == "messages", exchange


def test_a03_too_many_answers_are_400():
    assert chat(n=1_000_000).error["param"] == "n"


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b"-1e999"])
def test_a03_numbers_that_are_none_are_400(number):
    body = b'{"model": "echo", "messages": [{"role": "user", "content": "hi"}], "temperature": ' + number + b"}"
    exchange = post(CHAT, body)
    assert exchange.status == 400 and exchange.error, exchange


def test_a04_a_permanent_server_error_asks_not_to_retry():
    for model in ("echo-error", "echo-panic"):
        exchange = chat(model)
        assert exchange.status == 500, exchange
        assert exchange.headers.get("x-should-retry") == "false", exchange
        assert exchange.error["type"] == "server_error", exchange
        # The next request is none the worse for it.
        assert chat(model, max_tokens=3).status == 200


def test_a04_a_model_that_cannot_be_loaded_is_not_retried():
    exchange = chat("echo-noload")
    assert exchange.status in (400, 500), exchange
    assert exchange.status == 400 or exchange.headers.get("x-should-retry") == "false", exchange
    assert "echo-noload" in exchange.error["message"], exchange


def test_a05_a_full_queue_is_503_with_retry_after(spawn):
    server = spawn("--parallel", "1", "--queue", "1")
    with chat_stream("echo-long", base=server.url) as running:
        assert running.next()["choices"], "the first request runs"
        while running.next()["choices"][0]["delta"].get("content") is None:
            pass
        # One may wait; the next one may not. A waiting stream has its headers already, so it is known to wait.
        with chat_stream("echo-long", base=server.url) as waiting:
            assert waiting.status == 200
            exchange = chat("echo-long", max_tokens=1, base=server.url)
            assert exchange.status == 503, exchange
            assert exchange.error["code"] == "overloaded" and exchange.error["type"] == "server_error", exchange
            assert 0 < float(exchange.headers["retry-after"]) <= 120, exchange
            streamed = chat("echo-long", stream=True, base=server.url)
            assert streamed.status == 503 and streamed.error["code"] == "overloaded", streamed


def test_a06_a_prompt_that_is_too_long_is_refused_with_both_numbers():
    content = words(100)
    for exchange in (
        chat("echo-tiny", content), chat("echo-tiny", content, stream=True),
        complete("echo-tiny", content), complete("echo-tiny", content, stream=True),
    ):
        assert exchange.status == 400, exchange
        assert exchange.error["code"] == "context_length_exceeded", exchange
        assert exchange.error["type"] == "invalid_request_error", exchange
        message = exchange.error["message"]
        assert "maximum context length is 64 tokens" in message, exchange
        counts = [int(number) for number in re.findall(r"\d+", message)]
        assert any(100 <= count < 120 for count in counts), f"the prompt's own length is missing: {exchange}"


def test_a06_an_answer_that_fills_the_context_ends_with_length():
    exchange = chat("echo-tiny")
    usage = exchange.json["usage"]
    assert exchange.json["choices"][0]["finish_reason"] == "length", exchange
    assert usage["total_tokens"] == 64, exchange


def test_a07_every_answer_has_a_request_id():
    exchanges = [call(method, path, body) for method, path, body, _ in WRONG.values()]
    exchanges += [chat(), chat(stream=True), embed(), call("GET", "/v1/models"), call("GET", "/health")]
    ids = [exchange.headers.get("x-request-id") for exchange in exchanges]
    assert all(ids) and len(set(ids)) == len(ids), ids


def test_a07_the_clients_own_request_id_is_kept():
    exchange = call("GET", "/v1/models", headers={"x-request-id": "my-id-17"})
    assert exchange.headers["x-request-id"] == "my-id-17", exchange
    # But nothing that would break a log line.
    exchange = call("GET", "/v1/models", headers={"x-request-id": "two words; and more"})
    assert exchange.headers["x-request-id"] not in ("", "two words; and more"), exchange


def test_a08_unknown_fields_are_ignored():
    exchange = chat(
        prompt_cache_key="k", safety_identifier="s", verbosity="low", service_tier="auto", store=False,
        metadata={"a": "b"}, user="u", client_metadata={"x": [1]}, prompt_cache_options={}, field_of_next_year=1,
    )
    assert answer(exchange) == "Hello from the echo engine: one, two, three.", exchange
    assert complete(user="u", field_of_next_year={}).status == 200
    assert embed(user="u", field_of_next_year=[]).status == 200


def test_a09_null_is_the_same_as_absent():
    nulls = dict.fromkeys([
        "tools", "tool_choice", "stop", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "seed",
        "logprobs", "top_logprobs", "logit_bias", "response_format", "top_p", "user", "metadata", "presence_penalty",
        "frequency_penalty", "parallel_tool_calls", "functions", "function_call", "modalities", "audio",
        "reasoning_effort", "service_tier", "top_k", "min_p", "repeat_penalty",
    ])
    assert answer(chat(**nulls)) == answer(chat())
    nulls = dict.fromkeys([
        "stop", "stream", "stream_options", "n", "seed", "logprobs", "echo", "best_of", "suffix", "logit_bias", "user",
        "top_p", "presence_penalty", "frequency_penalty",
    ])
    assert answer(complete(max_tokens=50, **nulls)) == answer(complete(max_tokens=50))
    assert embed(encoding_format=None, dimensions=None, user=None).status == 200


def test_a10_integers_may_be_written_as_floats():
    body = b'{"model": "echo-slow", "messages": [{"role": "user", "content": "hi"}], "temperature": 0, "max_tokens": %s}'
    for spelled, count in ((b"3.0", 3), (b"0.5e1", 5)):
        exchange = post(CHAT, body % spelled)
        assert exchange.status == 200 and exchange.json["usage"]["completion_tokens"] == count, exchange


@pytest.mark.parametrize("seed", [2**63, 2**64 - 1, -1, 42.0])
def test_a10_seeds_may_exceed_63_bits(seed):
    first, second = (chat("echo-random", seed=seed, temperature=1, max_tokens=20) for _ in range(2))
    assert answer(first) == answer(second)


@pytest.mark.parametrize("body", [b"[]", b"null", b"true", b"5", b'"hello"', b"  "])
def test_a11_a_body_that_is_no_object_is_400(body):
    for path in (CHAT, "/v1/completions", "/v1/embeddings", "/v1/tokenize"):
        exchange = post(path, body)
        assert exchange.status == 400 and exchange.error, exchange


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "odd"])
def test_a12_the_content_type_does_not_matter(content_type):
    exchange = post(CHAT, {"model": "echo", "messages": MESSAGES, "temperature": 0}, headers={"content-type": content_type})
    assert answer(exchange) == "hi", exchange


@pytest.mark.parametrize("headers", [
    {"authorization": "Bearer sk-anything"}, {"authorization": "bearer x"}, {"x-api-key": "k"}, {"api-key": "k"},
])
def test_a13_any_key_is_accepted_when_none_is_configured(headers):
    assert call("GET", "/v1/models", headers=headers).status == 200


def test_a14_a_browser_on_this_machine_may_ask():
    wanted = "authorization, content-type, x-stainless-os, x-stainless-lang, openai-organization, x-api-key, anthropic-version"
    exchange = call("OPTIONS", CHAT, headers={
        "origin": "http://localhost:3000", "access-control-request-method": "POST",
        "access-control-request-headers": wanted, "content-type": None,
    })
    assert exchange.status in (200, 204), exchange
    assert exchange.headers["access-control-allow-origin"] in ("*", "http://localhost:3000"), exchange
    allowed = exchange.headers["access-control-allow-headers"].lower()
    assert allowed == "*" or all(name in allowed for name in wanted.split(", ")), exchange
    assert "POST" in exchange.headers["access-control-allow-methods"], exchange
    exchange = call("GET", "/v1/models", headers={"origin": "http://localhost:3000"})
    assert exchange.headers["access-control-allow-origin"] in ("*", "http://localhost:3000"), exchange


def test_a14_a_page_elsewhere_may_not():
    exchange = call("GET", "/v1/models", headers={"origin": "https://evil.example"})
    assert exchange.status == 403 and exchange.error, exchange
    assert "access-control-allow-credentials" not in exchange.headers, exchange


def test_a14_a_foreign_host_name_is_refused():
    exchange = call("GET", "/v1/models", headers={"host": "evil.example"})
    assert exchange.status == 403 and "--allowed-host" in exchange.error["message"], exchange


def test_a15_forgotten_v1_trailing_and_double_slashes_are_tolerated():
    body = {"model": "echo", "messages": MESSAGES, "temperature": 0}
    for path in ("/chat/completions", "/v1/chat/completions/", "//v1//chat/completions", "/v1/v1/chat/completions"):
        assert answer(post(path, body)) == "hi"
    for path in ("/models", "/v1/models/", "/models/echo"):
        assert call("GET", path).status == 200, path
    assert post("/embeddings", {"model": "echo-embed", "input": "a"}).status == 200
    assert post("/completions", {"model": "echo", "prompt": "a"}).status == 200


def test_a15_the_root_answers():
    for method in ("GET", "HEAD"):
        exchange = call(method, "/")
        assert exchange.status == 200, exchange
    assert call("HEAD", "/").body == b""


def test_a16_a_large_body_is_taken():
    # Four megabytes in a field that is not looked at, as an image would be.
    assert answer(chat("echo", user="x" * (4 << 20))) == "hi"


def test_a16_a_body_over_the_limit_is_413(spawn):
    server = spawn("--body-limit", "64KiB")
    exchange = chat("echo", user="x" * (80 << 10), base=server.url)
    assert exchange.status == 413 and "65536" in exchange.error["message"], exchange
    # Also when the length is not announced.
    connection = connect(server.url)
    body = encode({"model": "echo", "messages": MESSAGES, "user": "x" * (80 << 10)})
    pieces = (body[at:at + 8192] for at in range(0, len(body), 8192))
    try:
        try:
            connection.request("POST", CHAT, pieces, {"content-type": "application/json"}, encode_chunked=True)
        except BrokenPipeError:
            pass
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read())["error"]["message"]
    finally:
        connection.close()


def test_a16_a_declared_length_is_refused_before_the_body_is_sent():
    address = connect()
    with socket.create_connection((address.host, address.port), PATIENCE) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 99999999999\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a17_a_connection_is_used_again():
    connection = connect()
    try:
        sockets = set()
        for _ in range(3):
            connection.request("GET", "/v1/models")
            sockets.add(connection.sock.getsockname())
            assert connection.getresponse().read()
        assert len(sockets) == 1
    finally:
        connection.close()


def test_a17_streams_are_not_compressed():
    body = {"model": "echo-pieces", "messages": MESSAGES, "stream": True, "temperature": 0}
    exchange = post(CHAT, body, headers={"accept-encoding": "gzip, br, zstd"})
    assert "content-encoding" not in exchange.headers, exchange
    assert exchange.events()[-1] == "[DONE]"


def test_a17_a_broken_request_line_does_not_stop_the_server():
    address = connect()
    for garbage in (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\r\n" * 50, b"GET / HTTP/9.9\r\n\r\n"):
        with socket.create_connection((address.host, address.port), PATIENCE) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert call("GET", "/health").status == 200
