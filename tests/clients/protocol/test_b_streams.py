"""B. Server-sent events of chat and text completions."""

import json

import pytest

from support import Stream, answer, chat, chat_stream, complete, deltas, parse_events, post, words

PIECES = "Hello from the echo engine: one, two, three."
# echo-stall takes 50 ms for each 16 tokens of a prompt.
PREFILL_12_S = 16 * 240
UTF8 = "Caf\u00e9 \U0001F468\u200D\U0001F469\u200D\U0001F467\u200D\U0001F466 \U0001F1E8\U0001F1ED \u65E5\u672C\u8A9E e\u0301."


def data(exchange):
    """The events without the end mark, which must be there."""
    events = exchange.events()
    assert events[-1] == "[DONE]" and "[DONE]" not in events[:-1], exchange
    return events[:-1]


def test_b18_a_stream_is_an_event_stream_without_a_length():
    for exchange in (chat(stream=True), complete(stream=True)):
        assert exchange.headers["content-type"].split(";")[0] == "text/event-stream", exchange
        assert "content-length" not in exchange.headers, exchange


def test_b18_headers_and_role_come_before_the_first_token():
    with chat_stream("echo-stall", words(PREFILL_12_S, " of"), return_progress=True) as stream:
        assert stream.status == 200
        assert stream.next()["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        progress = stream.next()["prompt_progress"]
        assert progress["processed"] < progress["total"], progress


def test_b18_each_event_is_sent_when_it_exists():
    # The model never ends: whatever is read has been flushed.
    with chat_stream("echo-long") as stream:
        for _ in range(20):
            assert stream.next()["choices"]


def test_b19_an_event_is_one_data_line_and_a_blank_line():
    for exchange in (chat(stream=True), complete(stream=True)):
        assert exchange.body.endswith(b"\n\n") and b"\r" not in exchange.body, exchange
        assert list(parse_events(exchange.body.decode())), exchange


def test_b20_events_have_no_name():
    for exchange in (chat(stream=True), complete(stream=True)):
        assert not any(line.startswith((b"event:", b"id:")) for line in exchange.body.split(b"\n")), exchange


def test_b21_a_stream_ends_with_done():
    for exchange in (chat(stream=True), complete(stream=True)):
        assert exchange.body.endswith(b"data: [DONE]\n\n"), exchange
        data(exchange)


@pytest.mark.parametrize("path", ["chat", "completion"])
def test_b22_a_silent_stream_sends_comments(path):
    # A comment is due after 10 s of silence. The prompts share no prefix with other tests', nor with each other.
    if path == "chat":
        stream = chat_stream("echo-stall", words(PREFILL_12_S, " and"))
    else:
        prompt = words(PREFILL_12_S, " to")
        stream = Stream("/v1/completions", {"model": "echo-stall", "prompt": prompt, "stream": True})
    with stream:
        while not (line := stream.line()).startswith(":"):
            assert line == "\n" or not json.loads(line[len("data: "):])["choices"][0].get("text"), line
        assert stream.line() == "\n"


def test_b23_the_role_is_in_the_first_chunk_only():
    chunks = data(chat(stream=True))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert not any("role" in choice["delta"] for chunk in chunks[1:] for choice in chunk["choices"])


def test_b24_every_chunk_has_the_same_head():
    chunks = data(chat(stream=True, stream_options={"include_usage": True}))
    first = chunks[0]
    assert first["id"] and isinstance(first["created"], int) and first["model"] == "echo-pieces"
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk", chunk
        assert [chunk[key] for key in ("id", "created", "model")] == [first[key] for key in ("id", "created", "model")]
        assert isinstance(chunk["choices"], list), chunk
    for chunk in data(complete(stream=True)):
        assert chunk["object"] == "text_completion" and chunk["id"] and chunk["model"] == "echo-pieces", chunk


def test_b24_ids_differ_from_request_to_request():
    assert data(chat(stream=True))[0]["id"] != data(chat(stream=True))[0]["id"]


def test_b25_delta_is_always_an_object_and_empty_at_the_end():
    chunks = [chunk for chunk in data(chat(stream=True)) if chunk["choices"]]
    assert all(isinstance(choice["delta"], dict) for chunk in chunks for choice in chunk["choices"])
    assert chunks[-1]["choices"][0]["delta"] == {}


@pytest.mark.parametrize("fields, reason", [({}, "stop"), ({"max_tokens": 3}, "length"), ({"stop": "two"}, "stop")])
def test_b26_finish_reason_is_null_until_the_last_chunk(fields, reason):
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in data(chat(stream=True, **fields))]
    assert reasons[-1] == reason and set(reasons[:-1]) == {None}
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in data(complete(stream=True, **fields))]
    assert reasons[-1] == reason and set(reasons[:-1]) <= {None}


