"""Sentences with their entities: (text, [(start, end, group), ...]), offsets in characters."""

import random
import re
from pathlib import Path

import templates
from names import Names

SLOT = re.compile(r"\{(\w+)\}")
WORDS = {name: text.split() for name, text in templates.WORDS.items()}
BETWEEN = re.compile(r"[a-z]+")
CORPUS = Path(__file__).resolve().parent.parent / "guide/corpus"
# Words that are no names, as often as the guide's questions and answers have them.
COMMON = sorted(word for path in CORPUS.glob("*.qa") for word in re.findall(r"(?<= )[a-z]{2,}(?= )", path.read_text("utf-8")))
GROUPS = ["MISC", "PER", "ORG", "LOC"]


class Generator:
    """Draws sentences without end. `test` takes held-out names, `held_out` held-out templates."""

    def __init__(self, seed: int, test: bool = False, held_out: bool = False, noise: bool = True):
        self.rng = random.Random(seed)
        self.names = Names(self.rng, test)
        self.templates = templates.HELD_OUT if held_out else templates.TRAIN
        self.negatives = 0.0 if held_out else 0.22
        self.noise = noise

    def sentence(self):
        negative = self.rng.random() < self.negatives
        template = self.rng.choice(templates.NEGATIVE if negative else self.templates)
        text, entities, at = "", [], 0
        for slot in SLOT.finditer(template):
            text += template[at : slot.start()]
            name = slot[1]
            if name in WORDS:
                text += self.rng.choice(WORDS[name]).replace("_", " ")
            else:
                filled = getattr(self.names, name)()
                group = "MISC" if name == "ADJ" else name
                entities.append((len(text), len(text) + len(filled), group))
                text += filled
            at = slot.end()
        text += template[at:]
        if text[0].islower():
            text = text[0].upper() + text[1:]
        return self._noise(*self._blur(text, entities)) if self.noise else (text, entities)

    def _blur(self, text, entities):
        """Half of the sentences lose and swap words around the names, so that templates are not learnt by heart."""
        if self.rng.random() < 0.5:
            return text, entities
        rate = self.rng.choice([0.1, 0.2, 0.4])
        out, found, at = "", [], 0
        for start, end, group in [*entities, (len(text), len(text), None)]:
            out += BETWEEN.sub(lambda word: self._word(word[0], rate), text[at:start])
            if group:
                found.append((len(out), len(out) + end - start, group))
                out += text[start:end]
            at = end
        if not out.strip():
            return text, entities
        return out, found

    def _word(self, word, rate):
        kind = self.rng.random()
        if kind > rate:
            return word
        return "" if kind < rate / 3 else self.rng.choice(COMMON)

    def _noise(self, text, entities):
        kind = self.rng.random()
        if kind < 0.08 and len(text.lower()) == len(text):
            text = text.lower()
        elif kind < 0.11 and len(text.upper()) == len(text):
            text = text.upper()
        elif kind < 0.15 and text.endswith("."):
            text = text[:-1]
        return text, entities

    def text(self, most: int):
        """Up to `most` sentences behind each other."""
        text, entities = self.sentence()
        for _ in range(self.rng.randrange(most)):
            more, found = self.sentence()
            joint = self.rng.choice([" ", " ", " ", "\n"])
            shift = len(text) + len(joint)
            text += joint + more
            entities += [(start + shift, end + shift, group) for start, end, group in found]
        return text, entities
