"""Trains the convolutional network that looks before the encoder reads; export.py takes the state dict that it writes.

    convolution.py --encoder encoder.pt --model model.safetensors --tokenizer tokenizer.json --data train.jsonl.gz \\
        --output convolution.pt [--start earlier.pt] [--chunks chunks.jsonl]

Its words are the rows of the encoder's table, which stay as they are: train it anew where the encoder's words change, and
only then. Examples are drawn from the same stream as the encoder's (data.py), and each is seen `--epochs` times; pieces of
texts and prompts (chunks.py) come to them with what the encoder says as their target. One thread; the same arguments give the
same network.
"""

import argparse
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F

import data
from chunks import NOT_MINED
from model import Convolution, Encoder
from train import LONGEST, tensors

BATCH_TOKENS, POOL = 4096, 2048


def drawn(arguments):
    """Examples, packed: a list of as many tuples takes ten times the memory."""
    rows = list(data.read(arguments.data))
    stream = data.Stream(
        rows, data.read_wrappers(data.WRITTEN), data.Encoder(arguments.tokenizer), LONGEST, arguments.seed)
    for _ in range(arguments.examples):
        ids, types, targets, weights = stream.example()
        yield (
            np.array(ids, np.uint16), np.array(types, np.uint8), np.array(targets, np.float32),
            np.array(weights, np.float32))


def taught(arguments):
    """Pieces of texts and whole prompts, packed. A piece of a harmful text is as harmful as the encoder says; that of a
    harmless text is harmless, and what the encoder says against it counts a quarter at most, since an attacker may have cut
    it elsewhere. A harmful prompt that the encoder finds counts twice, for the look must not settle it; one that it does not
    find is lost anyhow."""
    encoder = data.Encoder(arguments.tokenizer)
    with open(arguments.chunks, encoding="utf-8") as lines:
        for line in lines:
            text, what, unsafe, name, logits = json.loads(line)
            said, weight = 1 / (1 + math.exp(-logits[0])), 1
            if what == "prompt":
                target = 0.75 * said + 0.22 if unsafe else max(0.01, 0.5 * said)
                weight = (2 if said > 0.5 else 0.3) if unsafe else 1
            elif not unsafe:
                target = max(0.01, 0.5 * said if name in NOT_MINED else min(0.12, 0.25 * said))
            else:
                target = 0.5 * said + 0.48 if what == "all" else max(0.03, min(0.97, said))
            ids, types = encoder.encode(text, None, LONGEST)
            targets, weights = np.zeros(16, np.float32), np.zeros(16, np.float32)
            targets[0], weights[0] = target, weight
            yield np.array(ids, np.uint16), np.array(types, np.uint8), targets, weights


def batches(examples, chance):
    """Endless batches of examples of like length, in another order each time round."""
    while True:
        order = chance.permutation(len(examples))
        for start in range(0, len(order), POOL):
            groups = data.grouped([examples[index] for index in order[start : start + POOL]], BATCH_TOKENS)
            for index in chance.permutation(len(groups)):
                yield groups[index]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("encoder", "model", "tokenizer", "data", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--start", help="what this script wrote before: training goes on from there")
    parser.add_argument("--chunks", help="what chunks.py wrote")
    parser.add_argument("--examples", type=int, default=320_000)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--projected", type=int, default=64)
    parser.add_argument("--channels", type=int, default=192)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--drop", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    encoder = Encoder(arguments.model)
    encoder.load_state_dict(torch.load(arguments.encoder, weights_only=True))
    network = Convolution(
        encoder.words.weight.detach(), arguments.projected, arguments.channels, arguments.features, drop=arguments.drop)
    if arguments.start:
        network.load_state_dict(torch.load(arguments.start, weights_only=True), strict=False)
    else:
        network.start()
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=arguments.rate, weight_decay=0.01)
    examples = list(drawn(arguments)) + (list(taught(arguments)) if arguments.chunks else [])
    total, seen = sum(len(example[0]) for example in examples) * arguments.epochs, 0
    told, losses = time.time(), []
    for batch in batches(examples, np.random.default_rng(arguments.seed)):
        share = seen / total
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = arguments.rate * min(1, share / 0.03) * (0.02 + 0.49 * (1 + math.cos(math.pi * share)))
        ids, types, mask, targets, weights = tensors(
            [(ids.tolist(), types.tolist(), targets.tolist(), weights.tolist()) for ids, types, targets, weights in batch])
        wrong = F.binary_cross_entropy_with_logits(network(ids, types, mask), targets, reduction="none")
        loss = (wrong * weights).sum() / len(batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        seen += sum(len(example[0]) for example in batch)
        losses.append(loss.item())
        if time.time() - told > 30:
            print(f"{share:.1%}: loss {sum(losses) / len(losses):.4f} over {len(losses)} steps", flush=True)
            told, losses = time.time(), []
    torch.save(network.state_dict(), arguments.output)


if __name__ == "__main__":
    main()
