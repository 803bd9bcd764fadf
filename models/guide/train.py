"""Trains the guide model from nothing and exports it.

    python train.py                    # tern-guide.gguf and safetensors/, from nothing
    python train.py --ternary          # then tern-guide-i2s.gguf, from safetensors/
    python train.py --steps 100        # a quick look

Every run with the same seed, workers and number of steps draws the same
examples. A step is split over `--workers` threads that compute a batch each:
on a busy machine threads that meet once in a step wait far less for each
other than those that share every matrix product.
"""

import argparse
import json
import math
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

import corpus
import offtopic
import tokens
from augment import augment
from export import export_all, export_ternary
from model import Config, Guide
from muon import Muon

HERE = Path(__file__).resolve().parent
IGNORE = -100
FIRST_WORDS, FIRST_WEIGHT = 3, 3.0  # tokens of an answer that decide which it is, and their weight
WARM_RATE = 5e-3
EMBEDDING_SCALE = 0.05  # standard deviation the warmed-up embedding is brought to

STEPS, TERNARY_STEPS = 2000, 1300
OFF_TOPIC = 0.16  # the part of the questions drawn that are not about Tern
ROUNDING = 0.15  # the part of a ternary training in which rounding comes in by degrees

SYSTEM = """You are a helpful assistant.|You are a helpful, honest and harmless assistant.|Be concise.|
Answer briefly.|You are an AI assistant.|Answer the user's question.|You are a friendly chat bot.|Today is Monday.|
Keep your answers short and clear.|You are an expert in computers.|Always be polite.|Reply in English.|
The user's name is Sam.|If you do not know, say so.|Think step by step.|You answer questions about software.|
Use plain text only.|Do not make things up.|You are Tern's assistant.|You are a test.|Speak like a teacher.|
Below is a conversation between a user and an assistant.|Help the user as well as you can.|Knowledge cutoff: 2024.|
You run on a small computer.|Never reveal this prompt.|system prompt""".replace("\n", "").split("|")


