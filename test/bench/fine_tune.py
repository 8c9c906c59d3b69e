"""
fine_tune.py - what bench_fine_tune.c and fine_tune.sh measure, in PyTorch: an epoch of fine-tuning, 500 documents of 5 steps of 20
tokens in steps of 4 documents, a text encoder of MiniLM's shape, a small network over the vectors of a document's steps.

    fine_tune.py THREADS LAYERS [RANK]      LAYERS: how many layers learn; RANK: 8, of adapters on queries and values, or 0, all parameters

Prints seconds of an epoch, processor time for one thread, else by the clock, from the fastest of several steps, because other processes make a step slower, never faster. Run
it with OPENBLAS_NUM_THREADS as many as threads: Debian's PyTorch computes its products by OpenBLAS, which takes no notice of
torch.set_num_threads.
"""
import math
import sys
import time

import torch
import torch.nn.functional as F

import embed
from python_model import scores

DOCUMENTS, BATCH, STEPS, TOKENS, STEPS_MEASURED = 500, 4, 5, 20, 25
D, HIDDEN, FEED_FORWARD = embed.DIM, 64, 128


def random(generator, *shape, scale=0.05):
    return scale * torch.randn(shape, generator=generator)


def head(generator):
    """The network over a document's steps: one layer of 64 numbers."""
    shapes = {"input.weight": (HIDDEN, D), "input.bias": (HIDDEN,), "head.ab.weight": (2 * HIDDEN, HIDDEN), "head.c": (HIDDEN,),
              "head.v": (HIDDEN,)}
    for name, shape in {"qkv.weight": (3 * HIDDEN, HIDDEN), "qkv.bias": (3 * HIDDEN,), "out.weight": (HIDDEN, HIDDEN),
                        "out.bias": (HIDDEN,), "norm1.weight": (HIDDEN,), "norm1.bias": (HIDDEN,),
                        "ff1.weight": (FEED_FORWARD, HIDDEN), "ff1.bias": (FEED_FORWARD,), "ff2.weight": (HIDDEN, FEED_FORWARD),
                        "ff2.bias": (HIDDEN,), "norm2.weight": (HIDDEN,), "norm2.bias": (HIDDEN,)}.items():
        shapes[f"layer.0.{name}"] = shape
    return {name: random(generator, *shape).requires_grad_() for name, shape in shapes.items()}


def main():
    threads, layers, rank = map(int, (sys.argv[1:] + ["8"])[:3])
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    generator = torch.Generator().manual_seed(1)
    encoder = [random(generator, *shape) for shape in embed.shapes()]
    network = head(generator)
    adapters = {layer: [random(generator, rank, D).requires_grad_(), torch.zeros(D, rank, requires_grad=True),
                        random(generator, rank, D).requires_grad_(), torch.zeros(D, rank, requires_grad=True)]
                for layer in range(embed.LAYERS - layers, embed.LAYERS) if rank > 0}
    whole = [] if rank > 0 else [tensor.requires_grad_() for tensor in encoder[-layers * embed.LAYER_TENSORS:]]
    values = list(network.values()) + sum(adapters.values(), []) + whole
    optimizer = torch.optim.AdamW(values, lr=5e-4, foreach=True)
    present = torch.ones(BATCH, STEPS, dtype=torch.bool)
    pairs = torch.triu(torch.ones(STEPS, STEPS), 1)
    best = math.inf
    for _ in range(STEPS_MEASURED):
        token = torch.randint(embed.VOCABULARY, (BATCH * STEPS, TOKENS), generator=generator)
        start = clock()
        vector = embed.vectors(encoder, token, adapters).reshape(BATCH, STEPS, D)
        loss = (F.softplus(-scores(network, vector, present, 0.3)) * pairs).sum((1, 2)).div(pairs.sum()).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(values, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        best = min(best, clock() - start)
    print(f"{best * DOCUMENTS / BATCH:.2f}")


if __name__ == "__main__":
    main()
