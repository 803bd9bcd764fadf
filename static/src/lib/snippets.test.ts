import { describe, expect, it } from "vitest";
import { curl, literal, python } from "./snippets";

const origin = "http://127.0.0.1:8080";

describe("curl", () => {
  it("reads", () => expect(curl({ method: "GET", path: "/v1/models" }, origin)).toBe("curl 'http://127.0.0.1:8080/v1/models'"));
  it("deletes", () => expect(curl({ method: "DELETE", path: "/api/x" }, origin)).toBe("curl -X DELETE 'http://127.0.0.1:8080/api/x'"));
  it("quotes for the shell", () => {
    const text = curl({ method: "POST", path: "/x", body: { q: "it's $HOME" } }, origin);
    expect(text).toContain(`it'\\''s $HOME`);
    expect(text).not.toContain("-X");
  });
  it("does not buffer a stream", () => expect(curl({ method: "POST", path: "/x", body: {}, streams: true }, origin)).toContain("curl -N "));
});

describe("a form", () => {
  const call = { method: "POST", path: "/x", form: { language: ["eng", "deu"], prompt: "@it's", model: null, words: true }, file: "a b.png" };
  it("is sent field by field", () => {
    expect(curl(call, origin)).toBe("curl 'http://127.0.0.1:8080/x' \\\n  --form-string 'language=eng' \\\n  --form-string 'language=deu' \\\n  --form-string 'prompt=@it'\\''s' \\\n  --form-string 'words=true' \\\n  -F 'file=@a b.png'");
    expect(python(call, origin)).toContain('    ("language", "eng"),\n    ("language", "deu"),\n    ("prompt", "@it\'s"),\n    ("words", "true"),\n]\nwith open("a b.png", "rb") as file:');
  });
});

describe("python", () => {
  it("writes literals", () => expect(literal({ a: [true, null, "x\n"], b: {} })).toBe('{\n    "a": [\n        True,\n        None,\n        "x\\n",\n    ],\n    "b": {},\n}'));
  it("takes OpenAI's client for chats", () => {
    const text = python({ method: "POST", path: "/v1/chat/completions", body: { model: "m", temperature: 0, min_p: 0.1, messages: [] } }, origin);
    expect(text).toContain('base_url="http://127.0.0.1:8080/v1"');
    expect(text).toContain("    temperature=0,\n");
    expect(text).toContain('extra_body={\n        "min_p": 0.1,\n    }');
  });
  it("takes requests for the rest", () => expect(python({ method: "DELETE", path: "/api/x" }, origin)).toContain('requests.delete("http://127.0.0.1:8080/api/x")'));
});