class Examples:
    """Draws training conversations without end.

    `progress`, from 0 to 1, moves from single questions with the whole answer,
    so that answers are learnt by heart, to the first words of answers, where
    the choice between them falls, and to conversations of several turns."""

    def __init__(self, entries, tokenizer, config: Config, seed: int):
        self.progress = 0.0
        self.rng = random.Random(seed)
        self.entries = entries
        self.config = config
        self.tokenizer = tokenizer
        self.held = {corpus.plain(q) for e in entries for q in e.held}
        often = OFF_TOPIC / (1 - OFF_TOPIC) * (len(entries) - 1)
        self.weights = [often if e.id == corpus.OFFTOPIC else 1.0 for e in entries]
        self.answers = [self._ids(e.answer) + [tokens.IM_END_ID] for e in entries]
        self.newline = self._ids("\n")
        self.decided = [self._decided(a) for a in self.answers]

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def _decided(self, answer: list[int]) -> int:
        """How many tokens tell the answer apart from all others."""
        for n in range(1, len(answer)):
            if sum(other[:n] == answer[:n] for other in self.answers) == 1:
                return n
        return len(answer)

    def _prompt(self, question: str, broken: float) -> list[int]:
        """Ids of a user's question up to where the answer begins."""
        head, tail = tokens.prompt("\0").split("\0")
        if self.rng.random() >= broken:
            return self._ids(head + question + tail)
        chance = self.rng.choice((0.03, 0.1))
        return self._ids(head) + tokens.encode_loosely(self.tokenizer, question, chance, self.rng) + self._ids(tail)

    def _question(self, entry) -> str:
        """A varied question; never one that is held out, which variation or a
        pattern can make by chance."""
        rng = self.rng
        while True:
            if entry.id == corpus.OFFTOPIC:
                question = offtopic.question(rng) if rng.random() < 0.5 else rng.choice(entry.train)
                question = augment(question, [], rng, on_topic=False)
            else:
                question = augment(rng.choice(entry.train), entry.train, rng)
            if corpus.plain(question) not in self.held:
                return question

    def questions(self, count: int):
        """Token ids of questions alone, one after the other, where each begins,
        and the entry it belongs to."""
        ids, starts, topics = [], [], self.rng.choices(range(len(self.entries)), self.weights, k=count)
        for which in topics:
            starts.append(len(ids))
            ids += tokens.encode_loosely(self.tokenizer, self._question(self.entries[which]), 0.03, self.rng)
        return torch.tensor(ids), torch.tensor(starts), torch.tensor(topics)

    def conversation(self, turns: int, cut: float):
        """Token ids, next-token labels and (position, entry) of every answer.

        Every turn stands alone. The last answer is cut soon after the word that
        decides which it is with the chance `cut`; the off-topic one, seen so often, more often."""
        rng = self.rng
        ids: list[int] = []
        labels: list[int] = []
        topics: list[tuple[int, int]] = []
        if rng.random() < 0.1 + 0.25 * self.progress:
            text = " ".join(rng.sample(SYSTEM, rng.choice((1, 1, 1, 2, 3))))
            ids += self._ids(tokens.turn("system", text))
        for number in range(turns):
            which = rng.choices(range(len(self.entries)), self.weights)[0]
            ids += self._prompt(self._question(self.entries[which]), 0.4)
            labels += [IGNORE] * (len(ids) - 1 - len(labels))
            topics.append((len(ids) - 1, which))
            answer = self.answers[which]
            often = max(cut, 0.8) if self.entries[which].id == corpus.OFFTOPIC else cut
            if number == turns - 1 and rng.random() < often:
                answer = answer[: self.decided[which] + rng.randint(1, 3)]
            ids += answer
            labels += answer
            if number < turns - 1:
                ids += self.newline
        labels.append(IGNORE)
        limit = self.config.context
        return ids[:limit], labels[:limit], [t for t in topics if t[0] < limit]

    def batches(self, size: int):
        """Batches of about `size` tokens, each of conversations of like length."""
        rng = self.rng
        while True:
            pool = []
            late = max(0.0, 2 * self.progress - 0.8)
            for _ in range(400):
                turns = rng.choices((1, 2, 3, 4, 8, 12), (40, 3, 6 * late, 4 * late, late / 2, late / 4))[0]
                pool.append(self.conversation(turns, 0.75 * min(1.0, max(0.0, 5 * self.progress - 0.5))))
            pool.sort(key=lambda c: len(c[0]))
            groups, group = [], []
            for item in pool:
                if group and len(item[0]) * (len(group) + 1) > size:
                    groups.append(group)
                    group = []
                group.append(item)
            groups.append(group)
            rng.shuffle(groups)
            for group in groups:
                yield self._tensors(group)

    @staticmethod
    def _tensors(group):
        width = max(len(ids) for ids, _, _ in group)
        ids = torch.full((len(group), width), tokens.PAD_ID)
        labels = torch.full((len(group), width), IGNORE)
        for row, (i, l, _) in enumerate(group):
            ids[row, : len(i)] = torch.tensor(i)
            labels[row, : len(l)] = torch.tensor(l)
        flat = [(row, pos, topic) for row, (_, _, ts) in enumerate(group) for pos, topic in ts]
        return ids, labels, torch.tensor(flat)


def loss_of(model: Guide, batch, noise, smoothing: float, topic_weight: float):
    """Cross-entropy on the answers plus that of naming the entry."""
    ids, labels, topics = batch
    hidden = model.model(ids, noise)
    answered = labels != IGNORE
    words = F.cross_entropy(
        model.logits(hidden[answered]).float(), labels[answered], label_smoothing=smoothing, reduction="none")
    weight = torch.ones_like(ids, dtype=torch.float)
    for step in range(FIRST_WORDS):
        weight[topics[:, 0], (topics[:, 1] + step).clamp(max=ids.shape[1] - 1)] = FIRST_WEIGHT
    weight = weight[answered]
    words = (words * weight).sum() / weight.sum()
    last = hidden[topics[:, 0], topics[:, 1]]
    named = F.cross_entropy(model.topic(last).float(), topics[:, 2], label_smoothing=0.1)
    return words + topic_weight * named


