"""Pieces of texts that look worse or better than their texts are, and whole prompts, with what the encoder says of them.

    chunks.py --encoder encoder.pt --model model.safetensors --tokenizer tokenizer.json --data train.jsonl.gz \\
        --count 150000 --output chunks.jsonl [--prompts 70000] [--rows rows.jsonl.gz]

The judge takes runs of eight words out of a prompt and judges them as if they were alone (Excerpts.swift), and texts of
training sets do not tell what such a run is worth. Each line of the output is [text, what it is of its row (`piece`, `all`
that is one piece, or `prompt`), whether the row is unsafe, its set, the encoder's 16 logits]: convolution.py learns from it.
`--prompts` adds so many prompts in the framings, the harmless words and with the noise that the encoder learns from. `--rows`
writes rows for train.py beside it: pieces of harmless texts that the encoder is not sure are harmless, and pieces of harmful
ones that it is sure of.
One thread; the same arguments give the same pieces.
"""

import argparse
import gzip
import json
import random
import re

import torch

import data
from model import Encoder

WORDS, BATCH, LONGEST, LONGEST_PROMPT = 8, 64, 48, 96
END = re.compile(r"[.!?][\"')\]]*$")
# A capital opens a sentence too where the one before broke off: the words of Excerpts.swift.
OPENER = re.compile(
    r"\s*(How|What|Why|Where|When|Who|Which|How's|What's|Can|Could|Would|Should|Do|Does|Did|Don't|Is|Are|Was|Were|Write"
    r"|Give|Tell|Explain|Describe|Create|Make|Provide|Show|Help|List|Please|Teach|Suggest|Draft|Compose|Develop|Generate"
    r"|Design|Outline|Prepare|Say|Act|Pretend|Imagine|Answer|Ignore|Find|Get|Use|If|Let|You|We|They|He|She|It|I'm|I've|The"
    r"|This|That|These|There|My|Your|Our|His|Her|Their|A|An|In|On|For|With|As)(?!\S)"
)
# Hate has no harmless pieces by its text's label, and what a jailbroken model said may be harmful where it is labelled harmless.
NOT_MINED = {
    "edos_sexism", "hatemojibuild", "davidson_hate", "diasafety", "gptfuzz_responses", "made", "toxigen_seeds",
    "identity_templates_train", "gptfuzz_questions",
}


def pieces(text):
    """Runs of at most eight words that end with their sentence or line, as Excerpts.swift cuts them."""
    words = [match.span() for match in re.finditer(r"\S+", text)]
    found, start = [], 0
    for end in range(1, len(words) + 1):
        behind = text[words[end - 1][1] : words[end][0]] if end < len(words) else "\n"
        last = text[slice(*words[end - 1])]
        opens = last[0].islower() and last[-1].islower() and OPENER.match(text, words[end - 1][1])
        if not (END.search(last) or "\n" in behind or "\r" in behind or opens):
            continue
        place = start
        while place + WORDS < end:
            found.append((place, place + WORDS))
            place += WORDS // 2
        found.append((max(start, end - WORDS), end))
        start = end
    return [(text[words[a][0] : words[b - 1][1]], b - a == len(words)) for a, b in found]


def drawn(stream, count, chance):
    """Pieces of the texts of a stream, no text twice."""
    seen = set()
    while len(seen) < count:
        row = stream.draw()
        if row.task == "injection" or (row.reply is not None and row.unsafe):
            continue
        text = row.prompt
        # Harmless replies are prose that somebody may put around a request.
        if row.reply is not None and (chance.random() < 0.7 or row.set in NOT_MINED or "respon" in row.set):
            text = row.reply
        found = pieces(text[:6000]) if text else []
        for text, is_whole in chance.sample(found, min(len(found), 2)):
            if text.lower() in seen or len(text) > 300 or len(seen) == count:
                continue
            seen.add(text.lower())
            yield text, "all" if is_whole else "piece", row.unsafe, row.set


def prompts(stream, count):
    """Whole prompts. A long one is cut where it is harmless; of a harmful one nobody knows where the harm stands."""
    chance, found = stream.rng, 0
    while found < count:
        row = stream.draw()
        if row.task == "injection" or row.reply is not None:
            continue
        text, x = row.prompt, chance.random()
        if x < 0.1 and len(text) < 400:
            text = chance.choice(stream.wrappers).replace("{request}", text)
        elif x < 0.3:
            text, _ = stream.dilute(text, LONGEST_PROMPT)
        if chance.random() < 0.1:
            text = stream.noise(text)
        if len(stream.encoder.ids(text)) > LONGEST_PROMPT - 2:
            if row.unsafe:
                continue
            text = text[:350]
        found += 1
        yield text, "prompt", row.unsafe, row.set


def logits(encoder, examples):
    """The encoder's logits of each, read in batches of like length."""
    order = sorted(range(len(examples)), key=lambda index: len(examples[index]))
    result = [None] * len(examples)
    with torch.no_grad():
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            ids = torch.zeros(len(batch), max(len(examples[index]) for index in batch), dtype=torch.long)
            mask = torch.zeros_like(ids, dtype=torch.bool)
            for row, index in enumerate(batch):
                ids[row, : len(examples[index])] = torch.tensor(examples[index])
                mask[row, : len(examples[index])] = True
            for index, values in zip(batch, encoder(ids, torch.zeros_like(ids), mask).tolist()):
                result[index] = [round(value, 2) for value in values]
    return result


def mined(found):
    """Rows of the pieces that training texts say too little of."""
    for text, what, unsafe, name, values in found:
        if what != "piece" or name in NOT_MINED:
            continue
        if values[0] > 1.2 if unsafe else -1 < values[0] < 3 and len(text.split()) >= 4:
            yield {
                "set": "chunks_unsafe" if unsafe else "chunks_safe", "lang": "en", "kind": "prompt", "task": "content",
                "messages": [{"role": "user", "content": text}], "label": "unsafe" if unsafe else "safe",
                "categories": [], "quality": "bench" if unsafe else "weak",
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("encoder", "model", "tokenizer", "data", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rows")
    parser.add_argument("--count", type=int, default=150_000)
    parser.add_argument("--prompts", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tokens = data.Encoder(arguments.tokenizer)
    stream = data.Stream(
        list(data.read(arguments.data)), data.read_wrappers(data.WRITTEN), tokens, LONGEST, arguments.seed)
    encoder = Encoder(arguments.model)
    encoder.load_state_dict(torch.load(arguments.encoder, weights_only=True))
    encoder.eval()
    found = list(drawn(stream, arguments.count, random.Random(arguments.seed)))
    found += prompts(stream, arguments.prompts)
    values = logits(encoder, [
        tokens.encode(text, None, LONGEST_PROMPT if what == "prompt" else LONGEST)[0] for text, what, *_ in found])
    found = [[*piece, logit] for piece, logit in zip(found, values)]
    with open(arguments.output, "w", encoding="utf-8") as lines:
        for piece in found:
            lines.write(json.dumps(piece) + "\n")
    if arguments.rows:
        with gzip.open(arguments.rows, "wt", encoding="utf-8") as lines:
            for number, row in enumerate(mined(found)):
                lines.write(json.dumps({"id": f"chunks-{number}", **row}) + "\n")


if __name__ == "__main__":
    main()
