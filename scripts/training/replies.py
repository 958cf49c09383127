"""Moves how the encoder reads replies towards how it reads prompts, and teaches it that a refusal is harmless, whatever it
answers; the state dict that it writes is what export.py reads.

    replies.py --model model.safetensors --tokenizer tokenizer.json --data train.jsonl.gz --start encoder.pt --minutes 21 \\
        --rate 4e-5 --output replies.pt [--towards-prompts 0.5] [--frozen 4] [--workers 2]

The type of a reply's tokens is moved so far towards that of a prompt's, of which training has many more that are harmful.
Refusals are put together from the lines of `written/refusals.txt`, to harmful prompts and a few harmless ones. Of every other
example the target is what the encoder says at the start, so that it stays what it was: labels have no say.
"""

import os

import torch
import torch.multiprocessing as processes
import torch.nn.functional as F

import data
from model import Encoder
from train import LONGEST, Labels, learn, parser_of, tensors

# Of the examples so many are replies, and of these so many refusals.
REPLIES, REFUSALS = 0.5, 0.35
# What is to be said of a refusal, or less.
HARMLESS = -3.6
# A prompt counts more than a reply: of prompts nothing is to change.
PROMPT_WEIGHT = 2.0
# A logit beyond this is as good as one at it.
FAR = 7.0


class Stream(data.Stream):
    """As many replies as are asked for among the examples, refusals among them."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.lines = {}
        with open(os.path.join(data.WRITTEN, "refusals.txt"), encoding="utf-8") as lines:
            for line in lines:
                kind, text = line.rstrip("\n").split("\t")
                self.lines.setdefault(kind, []).append(text)
        self.is_refusal = False

    def draw(self):
        self.is_refusal = False
        wanted = self.rng.random() < REPLIES
        if wanted and self.rng.random() < REFUSALS:
            self.is_refusal = True
            return self.refusal()
        while True:
            row = super().draw()
            if (row.reply is not None) == wanted:
                return row

    def refusal(self):
        row, chance = data.Row(), self.rng
        row.set, row.task, row.kind, row.quality = "made", "content", "response", "bench"
        row.unsafe, row.hazards = False, []
        row.prompt = chance.choice(self.harmful) if chance.random() < 0.85 else chance.choice(self.everyday)
        row.reply = self.refusing().replace("{request}", row.prompt)
        return row

    def refusing(self):
        pick, kind = (lambda name: self.rng.choice(self.lines[name])), self.rng.random()
        if kind < 0.25:
            return pick("short")
        if kind < 0.45:
            return pick("scold") + (" " + pick("offer") if self.rng.random() < 0.3 else "")
        text = pick("open")
        for name, often in (("why", 0.7), ("why", 0.2), ("scold", 0.15), ("offer", 0.5), ("offer", 0.2)):
            if self.rng.random() < often:
                line = pick(name)
                text += "" if line in text else ("\n\n" if self.rng.random() < 0.15 else " ") + line
        return text

    def example(self):
        ids, types, _, _ = super().example()
        return ids, types, [float(self.is_refusal)], [0.0]


class Replies(Labels):
    """The encoder as it was, but for refusals. Nothing is dropped: what stays is to stay as it is."""

    decay = 0.0

    def __init__(self, arguments, seed):
        super().__init__(arguments, seed)
        self.net.eval()
        self.teacher = self.encoder(arguments).eval()
        # The unsafe logit is what is taught; the others are not to drift.
        self.importance = torch.tensor([1.0] + [0.08] * 15)

    def stream_of(self, rows, arguments, seed):
        return Stream(rows, data.read_wrappers(data.WRITTEN), data.Encoder(arguments.tokenizer), LONGEST, seed)

    def encoder(self, arguments):
        net = Encoder(arguments.model, drop=0)
        state = torch.load(arguments.start, weights_only=True)
        types = state["types.weight"]
        types[1] += arguments.towards_prompts * (types[0] - types[1])
        net.load_state_dict(state)
        return net

    def loss(self, batch):
        ids, types, mask, refusals, _ = tensors(batch)
        refusals, replies = refusals[:, 0] > 0, types.any(1)
        with torch.no_grad():
            targets = self.teacher(ids, types, mask)
        targets[refusals, 0] = targets[refusals, 0].clamp(max=HARMLESS)
        wrong = F.smooth_l1_loss(self.net(ids, types, mask), targets.clamp(-FAR, FAR), reduction="none")
        return ((wrong * self.importance).sum(1) * torch.where(replies, 1.0, PROMPT_WEIGHT)).sum() / len(batch)


def main():
    parser = parser_of(__doc__, minutes=21, rate=4e-5, frozen=4)
    parser.add_argument("--towards-prompts", type=float, default=0.5)
    arguments = parser.parse_args()
    processes.spawn(learn, (arguments, Replies), nprocs=arguments.workers)


if __name__ == "__main__":
    main()
