"""Tiny BLIPs with random weights, and what transformers computes with them.

    python make.py        writes captions/, answers/ and golden.json beside this file

Versions: torch 2.15.0, transformers 5.23.0, tokenizers as transformers brings it, pillow 13.0.0.
"""

import json
import pathlib

import numpy
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForQuestionAnswering,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

HERE = pathlib.Path(__file__).parent
SIZE = 32
WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] [ENC] a b c d e f g h ##a ##b ##c ##d ##e ##s ##ing the picture photo of cat dog "
    "two on is are how many what red blue sit sleep and in grass ? . , ' ##' house tree black white"
).split()
PROMPTS = [None, "a photo of", "The DOG, sleeping"]
QUESTIONS = ["how many cats are in the picture?", "what is red"]


def tokenizer():
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    tok = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=True)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.decoder = decoders.WordPiece()
    cls, sep = vocabulary["[CLS]"], vocabulary["[SEP]"]
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    tok.add_special_tokens(WORDS[:7])
    return tok


def config():
    return BlipConfig(
        vision_config=dict(
            hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=SIZE, patch_size=8
        ),
        text_config=dict(
            vocab_size=len(WORDS), hidden_size=24, encoder_hidden_size=24, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=32, bos_token_id=WORDS.index("[DEC]"),
            sep_token_id=WORDS.index("[SEP]"), pad_token_id=0, eos_token_id=WORDS.index("[SEP]"),
        ),
    )


def model(kind, seed):
    torch.manual_seed(seed)
    net = kind(config()).eval()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "norm" in name.lower() and name.endswith("weight"):
                weight.copy_(1 + 0.2 * torch.randn_like(weight))
            else:
                weight.copy_(torch.randn_like(weight) * (0.1 if name.endswith("bias") else 0.35))
    return net


def save(net, name):
    folder = HERE / name
    net.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokenizer().save(str(folder / "tokenizer.json"))
    preprocessor = {
        "do_normalize": True, "do_resize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": {"height": SIZE, "width": SIZE},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=2) + "\n")
    return folder


def main():
    tok = BertTokenizerFast(tokenizer_object=tokenizer(), pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]")
    # One that shrinks, one that grows and shrinks: noise, which shows every weight of the filter.
    rng = numpy.random.default_rng(7)
    images = [rng.integers(0, 256, (h, w, 3), dtype=numpy.uint8) for h, w in [(45, 61), (90, 20)]]
    process = BlipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    pixels = [process(Image.fromarray(image), return_tensors="pt")["pixel_values"] for image in images]
    golden = {
        "images": [
            {"width": i.shape[1], "height": i.shape[0], "rgb": i.tobytes().hex(), "pixels": p.flatten().tolist()}
            for i, p in zip(images, pixels)
        ],
        "captions": [],
        "answers": [],
    }
    net = model(BlipForConditionalGeneration, 1)
    save(net, "captions")
    for index, pixel in enumerate(pixels):
        for prompt in PROMPTS:
            with torch.no_grad():
                seen = net.vision_model(pixel_values=pixel)[0]
                ids = None if prompt is None else tok(prompt, return_tensors="pt")["input_ids"]
                given = torch.tensor([[net.config.text_config.bos_token_id]])
                if ids is not None:
                    given = ids[:, :-1].clone()
                    given[:, 0] = net.config.text_config.bos_token_id
                logits = net.text_decoder(given, encoder_hidden_states=seen).logits[0, -1]
                out = net.generate(pixel_values=pixel, input_ids=ids, do_sample=False, num_beams=1, max_new_tokens=9)
            new = out[0].tolist()
            golden["captions"].append({
                "image": index, "prompt": prompt, "tower": seen[0, :3].flatten().tolist(), "logits": logits.tolist(),
                "tokens": new, "given": given.shape[1], "text": tok.decode(new, skip_special_tokens=True),
            })
    net = model(BlipForQuestionAnswering, 2)
    save(net, "answers")
    for index, pixel in enumerate(pixels):
        for question in QUESTIONS:
            ids = tok(question, return_tensors="pt")["input_ids"]
            with torch.no_grad():
                seen = net.vision_model(pixel_values=pixel)[0]
                read = net.text_encoder(input_ids=ids, encoder_hidden_states=seen)[0]
                bos = torch.tensor([[net.config.text_config.bos_token_id]])
                logits = net.text_decoder(bos, encoder_hidden_states=read).logits[0, -1]
                out = net.generate(input_ids=ids, pixel_values=pixel, do_sample=False, num_beams=1, max_new_tokens=9)
            new = out[0].tolist()
            golden["answers"].append({
                "image": index, "question": question, "logits": logits.tolist(), "tokens": new,
                "text": tok.decode(new, skip_special_tokens=True),
            })
    rounded = json.loads(json.dumps(golden), parse_float=lambda text: round(float(text), 6))
    (HERE / "golden.json").write_text(json.dumps(rounded) + "\n")


main()