def test_b27_usage_comes_last_with_empty_choices_when_asked_for():
    whole = chat().json["usage"]
    chunks = data(chat(stream=True, stream_options={"include_usage": True}))
    assert chunks[-1]["choices"] == []
    assert {key: chunks[-1]["usage"][key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")} == {
        key: whole[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")
    }
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    chunks = data(complete(stream=True, stream_options={"include_usage": True}))
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": None}])
def test_b27_no_usage_unless_asked_for(options):
    for chunk in data(chat(stream=True, stream_options=options)) + data(complete(stream=True, stream_options=options)):
        assert chunk.get("usage") is None, chunk


def test_b28_usage_is_on_no_other_chunk():
    for exchange in (
        chat(stream=True, stream_options={"include_usage": True}, timings_per_token=True),
        complete(stream=True, stream_options={"include_usage": True}),
    ):
        assert [chunk for chunk in data(exchange)[:-1] if chunk.get("usage") is not None] == []


def test_b29_several_answers_are_told_apart_by_index_and_begin_with_0():
    events = chat("echo-random", stream=True, n=3, temperature=1, seed=5).events()
    chunks = [event for event in events if event != "[DONE]"]
    assert chunks[0]["choices"][0]["index"] == 0
    assert {choice["index"] for chunk in chunks for choice in chunk["choices"]} == {0, 1, 2}
    finished = [choice["index"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    assert sorted(finished) == [0, 1, 2]
    whole = chat("echo-random", n=3, temperature=1, seed=5)
    texts = ["".join(deltas(events, index)) for index in range(3)]
    assert texts == [answer(whole, index) for index in range(3)]
    assert len(set(texts)) == 3, "answers of one seed differ from each other"


@pytest.mark.parametrize("model", ["echo-error", "echo-panic"])
def test_b30_an_error_after_the_beginning_is_one_last_event(model):
    for exchange in (chat(model, stream=True), complete(model, stream=True)):
        events = exchange.events()
        error = events[-1]
        assert list(error) == ["error"], exchange
        assert sorted(error["error"]) == ["code", "message", "param", "type"], exchange
        assert isinstance(error["error"]["message"], str) and error["error"]["type"] == "server_error", exchange
        assert "[DONE]" not in events, exchange
        # What came before the failure was sent.
        assert "Hello from the" in "".join(
            choice.get("text") or choice.get("delta", {}).get("content") or ""
            for event in events[:-1] for choice in event["choices"]
        ), exchange


def test_b31_no_character_is_split_over_two_deltas():
    pieces = deltas(chat("echo-utf8", stream=True).events())
    assert "".join(pieces) == UTF8
    assert not any("\ufffd" in piece for piece in pieces), pieces
    # Nor an emoji sequence.
    for piece in pieces:
        assert not piece.startswith("\u200d") and not piece.endswith("\u200d"), pieces
        flags = sum("\U0001F1E6" <= character <= "\U0001F1FF" for character in piece)
        assert flags % 2 == 0, pieces


def test_b31_whole_and_streamed_text_are_the_same():
    assert answer(chat("echo-utf8")) == UTF8
    streamed = complete("echo-utf8", stream=True, max_tokens=100).events()[:-1]
    text = "".join(choice["text"] for chunk in streamed for choice in chunk["choices"])
    assert text == answer(complete("echo-utf8", max_tokens=100)) == UTF8


def test_b31_an_answer_cut_inside_a_character_is_still_utf8():
    for count in range(1, 12):
        whole = answer(chat("echo-utf8", max_tokens=count))
        pieces = deltas(chat("echo-utf8", stream=True, max_tokens=count).events())
        assert "".join(pieces) == whole
        assert UTF8.startswith(whole.rstrip("\ufffd")), whole


STOPS = {
    # stop string: what is left. The tokens are al|pha| be|ta| gam|ma| ST|O|P| del|ta|...
    "STOP": "alpha beta gamma ",
    "gamma": "alpha beta ",
    "a b": "alph",
    "alpha": "",
    "ta gam": "alpha be",
    "P d": "alpha beta gamma STO",
}


@pytest.mark.parametrize("stop", STOPS)
def test_b32_stop_strings_never_leak(stop):
    whole = chat("echo-stop", stop=stop)
    assert answer(whole) == STOPS[stop], whole
    assert whole.json["choices"][0]["finish_reason"] == "stop", whole
    streamed = chat("echo-stop", stop=stop, stream=True)
    assert "".join(deltas(streamed.events())) == STOPS[stop], streamed
    text = complete("echo-stop", stop=stop, max_tokens=100)
    assert answer(text) == STOPS[stop], text


def test_b32_a_beginning_that_is_no_stop_string_is_given_out_after_all():
    text = "".join(deltas(chat("echo-stop", stop=["STOPS", "gamma STOP delta!"], stream=True).events()))
    assert text == answer(chat("echo-stop"))


def test_b32_the_first_of_several_stop_strings_wins():
    assert answer(chat("echo-stop", stop=["STOP", "beta", "delta", "gamma"])) == "alpha "


def test_b33_chunks_carry_the_logprobs_of_their_tokens():
    def entries(chunks):
        return [
            entry for chunk in chunks for choice in chunk["choices"]
            for entry in (choice.get("logprobs") or {}).get("content") or []
        ]

    streamed = entries(data(chat(stream=True, logprobs=True, top_logprobs=2)))
    whole = chat(logprobs=True, top_logprobs=2).json["choices"][0]["logprobs"]["content"]
    assert [entry["token"] for entry in streamed] == [entry["token"] for entry in whole]
    assert [entry["token"] for entry in whole][:3] == ["Hello", " from", " the"]
    for entry in streamed:
        assert entry["bytes"] == list(entry["token"].encode()) and entry["logprob"] <= 0, entry
        assert len(entry["top_logprobs"]) == 2, entry
        assert entry["top_logprobs"][0]["token"] == entry["token"], "greedy takes the most likely token"
        assert entry["top_logprobs"][0]["logprob"] >= entry["top_logprobs"][1]["logprob"], entry


def test_b33_tokens_that_are_parts_of_characters_keep_their_bytes():
    content = chat("echo-utf8", logprobs=True).json["choices"][0]["logprobs"]["content"]
    assert bytes(byte for entry in content for byte in entry["bytes"]).decode().startswith(UTF8)


def test_b34_logprobs_are_null_unless_asked_for():
    assert chat().json["choices"][0]["logprobs"] is None
    for chunk in data(chat(stream=True)):
        assert chunk["choices"][0].get("logprobs") is None, chunk


@pytest.mark.parametrize("fields, status", [
    ({"temperature": -1}, 400), ({"model": "nobody"}, 404), ({"messages": []}, 400), ({"max_tokens": 0}, 400),
    ({"tools": [{"type": "web_search"}]}, 400),
])
def test_b35_a_wrong_stream_request_is_an_ordinary_error(fields, status):
    body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "stream": True, **fields}
    exchange = post("/v1/chat/completions", body)
    assert exchange.status == status and exchange.error, exchange


def test_b35_pieces_are_the_whole_text():
    assert "".join(deltas(chat(stream=True).events())) == answer(chat()) == PIECES
