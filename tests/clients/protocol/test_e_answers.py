"""E. Whole answers of chat and text completions, the list of models, tokens."""

import urllib.parse

import pytest

from support import ROOT, answer, call, chat, complete, post, tokens

PIECES = "Hello from the echo engine: one, two, three."


def test_e67_a_chat_answer_has_the_shape_clients_read():
    exchange = chat()
    body = exchange.json
    assert body["object"] == "chat.completion" and body["id"].startswith("chatcmpl-"), exchange
    assert isinstance(body["created"], int) and body["model"] == "echo-pieces", exchange
    choice, = body["choices"]
    assert choice["index"] == 0 and choice["finish_reason"] == "stop" and choice["logprobs"] is None, exchange
    message = choice["message"]
    assert message["role"] == "assistant" and message["content"] == PIECES and message["refusal"] is None, exchange
    assert not message.get("tool_calls"), exchange


def test_e67_usage_adds_up_and_is_what_the_prompt_has():
    exchange = chat()
    usage = exchange.json["usage"]
    rendered = post("/v1/chat/render", {"model": "echo-pieces", "messages": [{"role": "user", "content": "hi"}]})
    assert usage["prompt_tokens"] == len(rendered.json["tokens"]) == rendered.json["count"], exchange
    # Twelve pieces; the token that ends the answer may count as one.
    assert usage["completion_tokens"] in (12, 13), exchange
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"], exchange
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0, exchange


def test_e67_rendering_shows_the_exact_prompt():
    messages = [{"role": "system", "content": "rules"}, {"role": "user", "content": "hi"}]
    rendered = post("/v1/chat/render", {"model": "echo", "messages": messages})
    expected = "<|im_start|>system\nrules<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert rendered.json["prompt"].removeprefix("<|bos|>") == expected, rendered
    spelled = post("/v1/detokenize", {"model": "echo", "tokens": rendered.json["tokens"]})
    assert spelled.json["text"].removeprefix("<|bos|>") == expected, spelled


def test_e67_several_answers():
    exchange = chat("echo-random", n=4, temperature=1, seed=3)
    choices = exchange.json["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3], exchange
    assert len({choice["message"]["content"] for choice in choices}) == 4, exchange
    one = chat("echo-random", temperature=1, seed=3).json["usage"]
    assert exchange.json["usage"]["prompt_tokens"] == one["prompt_tokens"], "the prompt is computed, and counted, once"


def test_e68_reasoning_has_both_names_and_is_not_in_the_content():
    exchange = chat("echo-reasoning")
    message = exchange.json["choices"][0]["message"]
    assert message["reasoning_content"].strip() == "The user wants a sum: 2 + 2.", exchange
    assert message["reasoning"] == message["reasoning_content"], exchange
    assert message["content"] == "The answer is 4.", exchange
    assert 0 < exchange.json["usage"]["completion_tokens_details"]["reasoning_tokens"] < 21, exchange


def test_e68_reasoning_is_streamed_under_both_names_before_the_content():
    events = chat("echo-reasoning", stream=True).events()[:-1]
    fields = [set(choice["delta"]) & {"reasoning", "reasoning_content", "content"} for e in events for choice in e["choices"]]
    both = {"reasoning", "reasoning_content"}
    shown = [field for field in fields[1:] if field]
    assert all(field in (both, {"content"}) for field in shown), shown
    assert shown == sorted(shown, key=lambda field: field != both), "content only after the reasoning"
    reasoning = "".join(c["delta"].get("reasoning_content") or "" for e in events for c in e["choices"])
    content = "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])
    assert reasoning.strip() == "The user wants a sum: 2 + 2." and content == "The answer is 4."


def test_e69_length_is_reported_only_when_something_was_cut_off():
    assert chat(max_tokens=11).json["choices"][0]["finish_reason"] == "length"
    assert chat(max_tokens=13).json["choices"][0]["finish_reason"] == "stop"


def test_e70_a_completion_continues_a_text():
    exchange = complete("echo", "first line\nsecond line")
    body = exchange.json
    assert body["object"] == "text_completion" and body["model"] == "echo", exchange
    assert body["choices"][0]["text"] == "second line" and body["choices"][0]["index"] == 0, exchange
    assert body["choices"][0]["finish_reason"] == "stop" and body["choices"][0]["logprobs"] is None, exchange
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"], exchange


@pytest.mark.parametrize("kind", ["strings", "ids", "lists of ids"])
def test_e70_a_prompt_may_be_a_list(kind):
    one, two = tokens("one"), tokens("two words")
    prompt = {"strings": ["one", "two words"], "ids": two, "lists of ids": [one, two]}[kind]
    exchange = complete("echo", prompt)
    texts = [choice["text"] for choice in exchange.json["choices"]]
    assert texts == (["two words"] if kind == "ids" else ["one", "two words"]), exchange
    assert [choice["index"] for choice in exchange.json["choices"]] == list(range(len(texts))), exchange


def test_e70_several_answers_to_several_prompts_are_in_order():
    exchange = complete("echo", ["one", "two"], n=2)
    assert [(c["index"], c["text"]) for c in exchange.json["choices"]] == [
        (0, "one"), (1, "one"), (2, "two"), (3, "two"),
    ], exchange


def test_e70_echo_returns_the_prompt_first():
    assert answer(complete("echo", "say this", echo=True)) == "say thissay this"
    assert answer(complete("echo", tokens("say this"), echo=True)) == "say thissay this"
    events = complete("echo", "say this", echo=True, stream=True).events()[:-1]
    assert "".join(choice["text"] for event in events for choice in event["choices"]) == "say thissay this"


def test_e70_logprobs_have_the_legacy_shape():
    exchange = complete(logprobs=2)
    logprobs = exchange.json["choices"][0]["logprobs"]
    assert logprobs["tokens"][:4] == ["Hello", " from", " the", " echo"], exchange
    count = len(logprobs["tokens"])
    for key in ("token_logprobs", "top_logprobs", "text_offset"):
        assert len(logprobs[key]) == count, exchange
    assert all(value <= 0 for value in logprobs["token_logprobs"]), exchange
    assert logprobs["text_offset"][:4] == [0, 5, 10, 14], exchange
    assert all(len(top) == 2 for top in logprobs["top_logprobs"][:12]), exchange
    assert logprobs["tokens"][1] in logprobs["top_logprobs"][1], exchange


def test_e70_the_prompt_alone_can_be_scored():
    prompt = "what is this word"
    exchange = complete("echo", prompt, echo=True, logprobs=0, max_tokens=0)
    choice = exchange.json["choices"][0]
    assert choice["text"] == prompt and exchange.json["usage"]["completion_tokens"] == 0, exchange
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]).removeprefix("<|bos|>") == prompt, exchange
    assert logprobs["token_logprobs"][0] is None, exchange
    assert all(value <= 0 for value in logprobs["token_logprobs"][1:]), exchange


