"""What lm-evaluation-harness does with `local-completions`, to the byte: its requests for tasks that compare the likelihood of
continuations, and its reading of the answers. The harness itself brings datasets, scikit-learn and more, some hundreds of
megabytes; what it sends and reads of `choices[].logprobs` fits here.
"""

from operator import itemgetter

import pytest

from support import call, chat, post, tokens

GUIDE = "tern-guide"
# A task of our own: a question, and continuations of which the likeliest counts as the answer.
TASK = [
    ("Tern is a", [" server for small language models", " kind of bicycle", " stone"]),
    ("The default port of Tern is", [" 8080", " 443", " nine thousand and one"]),
    ("Question: Does Tern speak OpenAI's API?\nAnswer:", [" yes", " no"]),
]


def payload(model, prompts):
    """The request of the harness (lm_eval/models/openai_completions.py, `_create_payload`)."""
    return {"model": model, "prompt": prompts, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True}


def parse(body, lengths):
    """What it reads (`parse_logprobs`): the last entry belongs to the token that it made the server generate."""
    results = []
    for choice, length in zip(sorted(body["choices"], key=itemgetter("index")), lengths, strict=True):
        assert length > 0
        logprobs = choice["logprobs"]["token_logprobs"][length:-1]
        tops = choice["logprobs"]["top_logprobs"][length:-1]
        results.append((sum(logprobs), all(own == max(top.values()) for own, top in zip(logprobs, tops, strict=True))))
    return results


def directly(model, prompt, continuation):
    """The same, one token at a time: what the model makes of a prompt that ends before that token."""
    total, greedy = 0.0, True
    for at, token in enumerate(continuation):
        body = {"model": model, "prompt": prompt + continuation[:at], "max_tokens": 1, "logprobs": 1, "temperature": 0}
        free = post("/v1/completions", body).json["choices"][0]["logprobs"]
        # Forced to be chosen; what is reported is what it had without that.
        forced = post("/v1/completions", {**body, "logit_bias": {str(token): 100}}).json["choices"][0]["logprobs"]
        assert forced["token_ids"] == [token], forced
        total += forced["token_logprobs"][0]
        greedy = greedy and free["token_ids"] == [token]
    return total, greedy


def encoded(question, continuations):
    """Token ids of a question and of its continuations, cut where the harness cuts them."""
    whole = [tokens(question + continuation, model=GUIDE) for continuation in continuations]
    context = tokens(question, model=GUIDE)
    return [(ids[: len(context)], ids[len(context) :]) for ids in whole]


@pytest.mark.parametrize("question, continuations", TASK, ids=["is", "port", "yes"])
def test_a_task_gets_the_score_that_is_computed_directly(question, continuations):
    pairs = encoded(question, continuations)
    answer = post("/v1/completions", payload(GUIDE, [context + rest for context, rest in pairs]))
    scored = parse(answer.json, [len(context) for context, _ in pairs])
    computed = [directly(GUIDE, context, rest) for context, rest in pairs]
    for (score, greedy), (expected, is_greedy) in zip(scored, computed, strict=True):
        assert score == pytest.approx(expected, abs=2e-3), (scored, computed)
        assert greedy == is_greedy, (scored, computed)
    best = max(range(len(scored)), key=lambda index: scored[index][0])
    assert best == max(range(len(computed)), key=lambda index: computed[index][0])


def test_a_batch_scores_as_its_requests_do_alone():
    pairs = [pair for question, continuations in TASK for pair in encoded(question, continuations)]
    prompts, lengths = [context + rest for context, rest in pairs], [len(context) for context, _ in pairs]
    together = parse(post("/v1/completions", payload(GUIDE, prompts)).json, lengths)
    for prompt, length, (score, greedy) in zip(prompts, lengths, together, strict=True):
        (alone, greedy_alone), = parse(post("/v1/completions", payload(GUIDE, [prompt])).json, [length])
        assert score == pytest.approx(alone, abs=2e-3) and greedy == greedy_alone


def test_texts_score_as_their_tokens_do():
    question, continuations = TASK[0]
    (context, rest), *_ = encoded(question, continuations)
    as_text = post("/v1/completions", payload(GUIDE, question + continuations[0])).json["choices"][0]["logprobs"]
    as_tokens = post("/v1/completions", payload(GUIDE, [context + rest])).json["choices"][0]["logprobs"]
    # A text may get a token in front that begins it, which a list of tokens does not.
    count = len(as_tokens["token_ids"])
    assert as_text["token_ids"][-count:-1] == as_tokens["token_ids"][:-1]


@pytest.mark.parametrize("model", ["echo", GUIDE])
def test_there_is_an_entry_for_the_token_that_was_asked_for_even_where_it_is_an_end(model):
    """The harness drops the last entry unseen: without one for the end it would drop a token of the continuation."""
    said = chat(model, "What is Tern?", temperature=0, max_tokens=400)
    assert said.json["choices"][0]["finish_reason"] == "stop", said
    messages = [{"role": "user", "content": "What is Tern?"}]
    rendered = post("/v1/chat/render", {"model": model, "messages": messages}).json["tokens"]
    prompt = rendered + tokens(said.json["choices"][0]["message"]["content"], model=model)
    answer = post("/v1/completions", payload(model, [prompt]))
    logprobs = answer.json["choices"][0]["logprobs"]
    assert len(logprobs["token_logprobs"]) == len(prompt) + 1, answer
    assert len(logprobs["top_logprobs"]) == len(logprobs["tokens"]) == len(prompt) + 1, answer
    assert logprobs["token_ids"][:-1] == prompt, answer


def test_generation_tasks_send_stop_strings_and_read_texts():
    body = {
        "prompt": [tokens("one", model="echo"), tokens("two three", model="echo")], "model": "echo", "max_tokens": 256,
        "temperature": 0, "stop": ["\n\n", "<|im_end|>"], "seed": 1234,
    }
    answer = post("/v1/completions", body)
    texts = [None, None]
    for choice in answer.json["choices"]:
        texts[choice["index"]] = choice["text"]
    assert texts == ["one", "two three"], answer


def test_scores_without_a_generated_token():
    """Older harnesses ask for no token at all, and read every entry behind the context."""
    (context, rest), *_ = encoded(*TASK[0])
    zero = post("/v1/completions", {**payload(GUIDE, [context + rest]), "max_tokens": 0})
    one = post("/v1/completions", payload(GUIDE, [context + rest]))
    entries = zero.json["choices"][0]["logprobs"]["token_logprobs"]
    assert len(entries) == len(context + rest), zero
    assert sum(entries[len(context) :]) == pytest.approx(parse(one.json, [len(context)])[0][0], abs=2e-3)


def test_the_server_says_which_models_there_are_to_evaluate():
    assert GUIDE in [model["id"] for model in call("GET", "/v1/models").json["data"]]
