"""BERT's tokenizer as sections of a weights file, made from the `tokenizers` package itself.

What the normalizer makes of a scalar depends on nothing around it, so that a table of all scalars holds it: lower case,
accents stripped, control characters dropped, in the very version of Unicode that the model was trained with.
"""

import re

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

KEEP, DROP, SPACE, PUNCTUATION, IDEOGRAPH, HANGUL, REPLACED = 0, 1, 2, 3, 4, 5, 8
MORE = 1 << 31
BLOCK = 128


def tokenizer(vocabulary):
    """The reference, without the special tokens that would be found in a text: a text must not close its own part."""
    model = models.WordPiece(
        {token: index for index, token in enumerate(vocabulary)}, unk_token="[UNK]", max_input_chars_per_word=100)
    reference = Tokenizer(model)
    reference.normalizer = normalizers.BertNormalizer()
    reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return reference


def kept(vocabulary):
    """The rows that a text can reach. `[unused12]` cannot: brackets separate words."""
    return [index for index, token in enumerate(vocabulary) if not re.fullmatch(r"\[(unused\d+|PAD|MASK)\]", token)]


def scalars():
    """Which block a stretch of scalars has, the kind of each scalar of a block, and the replacements."""
    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    pool, known = [], {}
    kinds = np.zeros(0x110000, np.uint16)
    for scalar in range(0x110000):
        if 0xD800 <= scalar < 0xE000:
            kinds[scalar] = DROP
            continue
        if 0xAC00 <= scalar < 0xD7A4:
            kinds[scalar] = HANGUL
            continue
        character = chr(scalar)
        normal = normalizer.normalize_str(character)
        if normal == "":
            kinds[scalar] = DROP
        elif normal.isspace():
            kinds[scalar] = SPACE
        elif normal == f" {character} ":
            kinds[scalar] = IDEOGRAPH
        elif normal == character:
            alone = len(splitter.pre_tokenize_str(f"a{character}a")) == 3
            kinds[scalar] = PUNCTUATION if alone else KEEP
        else:
            if normal not in known:
                known[normal] = len(pool)
                pool.extend(ord(part) | MORE for part in normal[:-1])
                pool.append(ord(normal[-1]))
            kinds[scalar] = REPLACED + known[normal]
    blocks, index = np.unique(kinds.reshape(-1, BLOCK), axis=0, return_inverse=True)
    return {
        "tokenizer.blocks": index.reshape(-1).astype(np.uint16),
        "tokenizer.kinds": blocks,
        "tokenizer.replacements": np.array(pool, np.uint32),
    }


def slots(tokens):
    """An open-addressing table of `index + 1`, at most half full; FNV-1a, folded."""
    count = 1 << max(4, (2 * len(tokens) - 1).bit_length())
    table = np.zeros(count, np.uint16)
    for index, token in enumerate(tokens):
        value = 0x811C9DC5
        for byte in token.encode():
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
        slot = (value ^ value >> 16) & (count - 1)
        while table[slot]:
            slot = (slot + 1) & (count - 1)
        table[slot] = index + 1
    return table


def sections(vocabulary):
    tokens = [vocabulary[index] for index in kept(vocabulary)]
    encoded = [token.encode() for token in tokens]
    return {
        "tokenizer.tokens": np.frombuffer(b"".join(encoded), np.uint8),
        "tokenizer.ends": np.cumsum([len(token) for token in encoded], dtype=np.uint32),
        "tokenizer.slots": slots(tokens),
    } | scalars()
