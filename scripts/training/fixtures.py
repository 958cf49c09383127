"""Writes Tests/Fixtures/encoder: a tiny random model, what the reference tokenizer makes of thousands of strings with
its vocabulary, and its logits in PyTorch and in integers.

    fixtures.py --vocabulary vocab.txt --output Tests/Fixtures/encoder

Everything random is seeded; the strings are sentences below and characters drawn by chance.
"""

import argparse
import json
import os
import random

import numpy as np

import export
import quantise
import weights_file
import wordpiece

LAYERS, HIDDEN, INNER, POSITIONS, TOKENS = 2, 64, 96, 128, 900
PROJECTED, CHANNELS, FEATURES = 16, 32, 8

SENTENCES = """
The quick brown fox jumps over the lazy dog.
Isn't it nice? Yes — it's *very* nice; I'd say so!
HELLO World, MiXeD CaSe and 3.14159, 1,000,000 or 12:30pm.
Où est la bibliothèque? À côté de l'école, près du café.
Größe, Straße und Übermut: Äpfel und Öl.
¿Dónde está el niño? ¡Mañana será otro día!
Ça va? Não, obrigado. Żółć, łódź, čeština, ő, ű, İstanbul, ığdır.
Где находится библиотека? Ёлка, йод и подъезд.
Πού είναι η βιβλιοθήκη; ΟΔΥΣΣΕΥΣ, ὀδύσσεια, ᾳ.
図書館はどこですか。ガギグゲゴ、パピプペポ、ｶﾞｷﾞ。
图书馆在哪里？我想喝一杯咖啡。
도서관은 어디에 있습니까? 한국어와 커피.
أين المكتبة؟ مَرْحَبًا بِكُم.
איפה הספרייה? שָׁלוֹם.
पुस्तकालय कहाँ है? नमस्ते दुनिया।
ห้องสมุดอยู่ที่ไหน
Thư viện ở đâu? Tiếng Việt có dấu.
def f(x):\n\treturn {"a": x[0] ** 2}  # $5 & 10% <tag/> a_b-c~d^e`f|g
[CLS] [SEP] [MASK] [UNK] [PAD] [unused5] ##ing
😀👍🏽 👩‍👩‍👧‍👦 🇫🇷 ❤️ ✨ ☃ № ½ ² ™ ﬁ ﬂ Ⅳ ℃ Å Å
https://example.org/path?q=1&r=2#top user@example.org
supercalifragilisticexpialidocious antidisestablishmentarianism unbelievably
""".strip().splitlines()

RANGES = [
    (0x00, 0x7F), (0x20, 0x7E), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0x97F),
    (0xE00, 0xE7F), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x214F), (0x3000, 0x30FF), (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFE00, 0xFFFD), (0x1F300, 0x1F64F), (0x2F800, 0x2FA1D), (0x1D400, 0x1D7FF),
    (0x00, 0x10FFFF),
]


def strings(chance):
    found = ["", " ", "\n\t ", "a" * 100, "a" * 101, "x" + "é" * 99, "y" + "é" * 100, "b " + "q" * 300 + "! c"]
    found += ["\u0000a\ufffdb", *SENTENCES]
    words = [word for sentence in SENTENCES for word in sentence.split()]
    for _ in range(900):
        between = chance.choice([" ", "  ", "", "-", "\u00a0", "\u200b"])
        found.append(between.join(chance.choices(words, k=chance.randint(1, 3))))
    while len(found) < 3_000:
        low, high = chance.choice(RANGES)
        scalars = [chance.randint(low, high) for _ in range(chance.randint(1, 8))]
        text = "".join(chr(scalar) for scalar in scalars if not 0xD800 <= scalar < 0xE000)
        if chance.random() < 0.3:
            text = "".join(part + chance.choice(["\u0301", "\u0327", " ", "a", "Z", "."]) for part in text)
        found.append(text)
    return found


def small_vocabulary(vocabulary, chance):
    """Special tokens, characters of all kinds, and pieces drawn by chance."""
    special = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [token for token in vocabulary if len(token.removeprefix("##")) == 1]
    ascii_ = [token for token in letters if token.isascii()]
    others = chance.sample([token for token in letters if not token.isascii()], 350)
    longer = [token for token in vocabulary if len(token.removeprefix("##")) > 1 and token[0] != "["]
    pieces = [token for token in longer if token.isascii()]
    rest = chance.sample(pieces, TOKENS - len(special) - len(ascii_) - len(others))
    return special + ascii_ + others + rest


