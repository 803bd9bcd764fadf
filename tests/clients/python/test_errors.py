"""Errors as the client's users see them."""

import openai
import pytest

from helpers import user


def ask(client, **fields):
    return client.chat.completions.create(**{"model": "echo", "messages": user("hi"), "temperature": 0, **fields})


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match="nobody.*tern-guide") as caught:
        ask(client, model="nobody")
    assert caught.value.code == "model_not_found" and caught.value.param == "model"
    assert caught.value.type == "invalid_request_error" and caught.value.request_id


def test_a_wrong_value_is_a_bad_request(client):
    with pytest.raises(openai.BadRequestError, match="temperature") as caught:
        ask(client, temperature=-1)
    assert caught.value.param == "temperature" and caught.value.status_code == 400


def test_a_malformed_body_is_a_bad_request(client):
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.post("/chat/completions", cast_to=object, body={"model": "echo", "messages": "hi"})
    with pytest.raises(openai.BadRequestError, match="object"):
        client.post("/chat/completions", cast_to=object, body=[1, 2])


def test_a_prompt_that_is_too_long(client):
    with pytest.raises(openai.BadRequestError, match="maximum context length is 64 tokens") as caught:
        ask(client, model="echo-tiny", messages=user(" the" * 100))
    assert caught.value.code == "context_length_exceeded"


def test_a_schema_that_cannot_be_enforced_is_named_by_its_path(client):
    schema = {"type": "object", "properties": {"age": {"not": {"type": "string"}}}}
    with pytest.raises(openai.BadRequestError, match="not") as caught:
        ask(client, response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})
    assert caught.value.param == "response_format.json_schema.schema.properties.age.not"


def test_an_engine_that_fails_is_a_server_error(client):
    for model in ("echo-error", "echo-panic"):
        with pytest.raises(openai.InternalServerError) as caught:
            ask(client, model=model)
        assert caught.value.body["message"] and caught.value.response.headers["x-should-retry"] == "false"


def test_a_permanent_failure_is_not_retried(url):
    # With the client's own default of two retries: the header keeps a slow machine from triple work.
    seen = []
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        client._client.event_hooks["response"].append(lambda response: seen.append(response.status_code))
        with pytest.raises(openai.InternalServerError):
            ask(client, model="echo-error")
    assert seen == [500]


def test_a_model_that_cannot_be_loaded(client):
    with pytest.raises(openai.APIStatusError, match="echo-noload"):
        ask(client, model="echo-noload")


def test_a_model_without_the_capability(client):
    with pytest.raises(openai.BadRequestError, match="echo-embed"):
        ask(client, model="echo-embed")
    with pytest.raises(openai.BadRequestError, match="embed"):
        client.embeddings.create(model="echo", input="a")


def test_an_unknown_route(client):
    with pytest.raises(openai.NotFoundError):
        client.get("/nothing", cast_to=object)


def test_a_timeout_is_the_clients_and_the_server_goes_on(client):
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.3).chat.completions.create(model="echo-long", messages=user("hi"))
    assert ask(client).choices[0].message.content == "hi"
