"""Anthropic's messages with its Python client."""

import anthropic
import pytest

PIECES = "Hello from the echo engine: one, two, three."
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


# Later versions of the client have no parameter for it any more.
GREEDY = {"extra_body": {"temperature": 0}}


def ask(claude, content="hi", model="echo-pieces", **fields):
    messages = [{"role": "user", "content": content}]
    return claude.messages.create(model=model, messages=messages, **{"max_tokens": 100, **GREEDY, **fields})


def test_a_message(claude):
    message = ask(claude, system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}])
    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text == PIECES
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.input_tokens + message.usage.cache_read_input_tokens > 0
    assert message.usage.output_tokens > 10
    assert message._request_id


def test_an_answer_is_of_the_clients_own_types(claude):
    for model in ("echo-pieces", "echo-reasoning"):
        message = ask(claude, model=model)
        type(message).model_validate(message.model_dump(), strict=True)
    model = claude.models.retrieve("echo-tiny")
    type(model).model_validate(model.model_dump(), strict=True)
    assert model.max_input_tokens == 64


def test_why_it_ended(claude):
    message = ask(claude, stop_sequences=["two"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "two")
    assert ask(claude, max_tokens=3).stop_reason == "max_tokens"


def test_a_stream(claude):
    fields = {"model": "echo-reasoning", "max_tokens": 100, "messages": [{"role": "user", "content": "2 + 2?"}]}
    with claude.messages.stream(**fields, **GREEDY) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    thinking, text = message.content
    assert thinking.thinking.strip() == "The user wants a sum: 2 + 2." and thinking.signature == ""
    assert text.text == "The answer is 4."
    assert message.stop_reason == "end_turn" and message.usage.output_tokens > 10
    raw = list(claude.messages.create(**fields, **GREEDY, stream=True))
    assert raw[0].message.usage.input_tokens + raw[0].message.usage.cache_read_input_tokens > 0


def test_thinking_goes_back_as_it_came(claude):
    first = ask(claude, "2 + 2?", model="echo-reasoning", thinking={"type": "adaptive"})
    dialogue = [
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "again"},
    ]
    message = claude.messages.create(model="echo", max_tokens=50, messages=dialogue, **GREEDY)
    assert message.content[0].text == "again"


def test_tools(claude):
    fields = {"model": "echo-tools", "tools": [WEATHER], "max_tokens": 100, **GREEDY}
    question = [{"role": "user", "content": "How is the weather in Zurich?"}]
    with claude.messages.stream(**fields, messages=question) as stream:
        streamed = stream.get_final_message()
    message = claude.messages.create(**fields, messages=question)
    for answer in (streamed, message):
        assert answer.stop_reason == "tool_use", answer
        call = answer.content[-1]
        assert (call.type, call.name, call.input) == ("tool_use", "get_weather", {"city": "Zurich"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
    dialogue = [*question, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    end = claude.messages.create(**fields, messages=dialogue)
    assert end.content[0].text == "The weather in Zurich is sunny." and end.stop_reason == "end_turn"


def test_tokens_are_counted(claude):
    count = claude.messages.count_tokens(model="echo-pieces", messages=[{"role": "user", "content": "How long?"}])
    usage = ask(claude, "How long?").usage
    assert count.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_models(claude):
    models = list(claude.models.list(limit=20))
    assert "tern-guide" in [model.id for model in models] and models[0].created_at.year >= 1970
    assert claude.models.retrieve("echo-tiny").id == "echo-tiny"


def test_errors(claude):
    with pytest.raises(anthropic.NotFoundError) as unknown:
        ask(claude, model="nobody")
    assert unknown.value.body["error"]["type"] == "not_found_error" and unknown.value.request_id
    with pytest.raises(anthropic.BadRequestError, match="top_p is 2"):
        ask(claude, extra_body={"top_p": 2})
    with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: \d+ tokens > 64 maximum"):
        ask(claude, " the" * 100, model="echo-tiny")
    with pytest.raises(anthropic.InternalServerError):
        ask(claude, model="echo-error")
    with pytest.raises(anthropic.APIStatusError):
        list(ask(claude, model="echo-error", stream=True))
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("nobody")


def test_the_built_in_model_answers(claude):
    message = ask(claude, "What is Tern?", model="tern-guide", max_tokens=200)
    assert "Tern" in message.content[0].text and message.stop_reason == "end_turn"
