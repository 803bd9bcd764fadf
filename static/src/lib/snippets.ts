// A call of the API as something to paste: into a shell, or into Python.

export interface Call {
  method: string;
  path: string;
  body?: unknown;
  /** Fields of a form, instead of a body: those that are `null` are left out, lists are repeated. Needs `file`. */
  form?: Record<string, string | boolean | readonly string[] | null>;
  /** Name of the file that the form sends. */
  file?: string;
  /** The answer arrives in pieces. */
  streams?: boolean;
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The fields of a form, one by one. */
function fieldsOf(form: NonNullable<Call["form"]>): [string, string][] {
  return Object.entries(form).flatMap(([name, value]) => (value === null ? [] : Array.isArray(value) ? (value as string[]) : [String(value)]).map((one): [string, string] => [name, one]));
}

export function curl(call: Call, origin: string): string {
  if (call.form) {
    // What begins with @ or < would be read from a file.
    const fields = fieldsOf(call.form).map(([name, value]) => `--form-string ${quoted(`${name}=${value}`)}`);
    return ["curl " + quoted(origin + call.path), ...fields, `-F ${quoted(`file=@${call.file}`)}`].join(" \\\n  ");
  }
  const parts = ["curl"];
  if (call.streams) parts.push("-N");
  if (call.method !== "GET" && !(call.method === "POST" && call.body !== undefined)) parts.push("-X", call.method);
  parts.push(quoted(origin + call.path));
  if (call.body === undefined) return parts.join(" ");
  return `${parts.join(" ")} \\\n  -H 'content-type: application/json' \\\n  -d ${quoted(JSON.stringify(call.body, null, 2))}`;
}

/** JSON as a Python literal. */
export function literal(value: unknown, indent = ""): string {
  const deeper = `${indent}    `;
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029]/g, escape);
  if (typeof value !== "object") return String(value);
  const [open, close, items] = Array.isArray(value)
    ? ["[", "]", value.map((item) => literal(item, deeper))]
    : ["{", "}", Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${literal(item, deeper)}`)];
  if (items.length === 0) return open + close;
  return `${open}\n${items.map((item) => `${deeper}${item},\n`).join("")}${indent}${close}`;
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Parameters that OpenAI's client knows by name; others go into `extra_body`. */
const KNOWN = new Set([
  "temperature", "top_p", "max_tokens", "seed", "presence_penalty", "frequency_penalty", "stop", "model", "messages",
]);

export function python(call: Call, origin: string): string {
  if (call.path === "/v1/chat/completions") return openai(call.body as Record<string, unknown>, origin);
  if (call.form) {
    const fields = fieldsOf(call.form).map(([name, value]) => `    (${literal(name)}, ${literal(value)}),\n`).join("");
    return `import requests\n\nfields = [\n${fields}]\nwith open(${literal(call.file)}, "rb") as file:\n    response = requests.post(${JSON.stringify(origin + call.path)}, data=fields, files={"file": file})\nresponse.raise_for_status()\nprint(response.json())\n`;
  }
  const method = call.method.toLowerCase();
  const body = call.body === undefined ? "" : `, json=${literal(call.body)}`;
  if (!call.streams) {
    return `import requests\n\nresponse = requests.${method}(${JSON.stringify(origin + call.path)}${body})\nresponse.raise_for_status()\nprint(response.json())\n`;
  }
  return `import json\nimport requests\n\nwith requests.${method}(${JSON.stringify(origin + call.path)}${body}, stream=True) as response:
    response.raise_for_status()
    for line in response.iter_lines(decode_unicode=True):
        if line.startswith("data: ") and line != "data: [DONE]":
            print(json.loads(line[6:]))\n`;
}

function openai(body: Record<string, unknown>, origin: string): string {
  const known = Object.entries(body).filter(([key]) => KNOWN.has(key));
  const extra = Object.fromEntries(Object.entries(body).filter(([key]) => !KNOWN.has(key)));
  const lines = known.map(([key, value]) => `    ${key}=${literal(value, "    ")},\n`);
  if (Object.keys(extra).length > 0) lines.push(`    extra_body=${literal(extra, "    ")},\n`);
  return `from openai import OpenAI\n\nclient = OpenAI(base_url=${JSON.stringify(`${origin}/v1`)}, api_key="none")\nanswer = client.chat.completions.create(\n${lines.join("")})\nprint(answer.choices[0].message.content)\n`;
}
