"""Keys: what the official client makes of a server that wants one."""

import hashlib

import openai
import pytest

KEY = "tern-a-secret-of-tests"


def connect(server, key):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)


def ask(client, **fields):
    messages = [{"role": "user", "content": "let me in"}]
    return client.chat.completions.create(model="echo", messages=messages, temperature=0, **fields)


def test_the_right_key_is_let_in_and_a_wrong_one_is_an_authentication_error(spawn):
    server = spawn("--api-key", KEY)
    with connect(server, KEY) as client:
        assert ask(client).choices[0].message.content == "let me in"
        assert client.models.list().data
    with connect(server, "tern-another-key") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(client)
    assert caught.value.status_code == 401 and caught.value.code == "invalid_api_key"


def test_limits_and_scopes_have_the_errors_that_the_client_knows(spawn, tmp_path):
    config = tmp_path / "tern.toml"
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    config.write_text(f'[[keys]]\nname = "laptop"\nsha256 = "{digest}"\nrequests-per-minute = 1\nmodels = ["echo"]\n')
    server = spawn("--config", str(config))
    with connect(server, KEY) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="echo", messages=[{"role": "user", "content": "hi"}], temperature=0
        )
        assert raw.headers["x-ratelimit-limit-requests"] == "1" and raw.headers["x-ratelimit-remaining-requests"] == "0"
        with pytest.raises(openai.RateLimitError) as caught:
            ask(client)
        assert caught.value.code == "rate_limit_exceeded" and int(caught.value.response.headers["retry-after"]) <= 60
        assert [model.id for model in client.models.list().data] == ["echo"]
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.with_options(base_url=server.url).post("/api/models/load", cast_to=object, body={"model": "echo"})
        assert caught.value.code == "insufficient_scope"


def test_a_stream_needs_the_key_too(spawn):
    server = spawn("--api-key", KEY)
    with connect(server, "none-at-all") as client:
        with pytest.raises(openai.AuthenticationError):
            ask(client, stream=True)
    with connect(server, KEY) as client:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in ask(client, stream=True)) == "let me in"
