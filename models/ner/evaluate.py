"""F1 of whole names (group and both ends right), with transformers' pipeline, strategy `simple`: `python evaluate.py`."""

import argparse
from pathlib import Path

import torch
from transformers import pipeline

from generate import GROUPS, Generator

HERE = Path(__file__).resolve().parent


def handwritten():
    for line in (HERE / "handwritten.tsv").read_text(encoding="utf-8").splitlines():
        text, *names = line.split("\t")
        entities = []
        for name in names:
            group, spelled = name.split(":", 1)
            start = text.index(spelled)
            entities.append((start, start + len(spelled), group))
        yield text, entities


def generated(seed, count, **settings):
    generator = Generator(seed, noise=False, **settings)
    return [generator.sentence() for _ in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=HERE / "model")
    parser.add_argument("--wrong", type=int, default=0, help="how many wrong sentences of the held-out templates are shown")
    parser.add_argument("--quick", action="store_true", help="the held-out templates alone")
    args = parser.parse_args()
    torch.set_num_threads(1)
    tagger = pipeline("token-classification", model=str(args.model), aggregation_strategy="simple", dtype=torch.float32)
    hand = list(handwritten())
    sets = {
        "held-out templates, held-out names": generated(103, 600, test=True, held_out=True),
        "more held-out templates, held-out names": generated(104, 600, test=True, dev=True),
    }
    if not args.quick:
        sets = {
            "known templates, known names": generated(101, 600),
            "known templates, held-out names": generated(102, 600, test=True),
            **sets,
            "written by hand, first 30": hand[:30],
            "written by hand, other 50": hand[30:],
            "written by hand": hand,
        }
    left = args.wrong
    for name, examples in sets.items():
        right, found, wanted = {g: 0 for g in GROUPS}, {g: 0 for g in GROUPS}, {g: 0 for g in GROUPS}
        for (text, gold), answer in zip(examples, tagger([text for text, _ in examples], batch_size=32)):
            got = {(e["start"], e["end"], e["entity_group"]) for e in answer}
            for entity in gold:
                wanted[entity[2]] += 1
                right[entity[2]] += entity in got
            for entity in got:
                found[entity[2]] += 1
            if left and got != set(gold) and "held-out templates" in name:
                left -= 1
                print(text, [(text[s:e], g) for s, e, g in sorted(set(gold) - got)], "but", [(text[s:e], g) for s, e,
                    g in sorted(got - set(gold))])
        f1 = lambda r, f, w: 200 * r / max(f + w, 1)
        each = ", ".join(f"{g} {f1(right[g], found[g], wanted[g]):.1f}" for g in GROUPS)
        total = f1(sum(right.values()), sum(found.values()), sum(wanted.values()))
        print(f"{name}: F1 {total:.1f} ({each}), {len(examples)} sentences", flush=True)


if __name__ == "__main__":
    main()
