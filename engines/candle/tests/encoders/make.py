"""Makes the folders beside it and `golden.json`, what transformers computes with them: `python make.py`.

Made with torch 2.15, transformers 5.23, tokenizers 0.23.3, safetensors. Weights are random (one seed), wide enough for labels to differ from
token to token, and kept in float16; everything is computed in float32.
"""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import torch
import transformers as tf
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve().parent
warnings.filterwarnings("ignore")
tf.logging.set_verbosity_error()
TEXTS = [
    "Angela Merkel visited Paris in 2017.",
    "Jürgen Müller wohnt in Köln, nicht in Düsseldorf!",
    "The 🐻 and the 👨‍👩‍👧 live in 東京 (Tokyo).",
    "Cafe\u0301 Zo\u0308e opened; naïve résumé.",
    "Wolfgang  Amadeus\tMozart\nwas here - was he?",
    "unbelievable internationalization of Microsoft-Office",
    "a",
    "你好世界 Xi Jinping, Beijing",
]
LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "LOC"]
STRATEGIES = ["simple", "first", "average", "max"]


def wordpiece(lower, special=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=220, special_tokens=list(special), show_progress=False)
    tokenizer.train_from_iterator(TEXTS[:2] + TEXTS[3:7], trainer)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(s, tokenizer.token_to_id(s)) for s in ("[CLS]", "[SEP]")],
    )  # fmt: skip
    # Both are to be ignored by whoever reads long texts.
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding()
    return tokenizer, dict(unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]")


def bytelevel():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer, dict(unk_token="<unk>", cls_token="<s>", sep_token="</s>", pad_token="<pad>")


