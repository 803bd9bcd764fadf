"""Chat completions as streams."""

import asyncio

import openai
import pytest

from helpers import PIECES, PREFILL_12_S, user


def stream(client, content="hi", model="echo-pieces", **fields):
    return client.chat.completions.create(
        model=model, messages=user(content), stream=True, **{"temperature": 0, **fields},
    )


def text(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_stream(client):
    chunks = list(stream(client))
    assert text(chunks) == PIECES
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert len(chunks) > 5, "the text comes in pieces"


def test_usage_is_sent_when_asked_for(client):
    chunks = list(stream(client, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens in (12, 13)
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert all(chunk.usage is None for chunk in stream(client))


def test_the_stream_helper(client):
    with client.chat.completions.stream(
        model="echo-pieces", messages=user("hi"), temperature=0, stream_options={"include_usage": True},
    ) as events:
        kinds = [event.type for event in events]
        completion = events.get_final_completion()
    assert "content.delta" in kinds and kinds.count("content.done") == 1
    assert completion.choices[0].message.content == PIECES
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens > 0


def test_the_stream_helper_with_logprobs(client):
    with client.chat.completions.stream(
        model="echo-pieces", messages=user("hi"), temperature=0, logprobs=True, top_logprobs=2,
    ) as events:
        completion = events.get_final_completion()
    tokens = [entry.token for entry in completion.choices[0].logprobs.content]
    assert tokens[:3] == ["Hello", " from", " the"]


def test_several_answers_in_one_stream(client):
    with client.chat.completions.stream(
        model="echo-random", messages=user("hi"), temperature=1, seed=5, n=3,
    ) as events:
        completion = events.get_final_completion()
    whole = client.chat.completions.create(model="echo-random", messages=user("hi"), temperature=1, seed=5, n=3)
    assert [c.message.content for c in completion.choices] == [c.message.content for c in whole.choices]
    assert [c.message.role for c in completion.choices] == ["assistant"] * 3
    assert [c.finish_reason for c in completion.choices] == ["stop"] * 3


def test_reasoning_is_streamed(client):
    chunks = list(stream(client, model="echo-reasoning"))
    reasoning = "".join(
        getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks if chunk.choices
    )
    assert reasoning.strip() == "The user wants a sum: 2 + 2." and text(chunks) == "The answer is 4."


def test_characters_are_whole(client):
    chunks = list(stream(client, model="echo-utf8"))
    assert "\ufffd" not in text(chunks) and "\U0001F1E8\U0001F1ED" in text(chunks)


def test_an_error_in_the_middle_keeps_its_message(client):
    for model in ("echo-error", "echo-panic"):
        received = ""
        with pytest.raises(openai.APIError) as caught:
            for chunk in stream(client, model=model):
                received += chunk.choices[0].delta.content or ""
        assert received == "Hello from the"
        assert caught.value.message and "An error occurred during streaming" not in caught.value.message
        assert not isinstance(caught.value, openai.APIConnectionError)


def test_an_error_before_the_beginning_has_its_status(client):
    with pytest.raises(openai.NotFoundError):
        stream(client, model="nobody")
    with pytest.raises(openai.BadRequestError):
        stream(client, temperature=-1)


def test_comments_are_skipped(client):
    chunks = list(stream(client, " it" * PREFILL_12_S, model="echo-stall", extra_body={"cache_prompt": False}))
    assert text(chunks) == PIECES


def test_a_stream_may_be_left(client):
    chunks = stream(client, model="echo-long")
    for _ in range(5):
        next(chunks)
    chunks.close()
    assert text(stream(client, model="echo-long", max_tokens=3)).split() == ["the", "of", "and"]


def test_a_stream_waits_for_its_model(client):
    assert text(stream(client, model="echo-slowload")) == "hi"


def test_concurrent_streams_do_not_mix(async_client):
    async def one(number):
        received = ""
        content = f"number {number} " * 3
        chunks = await async_client.chat.completions.create(
            model="echo", messages=user(content), temperature=0, stream=True,
        )
        async for chunk in chunks:
            received += chunk.choices[0].delta.content or ""
        return received == content

    async def all():
        async with async_client:
            return await asyncio.gather(*(one(number) for number in range(20)))

    assert asyncio.run(all()) == [True] * 20


def test_a_cancelled_task_ends_its_request(async_client):
    async def main():
        async with async_client:
            with pytest.raises(asyncio.TimeoutError):
                request = async_client.chat.completions.create(model="echo-long", messages=user("hi"), temperature=0)
                await asyncio.wait_for(request, 0.2)
            completion = await async_client.chat.completions.create(
                model="echo-long", messages=user("hi"), temperature=0, max_tokens=3,
            )
            return completion.choices[0].message.content.split()

    assert asyncio.run(main()) == ["the", "of", "and"]


def test_the_built_in_model_streams(client):
    chunks = list(stream(client, "What is Tern?", model="tern-guide", max_tokens=200))
    assert "Tern" in text(chunks) and len(chunks) > 5
