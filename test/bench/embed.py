"""embed.py - the text encoder of bench_embed.c in PyTorch with one thread: its speed, and the largest difference of vectors.

    embed.py FOLDER      FOLDER: where bench_embed has written weights.f32, tokens.i32, vectors.f32

Prints the time of one text and of each of 32 texts (processor time, the shortest of several runs), then the difference.
"""
import math
import sys
import time

import numpy
import torch
import torch.nn.functional as F

from python_model import attention

DIM, LAYERS, HEADS, WIDE, VOCABULARY, POSITIONS, EPSILON = 384, 6, 12, 1536, 1000, 512, 1e-12
RUNS = 30
LAYER_TENSORS = 12


def shapes():
    """Those of the tensors in the order of the encoder's file."""
    return [(VOCABULARY, DIM), (POSITIONS, DIM), (DIM,), (DIM,), (DIM,)] + LAYERS * [
        (3 * DIM, DIM), (3 * DIM,), (DIM, DIM), (DIM,), (DIM,), (DIM,),
        (WIDE, DIM), (WIDE,), (DIM, WIDE), (DIM,), (DIM,), (DIM,)]


def read_weights(path):
    values = torch.from_numpy(numpy.fromfile(path, dtype="<f4"))
    return [part.reshape(shape) for part, shape in zip(values.split([math.prod(shape) for shape in shapes()]), shapes())]


def vectors(weights, token, adapters={}):
    """
    The vectors of texts of the same length: token (texts, length). adapters: by layer, A and B of the queries, A and B of the values.
    """
    word, position, kind, norm_w, norm_b = weights[:5]
    texts, length = token.shape
    x = F.layer_norm(word[token] + position[:length] + kind, (DIM,), norm_w, norm_b, EPSILON)
    for layer in range(LAYERS):
        own = weights[5 + 12 * layer:17 + 12 * layer]
        qkv_w, qkv_b, out_w, out_b, n1_w, n1_b, ff1_w, ff1_b, ff2_w, ff2_b, n2_w, n2_b = own
        qkv = F.linear(x, qkv_w, qkv_b)
        if layer in adapters:
            query_a, query_b, value_a, value_b = adapters[layer]
            q, k, v = qkv.chunk(3, dim=-1)
            qkv = torch.cat((q + 2 * F.linear(F.linear(x, query_a), query_b), k, v + 2 * F.linear(F.linear(x, value_a), value_b)), -1)
        q, k, v = qkv.reshape(texts, length, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        seen = attention(q, k, v, None, 0).transpose(1, 2).reshape(texts, length, DIM)
        x = F.layer_norm(x + F.linear(seen, out_w, out_b), (DIM,), n1_w, n1_b, EPSILON)
        x = F.layer_norm(x + F.linear(F.gelu(F.linear(x, ff1_w, ff1_b)), ff2_w, ff2_b), (DIM,), n2_w, n2_b, EPSILON)
    return F.normalize(x.mean(dim=1), dim=1)


def measure(weights, token):
    best = math.inf
    for _ in range(RUNS):
        start = time.process_time()
        vectors(weights, token)
        best = min(best, time.process_time() - start)
    return best / len(token)


def main():
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    folder = sys.argv[1]
    weights = read_weights(f"{folder}/weights.f32")
    tokens = numpy.fromfile(f"{folder}/tokens.i32", dtype="<i4").astype(numpy.int64)
    ours = numpy.fromfile(f"{folder}/vectors.f32", dtype="<f4").reshape(-1, DIM)
    at = 0
    difference = 0
    for row in ours:
        length = int(tokens[at])
        theirs = vectors(weights, torch.from_numpy(tokens[at + 1:at + 1 + length])[None])[0].numpy()
        difference = max(difference, float(abs(theirs - row).max()))
        at += 1 + length
    token = torch.randint(VOCABULARY, (32, 20))
    print(f"{measure(weights, token[:1]) * 1e3:.3f} {measure(weights, token) * 1e3:.3f} {difference:.1e}")


if __name__ == "__main__":
    main()
