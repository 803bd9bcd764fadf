"""Trains the built-in NER model from nothing: `python train.py` writes `model/`, and `python train.py --further` goes on with it.

One seed, one thread: the same file again on the same machine and versions (torch 2.15, transformers 5.24, tokenizers 0.23).
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForTokenClassification

from generate import GROUPS, Generator

HERE = Path(__file__).resolve().parent
LABELS = ["O"] + [f"{prefix}-{group}" for group in GROUPS for prefix in "BI"]
VOCABULARY, LENGTH, HIDDEN, LAYERS, HEADS = 3600, 128, 160, 4, 5


def make_tokenizer(seed):
    """A cased WordPiece vocabulary, so small that many names are seen in pieces, of the generated sentences and of the guide's questions and answers."""
    generator = Generator(seed)
    sentences = [generator.sentence()[0] for _ in range(60000)]
    for path in sorted((HERE.parent / "guide/corpus").glob("*.qa")):
        sentences += path.read_text(encoding="utf-8").splitlines()
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    letters = [chr(c) for c in range(33,
        127)] + list("äöüßÄÖÜéèêëáàâåãæçíìîïñóòôõøœúùûýÿşğıčšžćłńśźżřěůÉÁÓÍÇØÅŞÖŁŚŽČ–—“”‘’…€£")
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        initial_alphabet=letters, limit_alphabet=220, min_frequency=3, show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.decoder = decoders.WordPiece()
    special = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    return tokenizer


def labels_of(encoding, entities):
    """The label of each token; special ones are ignored."""
    labels = []
    for start, end in encoding.offsets:
        if start == end:
            labels.append(-100)
            continue
        entity = next((e for e in entities if e[0] <= start < e[1]), None)
        labels.append(0 if entity is None else LABELS.index(f"{'B' if start == entity[0] else 'I'}-{entity[2]}"))
    return labels


def batches(tokenizer, rng, size, seed, further):
    """Batches without end, of texts of much the same length. Some pieces become [UNK], so that unknown ones are no surprise."""
    generator = Generator(seed, further=further)
    while True:
        texts = [generator.text(2) for _ in range(size * 16)]
        each = sorted(zip(tokenizer.encode_batch([text for text, _ in texts]), texts), key=lambda one: len(one[0].ids))
        starts = list(range(0, len(each) - size + 1, size))
        rng.shuffle(starts)
        for start in starts:
            yield batch(each[start : start + size], rng)


def batch(examples, rng):
    size, longest = len(examples), min(max(len(encoding.ids) for encoding, _ in examples), LENGTH)
    ids = torch.zeros(size, longest, dtype=torch.long)
    mask, target = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (encoding, (_, entities)) in enumerate(examples):
        n = min(len(encoding.ids), longest)
        ids[row, :n] = torch.tensor(encoding.ids[:n])
        mask[row, :n] = 1
        target[row, :n] = torch.tensor(labels_of(encoding, entities)[:n])
    drop = torch.tensor([rng.random() < 0.04 for _ in range(ids.numel())]).view_as(ids) & (ids > 4)
    ids[drop] = 1
    # Sentences alone are short; every position has to be learnt, as windows of long texts are full.
    shift = rng.randrange(LENGTH - longest + 1) if rng.random() < 0.5 else 0
    return ids, mask, target, torch.arange(shift, shift + longest).expand(size, -1)


def look_at_neighbours(model):
    """Positions begin as waves, and some heads of the lower layers look at the tokens next to them.

    That the pieces of a word go together is the first thing to learn; this way it need not be found out.
    """
    waves = HIDDEN // HEADS // 2
    speeds = torch.linspace(0.05, 2.9, waves)
    embeddings = model.bert.embeddings
    with torch.no_grad():
        torch.nn.init.normal_(embeddings.word_embeddings.weight, std=0.05)
        embeddings.word_embeddings.weight[:, : 2 * waves] = 0
        angles = torch.arange(LENGTH)[:, None] * speeds
        embeddings.position_embeddings.weight.zero_()
        embeddings.position_embeddings.weight[:, 0 : 2 * waves : 2] = 0.07 * angles.sin()
        embeddings.position_embeddings.weight[:, 1 : 2 * waves : 2] = 0.07 * angles.cos()
        for layer, places in enumerate([(-1, 1, -2, 2), (-1, 1, -3), (-1, 1)]):
            attention = model.bert.encoder.layer[layer].attention.self
            for head, place in enumerate(places):
                rows = slice(head * 2 * waves, (head + 1) * 2 * waves)
                attention.query.weight[rows] = 0
                attention.key.weight[rows] = 0
                for i, speed in enumerate(speeds):
                    sin, cos, row = (speed * place).sin(), (speed * place).cos(), rows.start + 2 * i
                    attention.key.weight[row, 2 * i] = attention.key.weight[row + 1, 2 * i + 1] = 1
                    attention.query.weight[row, 2 * i], attention.query.weight[row, 2 * i + 1] = cos, sin
                    attention.query.weight[row + 1, 2 * i], attention.query.weight[row + 1, 2 * i + 1] = -sin, cos


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--further", action="store_true", help="go on with the model that is there, on more templates")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=HERE / "model")
    args = parser.parse_args()
    steps, rate, warm = (args.steps or 1700, 5e-4, 0.1) if args.further else (args.steps or 7500, 1.2e-3, 0.06)
    # Two threads wait more for each other than they save in matrices this small.
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    tokenizer = Tokenizer.from_file(str(args.out / "tokenizer.json")) if args.further else make_tokenizer(args.seed)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN, max_position_embeddings=LENGTH, hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.0,
        type_vocab_size=2, pad_token_id=0,
        id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)}, initializer_range=0.05,
    )  # fmt: skip
    model = BertForTokenClassification(config).train()
    if args.further:
        model.load_state_dict({name: t.float() for name, t in load_file(args.out / "model.safetensors").items()}, strict=False)
    else:
        look_at_neighbours(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=warm)
    data = batches(tokenizer, rng, 16, args.seed + (100 if args.further else 1), args.further)
    began = time.time()
    for step, (ids, mask, target, positions) in zip(range(steps), data):
        loss = model(input_ids=ids, attention_mask=mask, labels=target, position_ids=positions).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == steps - 1:
            print(f"step {step} loss {loss.item():.4f} {time.time() - began:.0f} s", flush=True)
    args.out.mkdir(exist_ok=True)
    tokenizer.save(str(args.out / "tokenizer.json"))
    weights = {name: t.detach().half().contiguous() for name, t in model.state_dict().items() if "position_ids" not in name}
    save_file(weights, args.out / "model.safetensors", metadata={"format": "pt"})
    about = {
        "architectures": ["BertForTokenClassification"], "model_type": "bert", "hidden_act": "gelu",
        "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": 4 * HIDDEN,
        "max_position_embeddings": LENGTH, "type_vocab_size": 2, "vocab_size": config.vocab_size,
        "layer_norm_eps": 1e-12, "pad_token_id": 0,
        "id2label": {str(i): label for i, label in enumerate(LABELS)},
        "label2id": {label: i for i, label in enumerate(LABELS)},
    }  # fmt: skip
    (args.out / "config.json").write_text(json.dumps(about, indent=2) + "\n")
    settings = {"do_lower_case": False, "model_max_length": LENGTH, "tokenizer_class": "BertTokenizer"}
    (args.out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


if __name__ == "__main__":
    main()
