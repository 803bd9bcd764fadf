"""Sentences with their entities: (text, [(start, end, group), ...]), offsets in characters."""

import random
import re

import templates
from names import Names

SLOT = re.compile(r"\{(\w+)\}")
WORDS = {name: text.split() for name, text in templates.WORDS.items()}
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
        return self._noise(text, entities) if self.noise else (text, entities)

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
