"""Renders templates/*.jinja with Jinja2, as Hugging Face's apply_chat_template does, over the scenarios below.

    pip install Jinja2==3.1.6
    python3 make.py            # writes golden.json beside this file

The settings are those of transformers' chat_template_utils: an immutable sandbox, trim_blocks, lstrip_blocks, loop
controls, a `generation` tag that renders its body, tojson as json.dumps(ensure_ascii=False), raise_exception,
strftime_now. The clock stands at CLOCK. A scenario a template rejects is null in golden.json.

    python3 make.py DIR OUT    # the same for the templates in another folder
"""

import datetime
import glob
import json
import os
import sys

import jinja2
import jinja2.nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

CLOCK = datetime.datetime(2026, 1, 2, 3, 4, 5)


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
)
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = CLOCK.strftime


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(arguments, id="call_12345", content=None):
    function = {"name": "get_weather", "arguments": arguments}
    return assistant(content, tool_calls=[{"id": id, "type": "function", "function": function}])


def result(id="call_12345"):
    return {"role": "tool", "tool_call_id": id, "name": "get_weather", "content": '{"t": 20}'}


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get <weather> & more, in °C",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "City"},
                    "unit": {"type": "string", "enum": ["c", "f"]},
                    "days": {"type": "array", "items": {"type": "integer"}, "default": [1.0, 1e-7]},
                },
                "required": ["location"],
            },
        },
    }
]
OBJECT = {"location": "Paris", "n": 1, "b": True, "z": None}

SCENARIOS = {
    "user": dict(messages=[user("Hello")]),
    "system": dict(messages=[system("Be <nice> & 'kind'"), user("Hello \n")]),
    "several turns": dict(messages=[system("s"), user("a"), assistant("b"), user("c")]),
    "no generation prompt": dict(messages=[user("a"), assistant("b")], add_generation_prompt=False),
    "think tags": dict(messages=[user("a"), assistant("<think>\nhm\n</think>\n\nb"), user("c")]),
    "thinking off": dict(messages=[user("a")], enable_thinking=False),
    "tools": dict(messages=[user("weather?")], tools=TOOLS),
    "tool call": dict(messages=[user("weather?"), call(OBJECT), result(), user("thx")], tools=TOOLS),
    "tool call as text": dict(
        messages=[user("weather?"), call('{"location": "Paris"}', "abcdefghi", ""), result("abcdefghi")], tools=TOOLS
    ),
    "parts": dict(messages=[user([{"type": "text", "text": "what"}, {"type": "text", "text": "now"}])]),
    "unicode": dict(messages=[user('héllo 😀 "q" \\n')]),
    "reasoning": dict(messages=[user("a"), assistant("b", reasoning_content="because"), user("c")]),
    "roles do not alternate": dict(messages=[user("a"), user("b")]),
}


def main(folder, out):
    cases = []
    for path in sorted(glob.glob(os.path.join(folder, "*.jinja"))):
        with open(path, encoding="utf-8") as file:
            source = file.read()
        for name, context in SCENARIOS.items():
            context = dict(tools=None, documents=None, add_generation_prompt=True) | context
            try:
                text = env.from_string(source).render(bos_token="<s>", eos_token="</s>", **context)
            except Exception:
                text = None
            cases.append({"template": os.path.basename(path), "scenario": name, "rendered": text})
    scenarios = {
        name: dict(tools=None, documents=None, add_generation_prompt=True, bos_token="<s>", eos_token="</s>") | context
        for name, context in SCENARIOS.items()
    }
    header = f"made by src/chat/tests/golden/make.py with Jinja2 {jinja2.__version__}; do not edit"
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"header": header, "scenarios": scenarios, "cases": cases}, file, ensure_ascii=False, indent=1)
        file.write("\n")
    print(len(cases), "cases,", sum(case["rendered"] is not None for case in cases), "rendered")


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    if len(sys.argv) == 3:
        main(sys.argv[1], sys.argv[2])
    else:
        main(os.path.join(here, "templates"), os.path.join(here, "golden.json"))
