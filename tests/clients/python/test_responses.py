"""Responses: whole, streamed, kept, in the background."""

import json
import time

import openai
import pytest
from pydantic import BaseModel

from helpers import PIECES


def ask(client, input="hi", model="echo-pieces", **fields):
    create = getattr(client, "responses", client).create
    return create(model=model, input=input, **{"temperature": 0, "store": False, **fields})


def test_an_answer(client):
    response = ask(client)
    assert response.output_text == PIECES
    assert response.status == "completed" and response.error is None and response.incomplete_details is None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert response.text.format.type == "text"
    assert response._request_id


def test_items_go_back_as_they_came(client):
    first = ask(client, "hello", model="echo")
    again = ask(client, [{"role": "user", "content": "hello"}, *first.output, {"role": "user", "content": "again"}], model="echo")
    assert again.output_text == "again"
    dumped = [item.model_dump() for item in first.output]
    assert ask(client, [*dumped, {"role": "user", "content": "more"}], model="echo").output_text == "more"


def test_limits_and_instructions(client):
    response = ask(client, max_output_tokens=3, instructions="Be brief.", metadata={"a": "b"})
    assert response.output_text == "Hello from the"
    assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens"
    assert response.instructions == "Be brief." and response.metadata == {"a": "b"}


def test_thoughts_are_an_item(client):
    response = ask(client, model="echo-reasoning")
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].content[0].text.strip() == "The user wants a sum: 2 + 2."
    response = ask(client, model="echo-reasoning", reasoning={"summary": "auto", "effort": "low"})
    assert response.output[0].summary[0].text.strip() == "The user wants a sum: 2 + 2."


def test_a_stream(client):
    events = list(ask(client, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == PIECES
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert events[0].response.id == events[-1].response.id
    assert events[-1].response.output_text == PIECES


@pytest.mark.parametrize("model", ["echo-pieces", "echo-reasoning"])
@pytest.mark.parametrize("fields", [{}, {"reasoning": {"summary": "auto"}}])
def test_the_stream_helper(client, model, fields):
    with client.responses.stream(model=model, input="hi", temperature=0, store=False, **fields) as stream:
        kinds = [event.type for event in stream]
        response = stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert response.output_text == (PIECES if model == "echo-pieces" else "The answer is 4.")


def test_a_failure_in_the_middle_is_an_event(client):
    for store in (False, True):
        last = list(ask(client, model="echo-error", stream=True, store=store))[-1]
        assert last.type == "response.failed" and last.response.status == "failed"
        assert last.response.error.code == "server_error" and last.response.error.message
        with pytest.raises(openai.InternalServerError):
            ask(client, model="echo-error", store=store)


def test_errors_name_the_field(client):
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(client, model="nobody", stream=True)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        ask(client, [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}])
    assert wrong.value.param == "input[0].content[0]"
    with pytest.raises(openai.BadRequestError) as unknown:
        ask(client, previous_response_id="resp_gone")
    assert unknown.value.code == "previous_response_not_found"


def test_tools_of_vendors_are_skipped(client):
    raw = client.responses.with_raw_response.create(
        model="echo-pieces", input="hi", temperature=0, store=False, tools=[{"type": "web_search"}],
    )
    assert raw.headers["x-ignored-params"] == "tools[0]"
    assert raw.parse().output_text == PIECES


def test_a_tool_is_called_and_answered(client):
    tools = [{
        "type": "function", "name": "get_weather", "description": "The weather", "strict": True,
        "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False,
        },
    }]
    question = [{"role": "user", "content": "What is the weather in Zurich?"}]
    first = ask(client, question, model="echo-tools", tools=tools)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("get_weather", {"city": "Zurich"})]
    result = {"type": "function_call_output", "call_id": calls[0].call_id, "output": "sunny"}
    second = ask(client, [*question, *first.output, result], model="echo-tools", tools=tools)
    assert second.output_text == "The weather in Zurich is sunny."
    with client.responses.stream(model="echo-tools", input=question, tools=tools, temperature=0, store=False) as stream:
        events = list(stream)
        response = stream.get_final_response()
    streamed = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    assert streamed == calls[0].arguments and response.output[-1].arguments == streamed


def test_parse(client):
    class City(BaseModel):
        name: str

    response = client.responses.parse(
        model="tern-guide", input="Name a city.", text_format=City, temperature=0, max_output_tokens=200, store=False,
    )
    if response.status == "completed":
        assert isinstance(response.output_parsed, City)


def test_a_thread_is_kept_and_gone_on_with(client):
    first = ask(client, "one", model="echo", store=True)
    second = ask(client, "two", model="echo", store=True, previous_response_id=first.id)
    assert second.output_text == "two" and second.previous_response_id == first.id
    assert client.responses.retrieve(second.id).output_text == "two"
    items = client.responses.input_items.list(second.id)
    assert [item.content[0].text for item in items] == ["two"]
    client.responses.delete(second.id)
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_input_items_go_over_pages(client):
    response = ask(client, [{"role": "user", "content": str(number)} for number in range(5)], model="echo", store=True)
    items = list(client.responses.input_items.list(response.id, limit=2, order="asc"))
    assert [item.content[0].text for item in items] == ["0", "1", "2", "3", "4"]


def test_the_background(client):
    begun = ask(client, model="echo-slow", background=True, store=True)
    assert begun.status in ("queued", "in_progress")
    while (response := client.responses.retrieve(begun.id)).status == "in_progress":
        time.sleep(0.1)
    assert response.status == "completed" and len(response.output_text.split()) == 50
    running = ask(client, model="echo-long", background=True, store=True)
    assert client.responses.cancel(running.id).status == "cancelled"


def test_a_stream_is_joined_again(client):
    seen = []
    for event in ask(client, model="echo-slow", background=True, store=True, stream=True):
        seen.append(event)
        if event.type == "response.output_text.delta":
            break
    rest = list(client.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number))
    assert [event.sequence_number for event in seen + rest] == list(range(len(seen) + len(rest)))
    assert rest[-1].type == "response.completed"
    with client.responses.stream(response_id=seen[0].response.id) as stream:
        assert len(stream.get_final_response().output_text.split()) == 50


def test_tokens_are_counted(client):
    if not hasattr(client.responses, "input_tokens"):
        pytest.skip("this version cannot ask for them")
    assert client.responses.input_tokens.count(model="echo", input="hi").input_tokens == ask(client, model="echo").usage.input_tokens
