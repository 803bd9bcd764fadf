"""Tools through the official client: its own types put the calls together and read their arguments."""

import json

import openai
import pydantic
import pytest

from helpers import user


class GetWeather(pydantic.BaseModel):
    """The weather in a city."""

    city: str


STRICT = openai.pydantic_function_tool(GetWeather, name="get_weather")
TOOLS = [{"type": "function", "function": {**STRICT["function"], "strict": False}}]
MODELS = [
    "echo-tools-two", "echo-tools-smollm", "echo-tools-llama", "echo-tools-mistral", "echo-tools-mistral-list",
    "echo-tools-deepseek", "echo-tools-coder",
]


def ask(client, model="echo-tools", **fields):
    return client.chat.completions.create(
        model=model, messages=user("Weather?"), **{"temperature": 0, "tools": TOOLS, **fields},
    )


def arguments(message):
    return [json.loads(call.function.arguments) for call in message.tool_calls]


def test_a_call(client):
    choice = ask(client).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    call, = choice.message.tool_calls
    assert call.type == "function" and call.id and call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Zurich"}


@pytest.mark.parametrize("model", MODELS)
def test_the_stream_helper_puts_the_same_calls_together(client, model):
    whole = ask(client, model, tools=[STRICT]).choices[0].message
    with client.chat.completions.stream(
        model=model, messages=user("Weather?"), temperature=0, tools=[STRICT],
    ) as events:
        kinds = [event.type for event in events]
        message = events.get_final_completion().choices[0].message
    assert "tool_calls.function.arguments.delta" in kinds
    assert kinds.count("tool_calls.function.arguments.done") == len(message.tool_calls) == 2
    assert arguments(message) == arguments(whole) and (message.content or None) == whole.content
    assert all(isinstance(call.function.parsed_arguments, GetWeather) for call in message.tool_calls)
    assert [call.function.name for call in message.tool_calls] == ["get_weather"] * 2
    assert len({call.id for call in message.tool_calls}) == 2


def test_parse_reads_arguments_of_a_strict_tool(client):
    completion = client.chat.completions.parse(
        model="echo-tools", messages=user("Weather?"), temperature=0, tools=[STRICT],
    )
    call, = completion.choices[0].message.tool_calls
    assert call.function.parsed_arguments == GetWeather(city="Zurich")


def test_a_loop_of_calls_and_results(client):
    messages = user("Weather?")
    message = ask(client).choices[0].message
    messages = [*messages, message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}]
    answer = client.chat.completions.create(model="echo-tools", messages=messages, temperature=0, tools=TOOLS)
    assert answer.choices[0].message.content == "The weather in Zurich is sunny."
    assert answer.choices[0].finish_reason == "stop"


def test_a_call_is_demanded_and_forbidden(client):
    named = {"type": "function", "function": {"name": "get_weather"}}
    for choice in ("required", named):
        message = ask(client, "echo-pieces", tool_choice=choice, parallel_tool_calls=False, max_tokens=400).choices[0].message
        assert message.tool_calls[0].function.name == "get_weather"
    assert not ask(client, tool_choice="none").choices[0].message.tool_calls


def test_logprobs_beside_calls(client):
    chunks = list(ask(client, "echo-tools-two", stream=True, logprobs=True))
    entries = [e for c in chunks if c.choices and c.choices[0].logprobs for e in c.choices[0].logprobs.content]
    assert bytes(b for e in entries for b in e.bytes).decode().startswith("Let me look.\n<tool_call>")


def test_reasoning_has_a_budget(client):
    def words(**fields):
        completion = client.chat.completions.create(
            model="echo-thinking", messages=user("2 + 2?"), temperature=0, **fields,
        )
        assert completion.choices[0].message.content == "The answer is 4."
        return len((getattr(completion.choices[0].message, "reasoning_content", None) or "").split())

    assert words() == words(reasoning_effort="high") == 50
    assert words(reasoning_effort="none") == 0
    assert words(extra_body={"thinking_budget": 7}) == 7


def test_a_strict_schema_that_cannot_be_enforced(client):
    schema = {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}
    with pytest.raises(openai.BadRequestError, match="cannot be enforced") as caught:
        ask(client, tools=[tool])
    assert caught.value.param == "tools[0].function.parameters.properties.a.not"
