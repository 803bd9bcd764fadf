"""Text completions."""

from helpers import PIECES


def complete(client, prompt="hi", model="echo-pieces", **fields):
    return client.completions.create(model=model, prompt=prompt, **{"temperature": 0, "max_tokens": 50, **fields})


def ids(client, text):
    return client.post("/tokenize", cast_to=object, body={"model": "echo", "content": text})["tokens"]


def test_a_text(client):
    completion = complete(client)
    assert completion.object == "text_completion" and completion.choices[0].text == PIECES
    assert completion.choices[0].finish_reason == "stop" and completion.usage.completion_tokens in (12, 13)


def test_several_texts(client):
    completion = complete(client, ["one", "two"], model="echo")
    assert [(choice.index, choice.text) for choice in completion.choices] == [(0, "one"), (1, "two")]


def test_token_ids(client):
    one, two = ids(client, "one"), ids(client, "two words")
    assert complete(client, two, model="echo").choices[0].text == "two words"
    completion = complete(client, [one, two], model="echo")
    assert [choice.text for choice in completion.choices] == ["one", "two words"]


def test_echo_and_logprobs(client):
    completion = complete(client, "what is this", model="echo", echo=True, logprobs=1, max_tokens=0)
    choice = completion.choices[0]
    assert choice.text == "what is this"
    assert choice.logprobs.token_logprobs[0] is None and len(choice.logprobs.tokens) == len(choice.logprobs.text_offset)
    logprobs = complete(client, logprobs=2).choices[0].logprobs
    assert logprobs.tokens[:2] == ["Hello", " from"] and len(logprobs.top_logprobs[0]) == 2


def test_legacy_parameters(client):
    completion = complete(
        client, n=2, best_of=2, stop=["two"], presence_penalty=0.0, frequency_penalty=0.0, user="u", seed=1, top_p=1.0,
        logit_bias={"260": 0}, suffix=None,
    )
    assert [choice.text for choice in completion.choices] == ["Hello from the echo engine: one, "] * 2


def test_a_stream(client):
    chunks = list(complete(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == PIECES
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 12


def test_several_texts_in_one_stream(client):
    texts = {0: "", 1: ""}
    for chunk in complete(client, ["one thing", "two things"], model="echo", stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == {0: "one thing", 1: "two things"}


def test_the_built_in_model_goes_on(client):
    completion = complete(client, "Tern is", model="tern-guide", max_tokens=8)
    assert completion.choices[0].text and completion.usage.completion_tokens <= 8
