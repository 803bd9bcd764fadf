"""Measures how often the guide gives the right answer, word for word.

    python evaluate.py                                # the safetensors folder, with transformers
    python evaluate.py --gguf tern-guide-i2s.gguf     # a GGUF file, in plain PyTorch
    python evaluate.py --url http://127.0.0.1:8080    # a server with an OpenAI-compatible API

Decoding is greedy. The exit status is 1 when the held-out questions, on topic
or off it, are answered right less often than `--min`. The last way needs
Python's standard library only.
"""

import argparse
import json
import random
import sys
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import corpus

HERE = Path(__file__).resolve().parent
MAX_TOKENS = 120
SYSTEM = "You are a careful assistant. Answer the question of the user."


class Server:
    """Asks an OpenAI-compatible server, a few requests at a time."""

    def __init__(self, url: str, model: str, clients: int):
        base = url.rstrip("/").removesuffix("/v1")
        self.url, self.model, self.clients = base + "/v1/chat/completions", model, clients

    def _one(self, messages: list[dict]) -> str:
        body = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": MAX_TOKENS}
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=300) as reply:
            return json.load(reply)["choices"][0]["message"]["content"] or ""

    def answers(self, chats: list[list[dict]], right: list[str]) -> list[str]:
        with ThreadPoolExecutor(self.clients) as pool:
            return list(pool.map(self._one, chats))


class Folder:
    """Runs the safetensors folder with transformers."""

    def __init__(self, folder: Path, threads: int, batch: int = 64):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(threads)
        self.batch = batch
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def answers(self, chats: list[list[dict]], right: list[str]) -> list[str]:
        texts = [self.tokenizer.apply_chat_template(c, tokenize=False, add_generation_prompt=True) for c in chats]
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        replies = [""] * len(texts)
        for start in range(0, len(order), self.batch):
            part = order[start : start + self.batch]
            given = self.tokenizer([texts[i] for i in part], return_tensors="pt", padding=True,
                                   add_special_tokens=False, return_token_type_ids=False)
            made = self.model.generate(**given, max_new_tokens=MAX_TOKENS, do_sample=False)
            made = made[:, given["input_ids"].shape[1] :]
            for i, text in zip(part, self.tokenizer.batch_decode(made, skip_special_tokens=True)):
                replies[i] = text
        return replies


class File:
    """Runs a GGUF file in plain PyTorch, with the values it holds."""

    def __init__(self, path: Path, threads: int, batch: int = 64):
        import torch

        import gguf_model

        torch.set_num_threads(threads)
        self.greedy, self.batch = gguf_model.greedy, batch
        self.model, self.tokenizer = gguf_model.load(path)

    def answers(self, chats: list[list[dict]], right: list[str]) -> list[str]:
        import tokens

        def ids(text: str) -> list[int]:
            return self.tokenizer.encode(text).ids

        texts = ["".join(tokens.turn(m["role"], m["content"]) for m in c) + tokens.ASSISTANT for c in chats]
        prompts, drafts = [ids(t) for t in texts], [ids(r + tokens.IM_END) for r in right]
        order = sorted(range(len(texts)), key=lambda i: len(prompts[i]))
        replies = [""] * len(texts)
        for start in range(0, len(order), self.batch):
            part = order[start : start + self.batch]
            made = self.greedy(self.model, [prompts[i] for i in part], [drafts[i] for i in part], MAX_TOKENS)
            for i, reply in zip(part, made):
                replies[i] = self.tokenizer.decode(reply)
        return replies


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def cases(entries, everything: bool, seed: int = 7):
    """(table row, id, chat, right answer) of every question asked."""
    rng = random.Random(seed)
    on_topic = [e for e in entries if e.id != corpus.OFFTOPIC]
    for entry in entries:
        kind = "off-topic" if entry.id == corpus.OFFTOPIC else "on topic"
        for question in entry.train if everything else []:
            yield f"{kind}, training", entry.id, [user(question)], entry.answer
        for question in entry.held:
            yield f"{kind}, held-out", entry.id, [user(question)], entry.answer
        for question in entry.held[:1] if kind == "on topic" else entry.held[::3]:
            system = [{"role": "system", "content": SYSTEM}, user(question)]
            yield f"{kind}, held-out, system prompt", entry.id, system, entry.answer
            chat = []
            for earlier in rng.sample(on_topic, 2):
                chat += [user(rng.choice(earlier.train)), {"role": "assistant", "content": earlier.answer}]
            yield f"{kind}, held-out, third turn", entry.id, chat + [user(question)], entry.answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=HERE / "safetensors")
    parser.add_argument("--gguf", type=Path, help="GGUF file to run instead")
    parser.add_argument("--url", help="address of a server to ask instead")
    parser.add_argument("--model", default="tern-guide", help="model name sent to the server")
    parser.add_argument("--clients", type=int, default=4, help="requests at once to the server")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--min", type=float, default=0.85, help="least share of right answers")
    parser.add_argument("--held-out-only", action="store_true", help="skip the training questions")
    parser.add_argument("--failures", type=int, default=40, help="failing cases to print, -1 for all")
    parser.add_argument("--save", type=Path, help="write every question and reply there, as JSON lines")
    args = parser.parse_args()

    entries = corpus.load()
    names = {e.answer: e.id for e in entries}
    asked = list(cases(entries, not args.held_out_only))
    if args.url:
        source = Server(args.url, args.model, args.clients)
    else:
        source = File(args.gguf, args.threads) if args.gguf else Folder(args.folder, args.threads)
    begun = time.time()
    replies = [r.strip() for r in source.answers([c for _, _, c, _ in asked], [a for *_, a in asked])]
    seconds = time.time() - begun

    total, right, strayed, failing = Counter(), Counter(), Counter(), []
    for (row, entry, chat, answer), reply in zip(asked, replies):
        total[row] += 1
        right[row] += reply == answer
        strayed[row] += entry != corpus.OFFTOPIC and reply == corpus.OFFTOPIC_ANSWER
        if reply != answer and row.endswith("held-out"):
            failing.append((entry, chat[-1]["content"], names.get(reply, f"no answer of the corpus: {reply!r}")))
    if args.save:
        lines = [json.dumps({"row": row, "id": entry, "chat": chat, "reply": reply})
                 for (row, entry, chat, _), reply in zip(asked, replies)]
        args.save.write_text("\n".join(lines) + "\n", "utf-8")

    shown = failing if args.failures < 0 else failing[: args.failures]
    for entry, question, got in shown:
        print(f"{entry}: {question}\n    -> {got}")
    if len(shown) < len(failing):
        print(f"... and {len(failing) - len(shown)} more")
    print(f"\n{'questions':<36} {'asked':>6} {'right':>6} {'share':>7} {'taken for off-topic':>20}")
    for row in sorted(total):
        print(f"{row:<36} {total[row]:>6} {right[row]:>6} {right[row] / total[row]:>7.1%} {strayed[row] / total[row]:>20.1%}")
    print(f"{len(asked)} answers in {seconds:.0f} s")
    rows = [row for row in total if row.endswith("held-out")]
    return int(any(right[row] / total[row] < args.min for row in rows))


if __name__ == "__main__":
    sys.exit(main())
