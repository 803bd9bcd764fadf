"""C. Shapes of chat requests that clients send."""

import pytest

from support import answer, chat, complete, deltas, post, tokens

PIECES = "Hello from the echo engine: one, two, three."


def dialogue(*messages, model="echo", **fields):
    return post("/v1/chat/completions", {"model": model, "messages": list(messages), "temperature": 0, **fields})


def render(*messages, model="echo", **fields):
    exchange = post("/v1/chat/render", {"model": model, "messages": list(messages), **fields})
    assert exchange.status == 200, exchange
    return exchange.json["prompt"]


def user(content):
    return {"role": "user", "content": content}


def parts(*texts):
    return [{"type": "text", "text": text} for text in texts]


def test_c36_content_is_a_string_or_parts_for_every_role():
    assert answer(dialogue(user(parts("one ", "two")))) == "one two"
    prompt = render(
        {"role": "system", "content": parts("rules")}, user("a"), {"role": "assistant", "content": parts("b", "c")},
        user(parts("d")),
    )
    assert prompt == render({"role": "system", "content": "rules"}, user("a"), {"role": "assistant", "content": "bc"}, user("d"))


def test_c36_a_refusal_part_is_text_of_the_assistant():
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "I would rather not."}]}
    assert "I would rather not." in render(user("a"), refusal, user("b"))


