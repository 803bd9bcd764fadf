"""LiteLLM as a client of an OpenAI-compatible server."""

import json

import litellm
import openai
import pytest

from helpers import PIECES, QUESTION, SUNNY, TOLD, TOOL, City

litellm.suppress_debug_info = True


@pytest.fixture
def ask(url):
    def ask(model="echo-pieces", content="hi", **fields):
        options = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_retries": 0, **fields}
        return litellm.completion(model=f"openai/{model}", api_base=f"{url}/v1", api_key="none", **options)

    return ask


def test_an_answer(ask):
    answer = ask()
    assert answer.choices[0].message.content == PIECES and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert ask(max_tokens=3).choices[0].finish_reason == "length"


def test_reasoning(ask):
    message = ask("echo-reasoning").choices[0].message
    assert message.content == "The answer is 4."
    assert message.reasoning_content.strip() == "The user wants a sum: 2 + 2."


def test_a_stream(ask):
    chunks = list(ask(stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == PIECES
    built = litellm.stream_chunk_builder(chunks)
    assert built.choices[0].message.content == PIECES and built.choices[0].finish_reason == "stop"
    assert built.usage.completion_tokens == ask().usage.completion_tokens


@pytest.mark.parametrize("model, calls", [("echo-tools", 1), ("echo-tools-two", 2), ("echo-tools-llama", 2)])
def test_calls_whole_and_streamed(ask, model, calls):
    answer = ask(model, QUESTION, tools=[TOOL])
    built = litellm.stream_chunk_builder(list(ask(model, QUESTION, tools=[TOOL], stream=True)))
    read = lambda answer: [
        (call.function.name, json.loads(call.function.arguments)) for call in answer.choices[0].message.tool_calls
    ]
    assert read(answer) == read(built) and len(read(answer)) == calls
    assert answer.choices[0].finish_reason == built.choices[0].finish_reason == "tool_calls"
    assert len({call.id for call in built.choices[0].message.tool_calls}) == calls


def test_a_round_with_a_result(ask):
    call = ask("echo-tools", QUESTION, tools=[TOOL]).choices[0].message
    result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "sunny"}
    messages = [{"role": "user", "content": QUESTION}, call, result]
    assert ask("echo-tools", messages=messages, tools=[TOOL]).choices[0].message.content == SUNNY


def test_an_object(ask):
    for form in (City, {"type": "json_object"}):
        assert json.loads(ask("echo", TOLD, response_format=form).choices[0].message.content) == json.loads(TOLD)
    # What the model would say has not the form.
    answer = ask("echo-pieces", response_format=City, max_tokens=400)
    City.model_validate_json(answer.choices[0].message.content)


def test_vectors(url):
    answer = litellm.embedding(
        model="openai/echo-embed", input=["the word", "hot"], api_base=f"{url}/v1", api_key="none", max_retries=0,
    )
    assert [len(entry["embedding"]) for entry in answer.data] == [64, 64]


def test_errors(ask):
    with pytest.raises(litellm.NotFoundError, match="nobody"):
        ask("nobody")
    with pytest.raises(litellm.BadRequestError, match="top_p is 2"):
        ask(top_p=2)
    with pytest.raises(litellm.ContextWindowExceededError, match="64 tokens"):
        ask("echo-tiny", " the" * 100)
    with pytest.raises(litellm.InternalServerError):
        ask("echo-error")
    # Its own error for a stream that breaks off, by which it finds another server.
    with pytest.raises(openai.APIError, match="echo-error"):
        list(ask("echo-error", stream=True))


def test_the_built_in_model_answers(ask):
    assert "Tern" in ask("tern-guide", "What is Tern?", max_tokens=200).choices[0].message.content
