"""State dicts of the encoder and of the convolution as sections of a weights file, and what the integers make of them, in
numpy.

Weights: 8 bits (-127 to 127), one scale an output, in the order in which Sources/CEncoder reads them; embeddings and the
first layer of the head: the same, one scale a row. Everything else stays binary32.
"""

import numpy as np


def rows(weight, most=127):
    """Rounds each row to -most ... most by the scale that loses least."""
    largest = np.maximum(np.abs(weight).max(1), 1e-12)
    best = np.full(len(weight), np.inf, np.float32)
    scales = np.empty(len(weight), np.float32)
    for share in np.linspace(0.7, 1, 13, dtype=np.float32):
        scale = largest * share / most
        rounded = np.clip(np.round(weight / scale[:, None]), -most, most)
        loss = ((rounded * scale[:, None] - weight) ** 2).sum(1)
        scales = np.where(loss < best, scale, scales)
        best = np.minimum(loss, best)
    return np.clip(np.round(weight / scales[:, None]), -most, most).astype(np.int8), scales.astype(np.float32)


def panels(weight):
    """outputs x inputs to panels of 16 outputs, four inputs of each output side by side."""
    outputs, inputs = weight.shape
    return weight.reshape(outputs // 16, 16, inputs // 4, 4).transpose(0, 2, 1, 3)


def linear(weight, bias):
    weight, scales = rows(weight)
    return {
        "weights": panels(weight), "scales": scales, "sums": weight.sum(1, dtype=np.int32), "bias": bias,
    }


def sections(state, kept):
    """The sections of a state dict of numpy arrays; `kept` are the rows of the vocabulary that the file has."""
    found = {}

    def put(name, parts):
        found.update({f"encoder.{name}.{part}": array for part, array in parts.items()})

    def table(name, weight):
        weight, scales = rows(weight)
        put(name, {"rows": weight, "scales": scales})

    def norm(name):
        put(name, {"weight": state[f"{name_of(name)}.weight"], "bias": state[f"{name_of(name)}.bias"]})

    def name_of(name):
        return f"layers.{name}" if name[0].isdigit() else name

    table("words", state["words.weight"][kept])
    table("positions", state["positions.weight"])
    found["encoder.types"] = state["types.weight"]
    norm("norm")
    for layer in range(layers(state)):
        for name in ("qkv", "out", "up", "down"):
            put(f"{layer}.{name}", linear(state[f"layers.{layer}.{name}.weight"], state[f"layers.{layer}.{name}.bias"]))
        norm(f"{layer}.norm1")
        norm(f"{layer}.norm2")
    table("head", state["head1.weight"])
    found["encoder.head.bias"] = state["head1.bias"]
    put("last", {"weight": state["head2.weight"], "bias": state["head2.bias"]})
    return found


def layers(state):
    return 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))


def convolution_sections(state):
    """The sections of the convolution's state dict: what a place sees of its neighbours lies side by side."""
    found = {}

    def put(name, parts):
        found.update({f"convolution.{name}.{part}": array for part, array in parts.items()})

    put("project", linear(state["project.weight"], state["project.bias"]))
    for name in ("first", "second"):
        weight = state[f"{name}.weight"]
        put(name, linear(weight.transpose(0, 2, 1).reshape(len(weight), -1), state[f"{name}.bias"]))
    found["convolution.types"] = state["types.weight"]
    table, scales = rows(state["head1.weight"])
    put("head", {"rows": table, "scales": scales, "bias": state["head1.bias"]})
    put("last", {"weight": state["head2.weight"], "bias": state["head2.bias"]})
    return found


def convolution_sizes(state):
    """The metadata's member `convolution`."""
    return {
        "projected": len(state["project.bias"]), "channels": len(state["first.bias"]),
        "features": len(state["head1.bias"]), "sees": [state[f"{name}.weight"].shape[2] for name in ("first", "second")],
    }


def unpacked(weights):
    panel_count, fours, _, _ = weights.shape
    return weights.transpose(0, 2, 1, 3).reshape(panel_count * 16, fours * 4)