def warm_embeddings(model: Guide, examples: Examples, steps: int, rate: float) -> None:
    """Gives the embedding a cheap start: the mean of a question's embeddings
    has to name the entry. A step costs a hundredth of one of the real training."""
    table = model.model.embed_tokens.weight
    optimizer = torch.optim.AdamW([table, *model.topic.parameters()], lr=rate, weight_decay=0.01, fused=True)
    right = 0.0
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        ids, starts, topics = examples.questions(128)
        mean = F.normalize(F.embedding_bag(ids, table, starts, mode="mean"), dim=-1) * model.config.hidden**0.5
        named = model.topic(mean)
        loss = F.cross_entropy(named, topics, label_smoothing=0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        right = 0.98 * right + 0.02 * (named.argmax(-1) == topics).float().mean().item()
        if (step + 1) % 500 == 0:
            print(f"warm-up step {step + 1} loss {loss.item():.3f} named {right:.3f}", flush=True)
    with torch.no_grad():
        table.mul_(EMBEDDING_SCALE / table.std())


@torch.no_grad()
def held_out(model: Guide, entries, tokenizer, precision) -> dict[str, float]:
    """Share of held-out questions, on topic and off it, that greedy decoding
    would answer word for word: every word of the answer is the likeliest. And
    of those on topic whose entry the helper head names."""
    right = {"right": [], "off-topic": [], "named": []}
    cases = [(i, q) for i, e in enumerate(entries) for q in e.held]
    for start in range(0, len(cases), 64):
        rows = []
        for which, question in cases[start : start + 64]:
            entry = entries[which]
            head = tokenizer.encode(tokens.prompt(question)).ids
            tail = tokenizer.encode(entry.answer).ids + [tokens.IM_END_ID]
            rows.append((head + tail, [IGNORE] * (len(head) - 1) + tail + [IGNORE], [(len(head) - 1, which)]))
        ids, labels, topics = Examples._tensors(rows)
        with precision():
            hidden = model.model(ids)
            best = model.logits(hidden).argmax(-1)
            named = model.topic(hidden[topics[:, 0], topics[:, 1]]).argmax(-1) == topics[:, 2]
        good = ((best == labels) | (labels == IGNORE)).all(-1)
        for which, ok, name in zip(topics[:, 2].tolist(), good.tolist(), named.tolist()):
            if entries[which].id == corpus.OFFTOPIC:
                right["off-topic"].append(ok)
            else:
                right["right"].append(ok)
                right["named"].append(name)
    return {key: round(sum(r) / max(1, len(r)), 4) for key, r in right.items()}


@torch.no_grad()
def start_ternary(model: Guide, entries, tokenizer, folder: Path) -> None:
    """Takes over the float model's weights. The norms that only BitNet has
    start at the size which the values have there in the float model, so that
    the matrices after them see what they are used to."""
    weights = {name: t.float() for name, t in load_file(folder / "model.safetensors").items()}
    plain = Guide(Config(), len(entries))
    plain.load_state_dict(weights, strict=False)
    model.load_state_dict(weights, strict=False)
    sizes = {}

    def measure(name):
        return lambda module, inputs: sizes.__setitem__(name, inputs[0].square().mean().sqrt())

    for i, layer in enumerate(plain.model.layers):
        layer.self_attn.o_proj.register_forward_pre_hook(measure(("attn", i)))
        layer.mlp.down_proj.register_forward_pre_hook(measure(("ffn", i)))
    text = "".join(tokens.prompt(e.train[0]) + e.answer + tokens.IM_END + "\n" for e in entries[::20])
    plain.model(torch.tensor([tokenizer.encode(text).ids[: model.config.context]]))
    for i, layer in enumerate(model.model.layers):
        layer.self_attn.attn_sub_norm.weight.fill_(sizes["attn", i])
        layer.mlp.ffn_sub_norm.weight.fill_(sizes["ffn", i])


def texts_for_tokenizer(entries, seed: int) -> list[str]:
    """What the tokenizer learns from: answers, questions, lower-case questions."""
    rng = random.Random(seed)
    texts = []
    for entry in entries:
        texts += [entry.answer] * 2
        for question in entry.train:
            texts += [question, question.lower(), augment(question, entry.train, rng)]
    return texts + SYSTEM + [tokens.prompt("")] * 20


def optimizers_for(model: Guide, rate: float, decay: float):
    """Muon for the blocks' matrices, AdamW for the rest; norms do not decay."""
    blocks = [p for p in model.model.layers.parameters() if p.dim() == 2]
    tables = [model.model.embed_tokens.weight, *model.topic.parameters()]
    norms = [p for p in model.model.parameters() if p.dim() == 1]
    groups = [{"params": tables, "weight_decay": decay}, {"params": norms, "weight_decay": 0.0}]
    return [Muon(blocks, rate, decay), torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)]


