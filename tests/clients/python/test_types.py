"""Every answer is of the client's own types to the letter: no number for a string, no missing field, no unknown value.

The client itself reads what it gets without checking it.
"""

import json

import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from helpers import user
from test_tools import TOOLS


def strict(kind, text):
    TypeAdapter(kind).validate_json(text, strict=True)


def events(stream):
    """The JSON of each event of a stream."""
    data = [line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: ")]
    return [event for event in data if event != "[DONE]"]


def without_known_nulls(text):
    """OpenAI's own server sends null in two places where the type of a completion knows none: why it ended, before it has;
    and the logprob of the first token, which nothing comes before."""
    completion = json.loads(text)
    for choice in completion["choices"]:
        choice["finish_reason"] = choice["finish_reason"] or "stop"
        logprobs = choice["logprobs"]
        if logprobs and logprobs["token_logprobs"][:1] == [None]:
            logprobs["token_logprobs"][0], logprobs["top_logprobs"][0] = 0.0, {}
    return json.dumps(completion)


CHAT = {
    "an answer": {},
    "a cut one": {"max_tokens": 3},
    "several": {"model": "echo-random", "n": 3, "temperature": 1, "seed": 7},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "parts of characters": {"model": "echo-utf8", "logprobs": True},
    "reasoning": {"model": "echo-reasoning"},
    "a call": {"model": "echo-tools", "tools": TOOLS},
    "text and calls": {"model": "echo-tools-two", "tools": TOOLS, "logprobs": True},
    "a call that is cut off": {"model": "echo-tools", "tools": TOOLS, "max_tokens": 12},
    "an object": {"model": "echo", "messages": user('{"a": 1}'), "response_format": {"type": "json_object"}},
    "a function as it once was": {"model": "echo-tools", "functions": [TOOLS[0]["function"]]},
}


@pytest.mark.parametrize("fields", CHAT.values(), ids=CHAT)
def test_chat(client, fields):
    body = {"model": "echo-pieces", "messages": user("hi"), "temperature": 0, **fields}
    strict(ChatCompletion, client.chat.completions.with_raw_response.create(**body).text)
    body["stream_options"] = {"include_usage": True}
    with client.chat.completions.with_streaming_response.create(**body, stream=True) as stream:
        chunks = events(stream)
    assert len(chunks) > 2
    for chunk in chunks:
        strict(ChatCompletionChunk, chunk)


@pytest.mark.parametrize("fields", [
    {}, {"n": 2}, {"echo": True, "logprobs": 2}, {"prompt": ["one", "two"]}, {"max_tokens": 1},
], ids=str)
def test_completions(client, fields):
    body = {"model": "echo-pieces", "prompt": "hi", "temperature": 0, **fields}
    strict(Completion, without_known_nulls(client.completions.with_raw_response.create(**body).text))
    with client.completions.with_streaming_response.create(**body, stream=True) as stream:
        chunks = events(stream)
    assert chunks
    for chunk in chunks:
        strict(Completion, without_known_nulls(chunk))
    assert json.loads(chunks[-1])["choices"][0]["finish_reason"] in ("stop", "length")


def test_embeddings(client):
    raw = client.embeddings.with_raw_response.create(model="echo-embed", input=["the word", "hot"], encoding_format="float")
    strict(CreateEmbeddingResponse, raw.text)


def test_models(client):
    listed = json.loads(client.models.with_raw_response.list().text)
    assert listed["object"] == "list" and listed["data"]
    for model in listed["data"]:
        strict(Model, json.dumps(model))
        strict(Model, client.models.with_raw_response.retrieve(model["id"]).text)


RESPONSES = {
    "an answer": {},
    "reasoning": {"model": "echo-reasoning"},
    "a summary of it": {"model": "echo-reasoning", "reasoning": {"summary": "auto"}},
    "a cut one": {"max_output_tokens": 3},
    "logprobs": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "kept": {"metadata": {"a": "b"}, "store": True},
    "a call": {"model": "echo-tools", "tools": [{"type": "function", "strict": False, **TOOLS[0]["function"]}]},
    "an object": {"model": "echo", "input": '{"a": 1}', "text": {"format": {"type": "json_object"}}},
}


@pytest.mark.parametrize("fields", RESPONSES.values(), ids=RESPONSES)
def test_responses(client, fields):
    body = {"model": "echo-pieces", "input": "hi", "temperature": 0, "store": False, **fields}
    strict(Response, client.responses.with_raw_response.create(**body).text)
    with client.responses.with_streaming_response.create(**body, stream=True) as stream:
        data = events(stream)
    assert len(data) > 5
    for event in data:
        strict(ResponseStreamEvent, event)


def test_what_is_kept_of_a_response(client):
    made = client.responses.create(model="echo-pieces", input="hi", temperature=0, store=True)
    strict(Response, client.responses.with_raw_response.retrieve(made.id).text)
    begun = client.responses.create(model="echo-long", input="hi", temperature=0, store=True, background=True)
    strict(Response, client.responses.with_raw_response.cancel(begun.id).text)