def save(name, model, config, tokenizer, kwargs, rename=lambda name: name, vocab_txt=False):
    """Writes a folder and gives model and tokenizer as read from it."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(sum(name.encode()))
    with torch.no_grad():
        for key, value in model.named_parameters():
            is_norm = "norm" in key.lower()
            value.copy_(torch.randn(value.shape) * (0.1 if is_norm or "bias" in key else 0.35) + (is_norm and "weight" in key))
            value.copy_(value.half().float())
    state = {rename(k): v.half().contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    about = json.loads(config.to_json_string())
    about["architectures"] = [type(model).__name__]
    (folder / "config.json").write_text(json.dumps(about, indent=1) + "\n")
    if vocab_txt:
        vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        (folder / "vocab.txt").write_text("\n".join(token for token, _ in vocabulary) + "\n", encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}) + "\n")
    else:
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    clean = Tokenizer.from_str(tokenizer.to_str())
    clean.no_truncation()
    clean.no_padding()
    return model.eval(), tf.PreTrainedTokenizerFast(tokenizer_object=clean, **kwargs)


SMALL = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40)
NAMED = dict(id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)})


def ner(model, tokenizer):
    answers = []
    for strategy in STRATEGIES:
        tagger = tf.pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy=strategy)
        for text in TEXTS:
            names = [[e["entity_group"], float(e["score"]), e["start"], e["end"]] for e in tagger(text)]
            answers.append({"strategy": strategy, "text": text, "entities": names})
    return answers


def states(model, tokenizer, text, types):
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        return ids, model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].numpy()


def unit(vector):
    return (vector / np.linalg.norm(vector)).tolist()


def rerank(model, tokenizer, types):
    answers = []
    for text in TEXTS:
        encoded = tokenizer(TEXTS[0], text, return_token_type_ids=types, return_tensors="pt")
        encoded.pop("token_type_ids", None) if not types else None
        with torch.no_grad():
            logits = model(**encoded).logits[0]
        score = torch.sigmoid(logits[0]) if len(logits) == 1 else torch.softmax(logits, 0)[1]
        answers.append({"query": TEXTS[0], "document": text, "score": score.item(), "tokens": encoded["input_ids"].shape[1]})
    return answers


def modern(tokenizer, **more):
    return tf.ModernBertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=24, num_hidden_layers=4, num_attention_heads=3,
        intermediate_size=40, max_position_embeddings=96, local_attention=8, global_attn_every_n_layers=3,
        pad_token_id=0, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3, **more,
    )  # fmt: skip


def main():
    golden = {}
    cased, cased_names = wordpiece(False)
    lower, lower_names = wordpiece(True)
    bpe, bpe_names = bytelevel()
    old = lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    config = tf.BertConfig(vocab_size=cased.get_vocab_size(), max_position_embeddings=64, **SMALL, **NAMED)
    golden["ner-bert"] = ner(*save("ner-bert", tf.BertForTokenClassification(config), config, cased, cased_names, old))
    config = tf.DistilBertConfig(
        vocab_size=lower.get_vocab_size(), max_position_embeddings=64, dim=24, n_layers=2, n_heads=3, hidden_dim=40, **NAMED
    )
    golden["ner-distilbert"] = ner(*save("ner-distilbert", tf.DistilBertForTokenClassification(config), config, lower, lower_names))
    config = tf.RobertaConfig(
        vocab_size=bpe.get_vocab_size(), max_position_embeddings=80, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5,
        bos_token_id=0, eos_token_id=2, **SMALL, **NAMED,
    )  # fmt: skip
    golden["ner-roberta"] = ner(*save("ner-roberta", tf.RobertaForTokenClassification(config), config, bpe, bpe_names))
    config = modern(cased, **NAMED)
    golden["ner-modernbert"] = ner(*save("ner-modernbert", tf.ModernBertForTokenClassification(config), config, cased, cased_names))

    config = tf.BertConfig(vocab_size=lower.get_vocab_size(), max_position_embeddings=64, **SMALL)
    model, tokenizer = save("embed-bert", tf.BertModel(config), config, lower, lower_names, vocab_txt=True)
    golden["embed-bert"] = [{"text": t, "vector": unit(states(model, tokenizer, t, True)[1].mean(0))} for t in TEXTS]

    config = tf.MPNetConfig(vocab_size=cased.get_vocab_size(), max_position_embeddings=66, pad_token_id=1, bos_token_id=2, eos_token_id=3, **SMALL)
    # Padding is token 1 in every MPNet; positions are counted around it.
    padded, names = wordpiece(False, ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"))
    model, tokenizer = save("embed-mpnet", tf.MPNetModel(config), config, padded, names)
    folder = HERE / "embed-mpnet"
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Normalize", "3_Normalize")]
    modules = [{"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{k}"} for i, (k, p) in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(modules) + "\n")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 61, "do_lower_case": false}\n')
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 24, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling) + "\n")
    (folder / "2_Dense").mkdir()
    about = {"in_features": 48, "out_features": 10, "bias": True, "activation_function": "torch.nn.modules.activation.Tanh"}
    (folder / "2_Dense/config.json").write_text(json.dumps(about) + "\n")
    dense = {"linear.weight": torch.randn(10, 48) * 0.2, "linear.bias": torch.randn(10) * 0.2}
    save_file(dense, folder / "2_Dense/model.safetensors")
    answers = []
    for text in TEXTS:
        _, s = states(model, tokenizer, text, False)
        pooled = torch.tensor(np.concatenate([s[0], s.mean(0)]))
        answers.append({"text": text, "vector": unit(torch.tanh(dense["linear.weight"] @ pooled + dense["linear.bias"]).numpy())})
    golden["embed-mpnet"] = answers

    config = modern(cased)
    model, tokenizer = save("embed-modernbert", tf.ModernBertModel(config), config, cased, cased_names)
    golden["embed-modernbert"] = [{"text": t, "vector": unit(states(model, tokenizer, t, False)[1].mean(0))} for t in TEXTS]

    config = tf.BertConfig(vocab_size=lower.get_vocab_size(), max_position_embeddings=96, num_labels=1, **SMALL)
    golden["rerank-bert"] = rerank(*save("rerank-bert", tf.BertForSequenceClassification(config), config, lower, lower_names), True)
    config = tf.XLMRobertaConfig(
        vocab_size=bpe.get_vocab_size(), max_position_embeddings=140, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5,
        bos_token_id=0, eos_token_id=2, num_labels=1, **SMALL,
    )  # fmt: skip
    golden["rerank-xlmroberta"] = rerank(*save("rerank-xlmroberta", tf.XLMRobertaForSequenceClassification(config), config, bpe, bpe_names), False)
    config = modern(cased, num_labels=2, classifier_pooling="mean")
    golden["rerank-modernbert"] = rerank(*save("rerank-modernbert", tf.ModernBertForSequenceClassification(config), config, cased, cased_names), False)
    (HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