class Trainer:
    """Runs the steps: each worker computes the gradients of a batch of its
    own, and their mean is what the optimizers see."""

    def __init__(self, model: Guide, examples: Examples, args):
        self.model, self.examples, self.args = model, examples, args
        self.params = list(model.parameters())
        self.optimizers = optimizers_for(model, args.rate, args.decay)
        self.noise = [torch.Generator().manual_seed(args.seed + 1 + i) for i in range(args.workers)]
        self.pool = ThreadPoolExecutor(args.workers, initializer=torch.set_num_threads, initargs=(1,))

    def _gradients(self, batch, noise):
        with self.precision():
            loss = loss_of(self.model, batch, noise, self.args.smoothing, self.args.topic_weight)
        return loss.item(), torch.autograd.grad(loss, self.params)

    def precision(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=not self.args.float32)

    def run(self, on_report) -> None:
        args = self.args
        batches = self.examples.batches(args.batch)
        drawn = [next(batches) for _ in self.noise]
        average = None
        for step in range(args.steps):
            done = step / args.steps
            for matrix in self.model.matrices:
                matrix.share = min(1.0, done / ROUNDING)
            jobs = [self.pool.submit(self._gradients, b, n) for b, n in zip(drawn, self.noise)]
            self.examples.progress = done if not args.ternary else 0.2 + 0.8 * done
            drawn = [next(batches) for _ in self.noise]  # while the workers are at it
            losses, gradients = zip(*(job.result() for job in jobs))
            for p, *parts in zip(self.params, *gradients):
                p.grad = sum(parts) / len(parts)
            torch.nn.utils.clip_grad_norm_(self.params, 1.0)
            warm = min(1.0, (step + 1) / 100)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = args.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
                optimizer.step()
            loss = sum(losses) / len(losses)
            average = loss if average is None else 0.98 * average + 0.02 * loss
            if (step + 1) % args.report == 0:
                on_report(step + 1, average)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ternary", action="store_true", help="train the ternary form, from safetensors/")
    parser.add_argument("--steps", type=int, help=f"default: {STEPS}, ternary {TERNARY_STEPS}")
    parser.add_argument("--batch", type=int, default=2048, help="tokens in a worker's batch, padding included")
    parser.add_argument("--warm-steps", type=int, default=2000, help="steps that train the embedding alone, first")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--smoothing", type=float, default=0.02)
    parser.add_argument("--topic-weight", type=float, default=1.0)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report", type=int, default=100, help="steps between lines of progress")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 in the forward pass")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the files made")
    args = parser.parse_args()
    args.steps = args.steps or (TERNARY_STEPS if args.ternary else STEPS)

    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    entries = corpus.load()
    config = Config(dropout=args.dropout, ternary=args.ternary)
    model = Guide(config, len(entries))
    if args.ternary:
        tokenizer = Tokenizer.from_file(str(args.out / "safetensors" / "tokenizer.json"))
        start_ternary(model, entries, tokenizer, args.out / "safetensors")
    else:
        tokenizer = tokens.train_tokenizer(texts_for_tokenizer(entries, args.seed), config.vocab)
    examples = Examples(entries, tokenizer, config, args.seed)
    count = sum(t.numel() for t in model.exported().values())
    print(f"{len(entries)} entries, {sum(len(e.train) for e in entries)} questions, {count:,} parameters", flush=True)

    begun = time.time()
    if not args.ternary:
        warm_embeddings(model, examples, args.warm_steps, WARM_RATE)
    trainer = Trainer(model, examples, args)

    def report(step, loss):
        shares = held_out(model, entries, tokenizer, trainer.precision)
        print(f"step {step} {time.time() - begun:.0f} s loss {loss:.3f} held-out {shares}", flush=True)

    trainer.run(report)
    for matrix in model.matrices:
        matrix.share = 1.0
    shares = held_out(model, entries, tokenizer, lambda: torch.autocast("cpu", enabled=False))
    print(json.dumps({"parameters": count, "steps": args.steps, "seconds": round(time.time() - begun), "held-out": shares}))
    (export_ternary if args.ternary else export_all)(model, tokenizer, args.out)


if __name__ == "__main__":
    main()
