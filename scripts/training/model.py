"""The networks, in plain PyTorch: all-MiniLM-L6-v2 with a head of 16 logits, which is fine-tuned, and the convolutional
network that looks first."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

HIDDEN, LAYERS, HEADS, INNER = 384, 6, 12, 1536


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.out = nn.Linear(HIDDEN, HIDDEN)
        self.norm1 = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.up = nn.Linear(HIDDEN, INNER)
        self.down = nn.Linear(INNER, HIDDEN)
        self.norm2 = nn.LayerNorm(HIDDEN, eps=1e-12)

    def forward(self, x, mask, drop):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.norm1(x + F.dropout(self.out(a.transpose(1, 2).reshape(b, n, -1)), drop, self.training))
        return self.norm2(x + F.dropout(self.down(F.gelu(self.up(x))), drop, self.training))


class Encoder(nn.Module):
    def __init__(self, path, outputs=16, drop=0.1):
        super().__init__()
        w = load_file(path)
        g = lambda n: w[n] if n in w else w["bert." + n]
        self.words = nn.Embedding.from_pretrained(g("embeddings.word_embeddings.weight"), freeze=False)
        self.positions = nn.Embedding.from_pretrained(g("embeddings.position_embeddings.weight"), freeze=False)
        self.types = nn.Embedding.from_pretrained(g("embeddings.token_type_embeddings.weight"), freeze=False)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.norm.weight.data = g("embeddings.LayerNorm.weight"); self.norm.bias.data = g("embeddings.LayerNorm.bias")
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        for i, l in enumerate(self.layers):
            p = f"encoder.layer.{i}."
            for kind in ("weight", "bias"):
                getattr(l.qkv, kind).data = torch.cat([g(p + f"attention.self.{n}.{kind}") for n in ("query", "key", "value")])
                for mine, theirs in (("out", "attention.output.dense"), ("norm1", "attention.output.LayerNorm"),
                                     ("up", "intermediate.dense"), ("down", "output.dense"), ("norm2", "output.LayerNorm")):
                    getattr(getattr(l, mine), kind).data = g(p + theirs + "." + kind)
        self.head1 = nn.Linear(2 * HIDDEN, HIDDEN)
        self.head2 = nn.Linear(HIDDEN, outputs)
        self.drop = drop

    def embed(self, ids, types):
        x = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types(types)
        return F.dropout(self.norm(x), self.drop, self.training)

    def forward(self, ids, types, mask):
        x = self.embed(ids, types)
        m = None if mask.all() else mask[:, None, None, :]
        for l in self.layers:
            x = l(x, m, self.drop)
        return self.pool(x, mask)

    def pool(self, x, mask):
        f = mask[..., None].float()
        mean = (x * f).sum(1) / f.sum(1)
        top = x.masked_fill(~mask[..., None], -1e4).amax(1)
        h = torch.tanh(self.head1(F.dropout(torch.cat([mean, top], -1), self.drop, self.training)))
        return self.head2(h)


class Convolution(nn.Module):
    """Words of the encoder's table, projected; two convolutions, the second added to what it reads; mean and maximum of
    all tokens; a head of 16 logits. `words` stay as they are and are no part of the state dict."""

    def __init__(self, words, projected=64, channels=192, features=64, sees=(5, 3), drop=0.1):
        super().__init__()
        self.words, self.drop = words, drop
        self.project = nn.Linear(words.shape[1], projected)
        self.types = nn.Embedding(2, projected)
        self.first = nn.Conv1d(projected, channels, sees[0], padding=sees[0] // 2)
        self.second = nn.Conv1d(channels, channels, sees[1], padding=sees[1] // 2)
        self.head1 = nn.Linear(2 * channels, features)
        self.head2 = nn.Linear(features, 16)

    def start(self):
        """Words begin with the main directions of the table, each as wide as the others: with less it learns nothing."""
        used = self.words[self.words.abs().sum(1) > 0]
        middle = used.mean(0)
        values, vectors = torch.linalg.eigh((used - middle).T @ (used - middle) / len(used))
        count = self.project.out_features
        self.project.weight.data = (vectors[:, -count:] / values[-count:].sqrt()).T.contiguous()
        self.project.bias.data = -self.project.weight.data @ middle
        self.types.weight.data *= 0.1
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, ids, types, mask):
        def dropped(x):
            return F.dropout(x, self.drop, self.training)

        here = mask[:, None, :].float()
        x = (self.project(self.words[ids]) + self.types(types)).transpose(1, 2) * here
        x = F.relu(self.first(dropped(x))) * here
        x = (x + F.relu(self.second(dropped(x)))) * here
        mean = x.sum(2) / here.sum(2)
        top = x.masked_fill(~mask[:, None, :], -1e4).amax(2)
        return self.head2(dropped(torch.tanh(self.head1(torch.cat([mean, top], 1)))))
