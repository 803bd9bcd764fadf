"""Chat completions in one piece."""

import pytest

from helpers import PIECES, user


def ask(client, content="hi", model="echo-pieces", **fields):
    return client.chat.completions.create(model=model, messages=user(content), **{"temperature": 0, **fields})


def test_an_answer(client):
    completion = ask(client)
    assert completion.object == "chat.completion"
    assert completion.choices[0].message.content == PIECES
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion._request_id


def test_defaults_without_temperature(client):
    completion = client.chat.completions.create(model="echo", messages=user("hi"))
    assert completion.choices[0].finish_reason in ("stop", "length")


def test_several_answers(client):
    completion = ask(client, model="echo-random", n=3, temperature=1, seed=7)
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in completion.choices}) == 3


def test_a_seed_repeats(client):
    texts = [ask(client, model="echo-random", temperature=1, seed=seed).choices[0].message.content for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_stop_and_limits(client):
    assert ask(client, stop="two").choices[0].message.content == "Hello from the echo engine: one, "
    assert ask(client, stop=["x", "two"]).choices[0].message.content == "Hello from the echo engine: one, "
    for limit in ("max_tokens", "max_completion_tokens"):
        completion = ask(client, **{limit: 3})
        assert completion.choices[0].message.content == "Hello from the"
        assert completion.choices[0].finish_reason == "length"
        assert completion.usage.completion_tokens == 3


def test_developer_role_and_content_parts(client):
    completion = client.chat.completions.create(
        model="echo", temperature=0,
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "be brief"}]},
            {"role": "user", "content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]},
        ],
    )
    assert completion.choices[0].message.content == "one two"


def test_a_dialogue_goes_on_with_the_answer_as_it_came(client):
    first = ask(client, "hello", model="echo")
    messages = [*user("hello"), first.choices[0].message, *user("again")]
    second = client.chat.completions.create(model="echo", temperature=0, messages=messages)
    assert second.choices[0].message.content == "again"
    dumped = [*user("hello"), first.choices[0].message.model_dump(), *user("again")]
    assert client.chat.completions.create(model="echo", temperature=0, messages=dumped).choices[0].message.content == "again"


def test_reasoning_is_left_beside_the_content(client):
    message = ask(client, model="echo-reasoning").choices[0].message
    assert message.content == "The answer is 4."
    assert message.reasoning_content.strip() == "The user wants a sum: 2 + 2."
    assert message.model_extra["reasoning"] == message.reasoning_content


def test_logprobs(client):
    content = ask(client, logprobs=True, top_logprobs=3).choices[0].logprobs.content
    assert [entry.token for entry in content][:3] == ["Hello", " from", " the"]
    assert all(len(entry.top_logprobs) == 3 and entry.logprob <= 0 for entry in content)
    assert content[0].bytes == list(b"Hello")


def test_fields_that_change_nothing_are_accepted(client):
    completion = ask(
        client, user="u", metadata={"a": "b"}, store=False, service_tier="auto", parallel_tool_calls=False,
        reasoning_effort="low", tools=[], presence_penalty=0, frequency_penalty=0, top_p=1, logit_bias={},
    )
    assert completion.choices[0].message.content == PIECES


def test_extensions_go_through_extra_body(client):
    completion = ask(client, temperature=5, max_tokens=13, extra_body={"top_k": 1, "repeat_penalty": 1.0})
    assert completion.choices[0].message.content == PIECES
    assert completion.timings["predicted_n"] == completion.usage.completion_tokens


def test_raw_response(client):
    raw = client.chat.completions.with_raw_response.create(model="echo", messages=user("hi"), temperature=0)
    assert raw.status_code == 200 and raw.headers["x-request-id"]
    assert raw.parse().choices[0].message.content == "hi"


def test_a_large_body(client):
    # As long as the context allows; what is repeated is the whole message.
    content = "word " * 1500
    assert ask(client, content, model="echo", max_tokens=5).usage.prompt_tokens > 1500
    assert ask(client, "hi", model="echo", extra_body={"ballast": "x" * (5 << 20)}).choices[0].message.content == "hi"


def test_a_model_is_loaded_on_demand(client):
    assert ask(client, model="echo-slowload").choices[0].message.content == "hi"


def test_many_at_once(async_client):
    import asyncio

    async def one(number):
        completion = await async_client.chat.completions.create(
            model="echo", messages=user(f"number {number}"), temperature=0,
        )
        return completion.choices[0].message.content

    async def all():
        async with async_client:
            return await asyncio.gather(*(one(number) for number in range(20)))

    assert asyncio.run(all()) == [f"number {number}" for number in range(20)]


@pytest.mark.parametrize("question", ["What is Tern?", "what is tern?"])
def test_the_built_in_model_answers(client, question):
    completion = client.chat.completions.create(
        model="tern-guide", messages=user(question), temperature=0, max_tokens=200,
    )
    assert "Tern" in completion.choices[0].message.content, completion
    assert completion.choices[0].finish_reason == "stop", completion
