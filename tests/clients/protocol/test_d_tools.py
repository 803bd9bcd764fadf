"""D. Calls of tools, as they go out."""

import json

import pytest

from support import answer, chat, post

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather", "description": "The weather in a city.",
        "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
            "additionalProperties": False,
        },
    },
}
# What each family's script calls.
FAMILIES = {
    "echo-tools": ["Zurich"], "echo-tools-smollm": ["Zurich", "Oslo"], "echo-tools-llama": ["Zurich", "Oslo"],
    "echo-tools-python": ["Zurich"], "echo-tools-mistral": ["Zurich", "Oslo"],
    "echo-tools-mistral-list": ["Zurich", "Oslo"], "echo-tools-deepseek": ["Zurich", "Oslo"],
    "echo-tools-coder": ["Zurich", "Oslo"], "echo-tools-plain": ["Zurich"],
    "echo-tools-two": ["Zürich", 'São "P"'],
}
families = pytest.mark.parametrize("model", FAMILIES)


def ask(model, **fields):
    return chat(model, tools=[TOOL], **fields)


def chunks(exchange):
    events = exchange.events()
    assert events[-1] == "[DONE]", exchange
    return events[:-1]


def call_deltas(exchange, index=0):
    """Every delta of a call of one answer."""
    return [
        delta
        for chunk in chunks(exchange)
        for choice in chunk["choices"] if choice["index"] == index
        for delta in choice["delta"].get("tool_calls", [])
    ]


def reasons(exchange):
    return [c["finish_reason"] for chunk in chunks(exchange) for c in chunk["choices"] if c["finish_reason"]]


def cities(calls):
    return [json.loads(call["function"]["arguments"])["city"] for call in calls]


@families
def test_d55_to_d61_deltas_of_calls(model):
    exchange = ask(model, stream=True)
    deltas = call_deltas(exchange)
    seen = []
    for delta in deltas:
        assert isinstance(delta["index"], int), exchange
        if delta["index"] == len(seen):
            assert sorted(delta) == ["function", "id", "index", "type"], exchange
            assert delta["type"] == "function" and delta["id"].startswith("call_"), exchange
            assert delta["function"] == {"name": "get_weather", "arguments": ""}, exchange
            seen.append({"function": {"arguments": ""}, "id": delta["id"]})
        else:
            assert sorted(delta) == ["function", "index"] and list(delta["function"]) == ["arguments"], exchange
            assert delta["index"] == len(seen) - 1, exchange
            seen[-1]["function"]["arguments"] += delta["function"]["arguments"]
    assert cities(seen) == FAMILIES[model], exchange
    assert len({call["id"] for call in seen}) == len(seen), exchange


@families
def test_d62_to_d66_calls_of_a_whole_answer(model):
    exchange = ask(model)
    choice = exchange.json["choices"][0]
    calls = choice["message"]["tool_calls"]
    assert cities(calls) == FAMILIES[model], exchange
    assert all(isinstance(call["function"]["arguments"], str) and call["type"] == "function" for call in calls), exchange
    assert choice["finish_reason"] == "tool_calls", exchange
    assert choice["message"]["content"] == ("Let me look." if model == "echo-tools-two" else None), exchange
    for mark in (b"tool_call>", b"[TOOL_CALLS]", b"python_tag", "｜tool".encode(), b"<function"):
        assert mark not in exchange.body, exchange
        assert mark not in ask(model, stream=True).body


def test_d63_no_arguments_are_an_empty_object():
    tool = {"type": "function", "function": {"name": "now"}}
    fields = {"tools": [tool], "tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 200}
    exchange = chat("echo", **fields)
    arguments = exchange.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {}, exchange
    streamed = "".join(delta["function"]["arguments"] for delta in call_deltas(chat("echo", stream=True, **fields)))
    assert json.loads(streamed) == {}


@pytest.mark.parametrize("stream", [False, True])
def test_d64_a_call_cut_off_ends_by_length(stream):
    exchange = ask("echo-tools", max_tokens=16, stream=stream)
    if stream:
        assert reasons(exchange) == ["length"] and call_deltas(exchange), exchange
    else:
        assert exchange.json["choices"][0]["finish_reason"] == "length", exchange


def test_d64_every_answer_of_several_says_so_once():
    exchange = ask("echo-tools-two", n=2, stream=True)
    assert reasons(exchange) == ["tool_calls"] * 2, exchange
    assert cities([{"function": {"arguments": "".join(
        delta["function"]["arguments"] for delta in call_deltas(exchange, 1) if delta["index"] == 1
    )}}]) == ['São "P"'], exchange


@pytest.mark.parametrize("choice, name", [
    ("auto", "get_weather"), (None, "get_weather"), ("none", None), ("required", "get_weather"),
    ({"type": "function", "function": {"name": "get_time"}}, "get_time"),
    ({"type": "allowed_tools", "allowed_tools": {
        "mode": "required", "tools": [{"type": "function", "function": {"name": "get_time"}}]}}, "get_time"),
])
def test_c46_every_form_of_tool_choice(choice, name):
    other = {"type": "function", "function": {**TOOL["function"], "name": "get_time"}}
    exchange = chat(
        "echo-tools", tools=[TOOL, other], tool_choice=choice, parallel_tool_calls=False, max_tokens=400,
    )
    assert exchange.status == 200, exchange
    calls = exchange.json["choices"][0]["message"].get("tool_calls", [])
    assert [call["function"]["name"] for call in calls] == ([name] if name else []), exchange


@families
def test_c48_at_most_one_call_where_only_one_may_come(model):
    exchange = ask(model, parallel_tool_calls=False)
    assert cities(exchange.json["choices"][0]["message"]["tool_calls"]) == FAMILIES[model][:1], exchange


def test_a_model_that_would_talk_may_do_so_beside_tools():
    assert answer(ask("echo-pieces")) == "Hello from the echo engine: one, two, three."


def test_a_round_with_a_result():
    said = ask("echo-tools").json["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "sunny"}
    messages = [{"role": "user", "content": "hi"}, said, result]
    exchange = post("/v1/chat/completions", {"model": "echo-tools", "temperature": 0, "messages": messages, "tools": [TOOL]})
    assert answer(exchange) == "The weather in Zurich is sunny."


@pytest.mark.parametrize("fields, param", [
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tools": [TOOL, TOOL]}, "tools[1].function.name"),
    ({"tools": [TOOL], "tool_choice": "sometimes"}, "tool_choice"),
    ({"tools": [], "tool_choice": "required"}, "tool_choice"),
    ({"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {
        "type": "object", "properties": {"a": {"not": {"type": "string"}}}}}}]},
     "tools[0].function.parameters.properties.a.not"),
])
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_offered_is_named(fields, param, stream):
    exchange = chat("echo-tools", stream=stream, **fields)
    assert exchange.status == 400 and exchange.error["param"] == param, exchange
