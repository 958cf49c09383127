"""Writes a weights file of both stages with the tokenizer; `paddock train --stage blend` then weighs the stages.

    export.py --state encoder.pt --vocabulary vocab.txt --stage-one one.weights --convolution convolution.pt \\
        --output embedded.weights

    export.py --state encoder.pt --mean-with other.pt --share 0.65 ...

takes the mean of two state dicts, the second with this share.

    export.py --base embedded.weights --convolution convolution.pt --version 5 --output other.weights

adds the network that looks first to a file, or puts it in the place of another.

The state dict has the names words, positions, types, norm, layers.N.{qkv,out,norm1,up,down,norm2}, head1, head2; all
sizes come from it. Prints the size of the file and how far its logits lie from those of the state dict.
"""

import argparse

import numpy as np
import torch

import quantise
import weights_file
import wordpiece

SENTENCES = [
    "What is the capital of France?",
    "hi",
    "Could you explain how vaccines teach the immune system to recognise a virus?",
    "Ich möchte morgen mit dem Zug nach Köln fahren.",
    "Write a short story in which a lighthouse keeper finds a letter that was never meant for her, and decides, after "
    "a long night of rain, to answer it anyway.",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))",
]


def load(path):
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.float().numpy() for name, tensor in state.items()}


def parts(reference, text, context=None):
    """Ids of the full vocabulary and types, as the encoder lays them out."""
    ids = {name: reference.token_to_id(f"[{name}]") for name in ("CLS", "SEP")}
    judged = reference.encode(text).ids[:192]
    if context is None:
        first, second = judged, []
    else:
        first, second = reference.encode(context).ids[-64:], judged + [ids["SEP"]]
    first = [ids["CLS"], *first, ids["SEP"]]
    return np.array(first + second), np.array([0] * len(first) + [1] * len(second))


def build(state, vocabulary):
    """Sections of the encoder and its tokenizer, and what the metadata says of them."""
    found = wordpiece.sections(vocabulary) | quantise.sections(state, wordpiece.kept(vocabulary))
    hidden = state["norm.weight"].shape[0]
    ids, types = parts(wordpiece.tokenizer(vocabulary), SENTENCES[0])
    logits = quantise.Integers(found).logits(renumbered(vocabulary, ids), types)
    encoder = {
        "layers": quantise.layers(state), "hidden": hidden, "heads": hidden // 32,
        "inner": state["layers.0.up.weight"].shape[0], "positions": state["positions.weight"].shape[0],
        "canary": {"text": SENTENCES[0], "logits": [round(float(logit), 4) for logit in logits]},
    }
    return found, encoder


def renumbered(vocabulary, ids):
    """Ids of the full vocabulary as rows of the file."""
    places = {old: new for new, old in enumerate(wordpiece.kept(vocabulary))}
    return np.array([places[index] for index in ids])


def deviation(state, vocabulary, found, convolution=None):
    """The largest difference of a logit over the sentences, each as a prompt and as an answer, of the encoder or of the
    convolution."""
    reference = wordpiece.tokenizer(vocabulary)
    integers = quantise.Integers(found)
    largest = 0.0
    for text in SENTENCES:
        for context in (None, SENTENCES[0]):
            ids, types = parts(reference, text, context)
            if convolution is None:
                exact = quantise.reference(state, ids, types)
                close = integers.logits(renumbered(vocabulary, ids), types)
            else:
                exact = quantise.convolution_reference(state, convolution, ids, types)
                close = integers.convolution(renumbered(vocabulary, ids), types)
            largest = max(largest, float(np.abs(exact - close).max()))
    return largest


def add(arguments):
    """A file with another network that looks first."""
    metadata, found = weights_file.everything(arguments.base)
    convolution = load(arguments.convolution)
    found |= quantise.convolution_sections(convolution)
    metadata |= {"version": arguments.version, "convolution": quantise.convolution_sizes(convolution)}
    # Weighed for the network that was there.
    metadata.get("blend", {}).pop("look", None)
    size = weights_file.write(arguments.output, metadata, found)
    print(f"{size} bytes, {weights_file.MOST_BYTES - size} left")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", help="torch.save of a state dict")
    parser.add_argument("--mean-with", help="another state dict, which was trained on from this one or from the same one")
    parser.add_argument("--share", type=float, default=0.5, help="what the other counts in the mean")
    parser.add_argument("--vocabulary", help="vocab.txt, a token a line")
    parser.add_argument("--base", help="a weights file of which everything is kept, in place of a state dict")
    parser.add_argument("--stage-one", help="a weights file whose first stage is taken over")
    parser.add_argument("--convolution", help="what convolution.py wrote")
    parser.add_argument("--name", default="paddock-guard")
    parser.add_argument("--version", default="1")
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()

    if arguments.base:
        return add(arguments)
    state = load(arguments.state)
    if arguments.mean_with:
        other, share = load(arguments.mean_with), np.float32(arguments.share)
        state = {name: (1 - share) * array + share * other[name] for name, array in state.items()}
    with open(arguments.vocabulary, encoding="utf-8") as source:
        vocabulary = source.read().splitlines()
    found, encoder = build(state, vocabulary)
    metadata = {"name": arguments.name, "version": arguments.version, "encoder": encoder}
    if arguments.stage_one:
        metadata["stage_one"], first = weights_file.stage_one(arguments.stage_one)
        found = first | found
    convolution = load(arguments.convolution) if arguments.convolution else None
    if convolution:
        found |= quantise.convolution_sections(convolution)
        metadata["convolution"] = quantise.convolution_sizes(convolution)
    size = weights_file.write(arguments.output, metadata, found)
    print(f"{size} bytes, {weights_file.MOST_BYTES - size} left")
    print(f"largest deviation of a logit: {deviation(state, vocabulary, found):.4f}")
    if convolution:
        print(f"of the convolution's: {deviation(state, vocabulary, found, convolution):.4f}")


if __name__ == "__main__":
    main()
