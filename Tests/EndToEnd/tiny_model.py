"""Writes a Llama-architecture model of random weights with a byte vocabulary: tiny_model.py FILE [SAFE UNSAFE]

Its answers are noise. What it proves is the wire: prompt in, tokens and log probabilities out. The words safe and
unsafe are one token each, as in the vocabularies of real guard models. With two numbers, the model leans to these
words with about eight times the numbers as logits, so that it answers like a guard model that has read nothing.
"""

import sys

import gguf
import numpy

WIDTH, HEADS, LAYERS, HIDDEN, CONTEXT = 64, 4, 2, 128, 8192
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6

tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + ["safe", "unsafe", "\n"]
kinds = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * 3
scores = [0.0] * 259 + [-1.0, -2.0, -3.0]

random = numpy.random.default_rng(7)


def weights(*shape):
    return random.normal(0, 0.05, shape).astype(numpy.float32)


writer = gguf.GGUFWriter(sys.argv[1], "llama")
writer.add_name("tiny")
writer.add_context_length(CONTEXT)
writer.add_embedding_length(WIDTH)
writer.add_block_count(LAYERS)
writer.add_feed_forward_length(HIDDEN)
writer.add_head_count(HEADS)
writer.add_head_count_kv(HEADS)
writer.add_rope_dimension_count(WIDTH // HEADS)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_tokenizer_model("llama")
writer.add_token_list(tokens)
writer.add_token_scores(scores)
writer.add_token_types(kinds)
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.add_unk_token_id(0)
writer.add_add_space_prefix(False)
writer.add_chat_template(
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:")

embeddings, output = weights(len(tokens), WIDTH), weights(len(tokens), WIDTH)
if len(sys.argv) > 2:
    # Every token says the same in the first dimension, which the last norm stretches to about sqrt(WIDTH) = 8.
    embeddings[:, 0] = 5
    output[tokens.index("safe"), 0], output[tokens.index("unsafe"), 0] = map(float, sys.argv[2:4])
writer.add_tensor("token_embd.weight", embeddings)
writer.add_tensor("output_norm.weight", numpy.ones(WIDTH, numpy.float32))
writer.add_tensor("output.weight", output)
for layer in range(LAYERS):
    block = f"blk.{layer}."
    for name in ["attn_norm", "ffn_norm"]:
        writer.add_tensor(block + name + ".weight", numpy.ones(WIDTH, numpy.float32))
    for name in ["attn_q", "attn_k", "attn_v", "attn_output"]:
        writer.add_tensor(block + name + ".weight", weights(WIDTH, WIDTH))
    for name in ["ffn_gate", "ffn_up"]:
        writer.add_tensor(block + name + ".weight", weights(HIDDEN, WIDTH))
    writer.add_tensor(block + "ffn_down.weight", weights(WIDTH, HIDDEN))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