def test_e70_what_cannot_be_honoured_is_named():
    for fields in ({"suffix": "end"}, {"best_of": 3}, {"logprobs": 21}):
        exchange = complete(**fields)
        assert exchange.status == 400 and exchange.error["param"] == list(fields)[0], exchange
    exchange = complete("echo", [[5, 99999999]])
    assert exchange.status == 400 and "99999999" in exchange.error["message"], exchange


def test_e71_models_are_listed_with_what_clients_look_for():
    exchange = call("GET", "/v1/models")
    body = exchange.json
    assert body["object"] == "list" and body["models"] == body["data"], exchange
    ids = [model["id"] for model in body["data"]]
    assert {"echo", "echo-embed", "echo-tiny", "tern-guide"} <= set(ids), ids
    for model in body["data"]:
        assert model["object"] == "model" and isinstance(model["created"], int) and model["owned_by"], model
        assert model["context_length"] == model["max_model_len"] > 0, model
        assert model["capabilities"] and model["engine"] and model["status"]["value"], model
        assert isinstance(model["meta"], dict), model
    by_id = {model["id"]: model for model in body["data"]}
    assert by_id["echo-tiny"]["context_length"] == 64
    assert by_id["echo-embed"]["capabilities"] == ["embedding"]
    assert "chat" in by_id["tern-guide"]["capabilities"] and by_id["tern-guide"]["engine"] == "bitnet"
    assert by_id["tern-guide-q8_0"]["engine"] == "llama"


def test_e71_the_state_of_a_model_is_seen():
    chat("echo", max_tokens=1)
    assert call("GET", "/v1/models/echo").json["status"]["value"] == "loaded"


def test_e72_an_id_with_slashes_is_found_encoded_and_raw(spawn):
    server = spawn("--model", f"org/name:tag={ROOT / 'models' / 'guide' / 'tern-guide.gguf'}")
    for path in ("org/name:tag", "org%2Fname%3Atag", "org%2Fname:tag", urllib.parse.quote("org/name:tag", safe="")):
        exchange = call("GET", f"/v1/models/{path}", base=server.url)
        assert exchange.status == 200 and exchange.json["id"] == "org/name:tag", exchange
    missing = call("GET", "/v1/models/org/other", base=server.url)
    assert missing.status == 404 and "org/other" in missing.error["message"], missing


def test_e73_the_list_is_stable_and_every_alias_works():
    first, second = (call("GET", "/v1/models").json["data"] for _ in range(2))
    assert [model["id"] for model in first] == [model["id"] for model in second]
    names = [model["id"] for model in first] + [alias for model in first for alias in model["aliases"]]
    assert len(names) == len(set(names)), "no name means two models"
    for model in first:
        for alias in model["aliases"]:
            assert call("GET", "/v1/models/" + urllib.parse.quote(alias, safe="")).json["id"] == model["id"]


def test_e73_the_engine_may_be_named_and_no_other_is_taken():
    assert answer(chat("echo@echo")) == "hi"
    exchange = chat("echo@llama")
    assert exchange.status == 404 and exchange.error["code"] == "model_not_found", exchange


def test_e_tokens_are_counted_and_spelled_back():
    exchange = post("/v1/tokenize", {"model": "echo", "content": "Hello from the caf\u00e9", "with_pieces": True})
    ids = exchange.json["tokens"]
    assert exchange.json["count"] == len(ids) == len(exchange.json["pieces"]), exchange
    assert exchange.json["pieces"][:3] == ["Hello", " from", " the"], exchange
    spelled = post("/v1/detokenize", {"model": "echo", "tokens": ids})
    assert spelled.json["text"] == "Hello from the caf\u00e9", spelled
    wrong = post("/v1/detokenize", {"model": "echo", "tokens": [99999999]})
    assert wrong.status == 400 and wrong.error["param"] == "tokens", wrong
