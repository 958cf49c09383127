"""Measures the embedded encoder against ONNX Runtime, each on one thread and the same core, in alternating rounds.

    encoder.py BINARY [ROUNDS] [CORE]

Both run a BERT encoder of the sizes of all-MiniLM-L6-v2 with random weights: nothing here depends on their values. ONNX
Runtime gets its own fused operators (Attention, SkipLayerNormalization, BiasGelu) and dynamic quantisation to 8 bits of
every product with a weight, and as a second figure the same graph in binary32. What counts is processor time, so that a
busy machine changes less.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

HIDDEN, INNER, LAYERS, HEADS, WORDS, POSITIONS, OUTPUTS = 384, 1536, 6, 12, 30522, 512, 16
TOKENS = (16, 64, 192)


def graph():
    draw = np.random.default_rng(1)
    nodes, weights = [], []

    def weight(name, *shape):
        weights.append(numpy_helper.from_array((0.05 * draw.standard_normal(shape)).astype(np.float32), name))
        return name

    def node(kind, inputs, output, domain="", **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def norm(name, inputs):
        return node(
            "SkipLayerNormalization", [*inputs, weight(f"{name}.w", HIDDEN), weight(f"{name}.b", HIDDEN)], name,
            "com.microsoft", epsilon=1e-12)

    words = node("Gather", [weight("words", WORDS, HIDDEN), "ids"], "word")
    places = node("Gather", [weight("positions", POSITIONS, HIDDEN), "positions_ids"], "position")
    types = node("Gather", [weight("types", 2, HIDDEN), "types_ids"], "type")
    x = norm("norm", [node("Add", [words, types], "embedded"), places])
    for layer in range(LAYERS):
        name = f"l{layer}"
        mixed = node(
            "Attention", [x, weight(f"{name}.qkv", HIDDEN, 3 * HIDDEN), weight(f"{name}.qkv.b", 3 * HIDDEN)],
            f"{name}.attention", "com.microsoft", num_heads=HEADS)
        out = node("MatMul", [mixed, weight(f"{name}.out", HIDDEN, HIDDEN)], f"{name}.o")
        x = norm(f"{name}.norm1", [node("Add", [out, weight(f"{name}.out.b", HIDDEN)], f"{name}.ob"), x])
        up = node("MatMul", [x, weight(f"{name}.up", HIDDEN, INNER)], f"{name}.u")
        up = node("BiasGelu", [up, weight(f"{name}.up.b", INNER)], f"{name}.g", "com.microsoft")
        down = node("MatMul", [up, weight(f"{name}.down", INNER, HIDDEN)], f"{name}.d")
        x = norm(f"{name}.norm2", [node("Add", [down, weight(f"{name}.down.b", HIDDEN)], f"{name}.db"), x])
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    mean = node("ReduceMean", [x, "axis"], "mean", keepdims=0)
    top = node("ReduceMax", [x, "axis"], "top", keepdims=0)
    both = node("Concat", [mean, top], "both", axis=1)
    features = node("Tanh", [node("MatMul", [both, weight("head1", 2 * HIDDEN, HIDDEN)], "h")], "features")
    node("MatMul", [features, weight("head2", HIDDEN, OUTPUTS)], "logits")
    names = ("ids", "types_ids", "positions_ids")
    integers = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, "n"]) for name in names]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, OUTPUTS])
    made = helper.make_graph(nodes, "encoder", integers, [logits], initializer=[*weights, axis])
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)], ir_version=9)
    return model


class OnnxRuntime:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def seconds(self, tokens, runs):
        ids = np.random.default_rng(2).integers(0, WORDS, (1, tokens))
        feed = {"ids": ids, "types_ids": np.zeros_like(ids), "positions_ids": np.arange(tokens)[None]}
        start = time.process_time()
        for _ in range(runs):
            self.session.run(None, feed)
        return (time.process_time() - start) / runs


class Embedded:
    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, tokens, runs, sequences=1):
        self.process.stdin.write(f"-1 {tokens} {sequences} {runs}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[0]) / runs / max(1, sequences)


def show(name, values):
    return f"{name} {statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    core = int(sys.argv[3]) if len(sys.argv) > 3 else max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    with tempfile.TemporaryDirectory() as folder:
        plain, small = os.path.join(folder, "plain.onnx"), os.path.join(folder, "small.onnx")
        onnx.save(graph(), plain)
        quantize_dynamic(
            plain, small, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Attention"],
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT})
        kinds = {op.op_type for op in onnx.load(small).graph.node}
        assert {"QAttention", "MatMulInteger"} <= kinds, kinds
        runtime, exact, embedded = OnnxRuntime(small), OnnxRuntime(plain), Embedded(sys.argv[1])
        sizes = f"{os.path.getsize(small)} bytes (binary32 {os.path.getsize(plain)})"
        print(f"onnxruntime {onnxruntime.__version__}, {sizes}")
    for tokens in TOKENS:
        runs = max(1, 256 // tokens)
        ours, theirs, floats, ratios, grouped, looks = [], [], [], [], [], []
        for index in range(rounds + 1):
            mine, other = embedded.seconds(tokens, runs), runtime.seconds(tokens, runs)
            third = exact.seconds(tokens, runs)
            four = embedded.seconds(tokens, runs, min(4, POSITIONS // tokens))
            look = embedded.seconds(tokens, 16 * runs, 0)
            if index:  # the first is for warming up
                ours.append(1 / mine), theirs.append(1 / other), floats.append(1 / third), ratios.append(other / mine)
                grouped.append(1 / four), looks.append(look * 1e6)
        print(
            f"{tokens:4} tokens, sequences/s: {show('embedded', ours)}, {show('grouped', grouped)}, "
            f"{show('onnxruntime int8', theirs)}, {show('binary32', floats)}; "
            f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); "
            f"the look before it, us: {statistics.median(looks):.0f}", flush=True)


if __name__ == "__main__":
    main()