class Integers:
    """The arithmetic of Sources/CEncoder, in numpy: to know what a file loses before it is shipped."""

    def __init__(self, found):
        self.found = found
        self.count = 1 + max(int(name.split(".")[1]) for name in found if name.split(".")[1].isdigit())

    def of(self, name):
        return self.found[f"encoder.{name}"]

    def linear(self, name, x, of=None):
        of = of or self.of
        low, high = np.minimum(x.min(1), 0), np.maximum(x.max(1), 0)
        span = np.maximum(high - low, np.float32(1e-30))
        inverse = np.float32(127) / span
        zero = np.round(-low * inverse)
        bytes_ = np.clip(np.round(x * inverse[:, None]) + zero[:, None], 0, 127)
        # Below 2^53, so sums in binary64 are exact.
        weights = unpacked(of(f"{name}.weights")).astype(np.float64)
        sums = bytes_ @ weights.T - zero[:, None] * of(f"{name}.sums")
        scale = (span / np.float32(127))[:, None] * of(f"{name}.scales")
        return (sums * scale + of(f"{name}.bias")).astype(np.float32)

    def norm(self, name, x):
        x = x - x.mean(1, keepdims=True)
        x = x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-12)
        return (x * self.of(f"{name}.weight") + self.of(f"{name}.bias")).astype(np.float32)

    def table(self, name, index):
        return self.of(f"{name}.rows")[index] * self.of(f"{name}.scales")[index][:, None]

    def logits(self, ids, types):
        import torch

        x = self.table("words", ids) + self.table("positions", np.arange(len(ids))) + self.of("types")[types]
        x = self.norm("norm", x)
        n, hidden = x.shape
        for layer in range(self.count):
            q, k, v = self.linear(f"{layer}.qkv", x).reshape(n, 3, -1, 32).transpose(1, 2, 0, 3)
            scores = q @ k.transpose(0, 2, 1) / np.sqrt(np.float32(32))
            weights = np.exp(scores - scores.max(2, keepdims=True))
            mixed = (weights / weights.sum(2, keepdims=True)) @ v
            mixed = mixed.transpose(1, 0, 2).reshape(n, hidden)
            x = self.norm(f"{layer}.norm1", x + self.linear(f"{layer}.out", mixed))
            inner = torch.nn.functional.gelu(torch.from_numpy(self.linear(f"{layer}.up", x))).numpy()
            x = self.norm(f"{layer}.norm2", x + self.linear(f"{layer}.down", inner))
        return self.head(x, self.of)

    def head(self, x, of):
        pooled = np.concatenate([x.mean(0), x.max(0)])
        features = np.tanh(of("head.rows") @ pooled * of("head.scales") + of("head.bias"))
        return of("last.weight") @ features + of("last.bias")

    def convolution(self, ids, types):
        """The logits of the convolution."""

        def of(name):
            return self.found[f"convolution.{name}"]

        def slide(name, x):
            sees = unpacked(of(f"{name}.weights")).shape[1] // x.shape[1]
            padded = np.pad(x, ((sees // 2, sees // 2), (0, 0)))
            return self.linear(name, np.concatenate([padded[j : j + len(x)] for j in range(sees)], 1), of).clip(0)

        x = self.linear("project", self.table("words", ids).astype(np.float32), of) + of("types")[types]
        x = slide("first", x)
        return self.head(x + slide("second", x), of)


def reference(state, ids, types):
    """The same in PyTorch and binary32, from the state dict as it was trained."""
    import torch
    import torch.nn.functional as F

    state = {name: torch.from_numpy(array) for name, array in state.items()}
    width = state["norm.weight"].shape

    def dense(name, x):
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(name, x):
        return F.layer_norm(x, width, state[f"{name}.weight"], state[f"{name}.bias"], 1e-12)

    ids, types = torch.as_tensor(ids), torch.as_tensor(types)
    x = norm("norm", state["words.weight"][ids] + state["positions.weight"][: len(ids)] + state["types.weight"][types])
    for layer in range(layers(state)):
        name = f"layers.{layer}."
        q, k, v = dense(name + "qkv", x).view(len(ids), 3, -1, 32).permute(1, 2, 0, 3)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(0, 1).reshape(x.shape)
        x = norm(name + "norm1", x + dense(name + "out", mixed))
        x = norm(name + "norm2", x + dense(name + "down", F.gelu(dense(name + "up", x))))
    return dense("head2", torch.tanh(dense("head1", torch.cat([x.mean(0), x.amax(0)])))).numpy()


def convolution_reference(state, convolution, ids, types):
    """The convolution in PyTorch and binary32, from the state dicts as they were trained."""
    import torch

    from model import Convolution

    network = Convolution(torch.from_numpy(state["words.weight"]), *(convolution_sizes(convolution)[name] for name in (
        "projected", "channels", "features", "sees")))
    network.load_state_dict({name: torch.from_numpy(array) for name, array in convolution.items()})
    network.eval()
    ids, types = torch.as_tensor(ids)[None], torch.as_tensor(types)[None]
    with torch.no_grad():
        return network(ids, types, torch.ones_like(ids, dtype=torch.bool))[0].numpy()