def tiny_state(tokens, draw):
    def normal(*shape, scale=1.0, around=0.0):
        return (around + scale * draw.standard_normal(shape)).astype(np.float32)

    state = {
        "words.weight": normal(tokens, HIDDEN), "positions.weight": normal(POSITIONS, HIDDEN, scale=0.3),
        "types.weight": normal(2, HIDDEN, scale=0.5), "head1.weight": normal(HIDDEN, 2 * HIDDEN, scale=0.1),
        "head1.bias": normal(HIDDEN, scale=0.1), "head2.weight": normal(16, HIDDEN, scale=0.3),
        "head2.bias": normal(16, scale=0.1),
    }
    norms = ["norm"] + [f"layers.{layer}.norm{index}" for layer in range(LAYERS) for index in (1, 2)]
    for name in norms:
        state |= {f"{name}.weight": normal(HIDDEN, scale=0.1, around=1), f"{name}.bias": normal(HIDDEN, scale=0.1)}
    for layer in range(LAYERS):
        for name, outputs, inputs in (
            ("qkv", 3 * HIDDEN, HIDDEN), ("out", HIDDEN, HIDDEN), ("up", INNER, HIDDEN), ("down", HIDDEN, INNER)
        ):
            state[f"layers.{layer}.{name}.weight"] = normal(outputs, inputs, scale=inputs**-0.5)
            state[f"layers.{layer}.{name}.bias"] = normal(outputs, scale=0.1)
    return state


def tiny_convolution(draw):
    def normal(*shape, scale):
        return (scale * draw.standard_normal(shape)).astype(np.float32)

    state = {"types.weight": normal(2, PROJECTED, scale=0.5)}
    for name, *shape in (
        ("project", PROJECTED, HIDDEN), ("first", CHANNELS, PROJECTED, 5), ("second", CHANNELS, CHANNELS, 3),
        ("head1", FEATURES, 2 * CHANNELS), ("head2", 16, FEATURES),
    ):
        state[f"{name}.weight"] = normal(*shape, scale=float(np.prod(shape[1:])) ** -0.5)
        state[f"{name}.bias"] = normal(shape[0], scale=0.1)
    return state


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", required=True)
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()
    chance = random.Random(1)
    with open(arguments.vocabulary, encoding="utf-8") as source:
        vocabulary = small_vocabulary(source.read().splitlines(), chance)
    state = tiny_state(len(vocabulary), np.random.default_rng(1))
    found, encoder = export.build(state, vocabulary)
    convolution = tiny_convolution(np.random.default_rng(2))
    found |= quantise.convolution_sections(convolution)
    metadata = {
        "name": "tiny", "version": "1", "encoder": encoder, "convolution": quantise.convolution_sizes(convolution),
    }
    os.makedirs(arguments.output, exist_ok=True)
    path = os.path.join(arguments.output, "tiny.weights")
    print(weights_file.write(path, metadata, found), "bytes")

    reference = wordpiece.tokenizer(vocabulary)

    def dump(name, values):
        with open(os.path.join(arguments.output, name), "w", encoding="utf-8") as output:
            for value in values:
                output.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")

    def ids_of(text):
        return export.renumbered(vocabulary, reference.encode(text).ids).astype(int).tolist()

    dump("tokens.jsonl", ([text, ids_of(text)] for text in strings(chance)))
    integers, rows = quantise.Integers(found), []
    for judged, answered in ((0, 0), (1, 0), (3, 2), (2, 16), (17, 0), (11, 19), (21, 1)):
        text, context = SENTENCES[judged], SENTENCES[answered] if answered else None
        ids, types = export.parts(reference, text, context)
        exact = quantise.reference(state, ids, types)
        close = integers.logits(export.renumbered(vocabulary, ids), types)
        look = integers.convolution(export.renumbered(vocabulary, ids), types)
        exactly = quantise.convolution_reference(state, convolution, ids, types)
        rows.append({"text": text, "context": context} | {
            name: [round(float(x), 5) for x in logits]
            for name, logits in (
                ("float", exact), ("integer", close), ("look_float", exactly), ("look_integer", look))
        })
        print(f"{len(ids)} tokens: logits {np.abs(exact).mean():.3f}, deviation {np.abs(exact - close).max():.3f}")
    dump("logits.jsonl", rows)


if __name__ == "__main__":
    main()