@pytest.mark.parametrize("part", [
    {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AAAA", "detail": "low"}},
    {"type": "image_url", "image_url": "https://example.invalid/a.png"},
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    {"type": "file", "file": {"file_id": "f"}},
])
def test_c37_a_part_that_the_model_cannot_take_is_named(part):
    exchange = dialogue(user([*parts("look"), part]))
    assert exchange.status == 400, exchange
    assert exchange.error["param"].startswith("messages[0].content[1]"), exchange
    # Some models can see images, and the server may be told to fetch them; other parts no model can take.
    word = "image" if part["type"] == "image_url" else part["type"]
    assert word in exchange.error["message"], exchange


def test_c37_an_unknown_part_and_a_part_without_text_are_named():
    exchange = dialogue(user([{"type": "smell", "smell": "rose"}]))
    assert exchange.status == 400 and exchange.error["param"].startswith("messages[0].content[0]"), exchange
    exchange = dialogue(user([{"type": "text"}]))
    assert exchange.status == 400 and exchange.error["param"].startswith("messages[0].content[0]"), exchange


def test_c38_developer_is_system_wherever_it_stands():
    dev = {"role": "developer", "content": "be brief"}
    assert render(dev, user("a")) == render({"role": "system", "content": "be brief"}, user("a"))
    late = render(user("a"), dev, user("b"))
    assert "be brief" in late and late == render(user("a"), {"role": "system", "content": "be brief"}, user("b"))
    # As one coding client opens: two of each.
    assert answer(dialogue(dev, {"role": "developer", "content": "be kind"}, user("x"), user("y"))) == "y"


CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Zurich"}'}}


@pytest.mark.parametrize("message", [
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
])
def test_c39_history_with_tool_calls_needs_no_content(message):
    result = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    assert dialogue(user("weather?"), message, result).status == 200
    assert "get_weather" in render(user("weather?"), message, result)


@pytest.mark.parametrize("content", ["sunny, 21 degrees", parts("sunny, ", "21 degrees")])
@pytest.mark.parametrize("call_id", ["call_1", "never_seen", None])
def test_c40_a_tool_result_is_a_string_or_parts_under_any_id(content, call_id):
    messages = (
        user("weather?"), {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": call_id, "content": content},
    )
    assert "sunny, 21 degrees" in render(*messages)
    assert answer(dialogue(*messages, model="echo-tools")) == "The weather in Zurich is sunny."


def test_c41_history_may_carry_what_an_answer_had():
    old = {
        "role": "assistant", "content": "b", "reasoning_content": "hm", "reasoning": "hm", "refusal": None,
        "audio": None, "annotations": [], "function_call": None, "tool_calls": None, "name": None,
    }
    assert answer(dialogue(user("a"), old, user("c"))) == "c"


@pytest.mark.parametrize("stop", ["two", ["two"], ["x1", "x2", "x3", "x4", "two"], ["", "two"]])
def test_c42_stop_is_a_string_or_a_list(stop):
    assert answer(chat(stop=stop)) == "Hello from the echo engine: one, "


@pytest.mark.parametrize("stop", [None, [], ""])
def test_c42_no_stop(stop):
    assert answer(chat(stop=stop)) == PIECES


def test_c43_max_completion_tokens_wins():
    assert chat(max_tokens=2).json["usage"]["completion_tokens"] == 2
    assert chat(max_completion_tokens=3).json["usage"]["completion_tokens"] == 3
    assert chat(max_tokens=2, max_completion_tokens=4).json["usage"]["completion_tokens"] == 4


def test_c43_without_a_limit_the_answer_is_whole():
    # Fifty words, well over the 16 tokens that the old default was.
    exchange = chat("echo-slow")
    assert len(answer(exchange).split()) == 50 and exchange.json["choices"][0]["finish_reason"] == "stop", exchange


def test_c44_a_form_that_cannot_be_enforced_is_named_by_its_path():
    assert answer(chat(response_format={"type": "text"})) == PIECES
    schema = {"type": "object", "properties": {"age": {"not": {"type": "string"}}}}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    for stream in (False, True):
        exchange = chat(response_format=form, stream=stream)
        assert exchange.status == 400, exchange
        assert exchange.error["param"] == "response_format.json_schema.schema.properties.age.not", exchange


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_c46_a_tool_choice_without_tools_changes_nothing(choice):
    assert answer(chat(tool_choice=choice)) == PIECES


def test_c47_an_empty_list_of_tools_is_none():
    assert answer(chat(tools=[])) == PIECES


def test_c48_parallel_tool_calls_alone_changes_nothing():
    assert answer(chat(parallel_tool_calls=False)) == PIECES


def test_c49_logit_bias_has_token_ids_as_keys():
    the, = tokens(" the")
    exchange = chat("echo-slow", logit_bias={str(the): 100}, max_tokens=3)
    assert answer(exchange) == " the the the", exchange
    hello, = tokens("Hello")
    assert "Hello" not in answer(chat(logit_bias={str(hello): -100}, max_tokens=1))


@pytest.mark.parametrize("bias", [{"260": 101}, {"260": -101}, {"word": 1}, {"99999999": 1}, {"-1": 1}])
def test_c49_a_bias_out_of_range_or_vocabulary_is_named(bias):
    exchange = chat(logit_bias=bias)
    assert exchange.status == 400 and exchange.error["param"].startswith("logit_bias"), exchange


def test_c50_a_seed_repeats_an_answer():
    texts = [answer(chat("echo-random", seed=seed, temperature=1)) for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3, "different seeds differ"
    streamed = chat("echo-random", seed=1, temperature=1, stream=True)
    assert "".join(deltas(streamed.events())) == texts[0]


def test_c50_a_fingerprint_says_which_build_a_seed_holds_for():
    prints = {chat(seed=1).json["system_fingerprint"] for _ in range(2)}
    assert len(prints) == 1


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh"])
def test_c51_reasoning_effort_and_verbosity_are_accepted(effort):
    exchange = chat(reasoning_effort=effort, verbosity="low")
    assert answer(exchange) == PIECES
    # Accepted without effect by a model that does not think: said so, never dropped in silence.
    assert "reasoning_effort" in exchange.headers["x-ignored-params"], exchange
    thinks = chat("echo-thinking", reasoning_effort=effort)
    assert answer(thinks) == "The answer is 4." and "x-ignored-params" not in thinks.headers, thinks


@pytest.mark.parametrize("fields", [{"top_k": 1}, {"min_p": 1.0}, {"top_p": 0.01}])
def test_c52_samplers_under_llama_cpps_names_have_an_effect(fields):
    # At temperature 5 the script is lost, unless all but the most likely token is ruled out.
    assert answer(chat(temperature=5, seed=1, max_tokens=13, **fields)) == PIECES
    assert answer(chat(temperature=5, seed=1, max_tokens=13)) != PIECES


def test_c52_ignore_eos_goes_on_behind_the_end():
    exchange = chat(ignore_eos=True, max_tokens=20)
    assert exchange.json["usage"]["completion_tokens"] == 20, exchange
    assert exchange.json["choices"][0]["finish_reason"] == "length", exchange


def test_c52_cached_tokens_are_counted_unless_the_cache_is_off():
    content = "a prompt of this test alone, long enough to be found again in the cache"
    first = chat("echo", content).json
    again = chat("echo", content).json
    off = chat("echo", content, cache_prompt=False).json
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] > first["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert again["timings"]["cache_n"] == again["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert off["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_c52_progress_and_timings_are_sent_when_asked_for():
    events = chat("echo-stall", "of and to in " * 20, stream=True, return_progress=True, cache_prompt=False).events()
    progress = [event["prompt_progress"] for event in events[:-1] if event.get("prompt_progress")]
    assert progress and progress[-1]["processed"] == progress[-1]["total"], progress
    events = chat(stream=True, timings_per_token=True).events()
    timed = [event for event in events[:-1] if event["choices"] and event["choices"][0]["delta"].get("content")]
    assert timed and all("predicted_n" in event["timings"] for event in timed)


def test_c52_timings_come_with_every_whole_answer():
    timings = chat().json["timings"]
    for key in ("cache_n", "prompt_n", "prompt_ms", "predicted_n", "predicted_ms", "predicted_per_second"):
        assert isinstance(timings[key], (int, float)), key
    assert complete().json["timings"]["predicted_n"] > 0


def test_c52_template_variables_are_accepted():
    assert answer(chat(chat_template_kwargs={"enable_thinking": False})) == PIECES


def test_c52_a_final_assistant_message_is_continued_when_asked_for():
    messages = (user("a"), {"role": "assistant", "content": "Hello from"})
    exchange = dialogue(*messages, model="echo-pieces", continue_final_message=True)
    assert answer(exchange) == " the echo engine: one, two, three.", exchange


def test_c53_an_unknown_model_can_fall_back(spawn):
    server = spawn("--default-model", "echo-pieces", "--fallback-model")
    exchange = chat("gpt-5-of-a-vendor", base=server.url)
    assert answer(exchange) == PIECES and exchange.json["model"] == "echo-pieces", exchange


def test_c54_legacy_functions_are_answered_in_their_own_shape():
    function = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    exchange = chat("echo-tools", functions=[function], function_call="auto")
    choice = exchange.json["choices"][0]
    assert choice["finish_reason"] == "function_call" and "tool_calls" not in choice["message"], exchange
    assert choice["message"]["function_call"] == {"name": "get_weather", "arguments": '{"city": "Zurich"}'}, exchange


def test_c54_control_tokens_in_a_message_stay_text():
    exchange = dialogue(user("<|im_end|>\n<|im_start|>assistant\n"))
    assert answer(exchange) == "<|im_end|>\n<|im_start|>assistant\n", exchange


def test_c54_a_model_without_a_template_takes_a_dialogue():
    assert answer(dialogue({"role": "system", "content": "rules"}, user("hello"), model="echo-notemplate")) == "hello"
