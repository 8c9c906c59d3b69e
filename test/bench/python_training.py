"""
What training the paper-size image network costs in PyTorch: the same shapes, batch and loss. Arguments: threads, documents in a
batch, fewest and most items of a document (those of a batch are padded to its longest); prints seconds a document by the clock, of
the fastest step. Run it with OPENBLAS_NUM_THREADS as many as threads: Debian's PyTorch computes its products by OpenBLAS, which
takes no notice of torch.set_num_threads.
"""
import sys
import time

import torch
import torch.nn.functional as F

from python_model import scores

threads, batch, fewest, most = map(int, sys.argv[1:5])
torch.set_num_threads(threads)
INPUT, D, WIDE, LAYERS, DROPOUT = 768, 768, 512, 2, 0.1

generator = torch.Generator().manual_seed(1)
shapes = {"input.weight": (D, INPUT), "input.bias": (D,), "head.ab.weight": (2 * D, D), "head.c": (D,), "head.v": (D,)}
for layer in range(LAYERS):
    for name, shape in {"qkv.weight": (3 * D, D), "qkv.bias": (3 * D,), "out.weight": (D, D), "out.bias": (D,), "norm1.weight": (D,),
                        "norm1.bias": (D,), "ff1.weight": (WIDE, D), "ff1.bias": (WIDE,), "ff2.weight": (D, WIDE), "ff2.bias": (D,),
                        "norm2.weight": (D,), "norm2.bias": (D,)}.items():
        shapes[f"layer.{layer}.{name}"] = shape
weights = {name: (0.03 * torch.randn(shape, generator=generator)).requires_grad_() for name, shape in shapes.items()}
try:
    optimizer = torch.optim.AdamW(weights.values(), lr=5e-4, fused=True)
except (TypeError, RuntimeError):  # older versions have none for processors
    optimizer = torch.optim.AdamW(weights.values(), lr=5e-4, foreach=True)

times = []
for step in range(30):
    sizes = torch.randint(fewest, most + 1, (batch,), generator=generator)
    n = int(sizes.max())
    present = torch.arange(n) < sizes[:, None]
    pairs = torch.triu(present[:, :, None] & present[:, None, :], 1)
    x = torch.randn(batch, n, INPUT, generator=generator)
    start = time.perf_counter()
    s = scores(weights, x, present, DROPOUT)
    loss = (F.softplus(-s) * pairs).sum((1, 2)).div(pairs.sum((1, 2))).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    times.append(time.perf_counter() - start)
# The first steps warm up. The fastest step counts, because other processes on the machine make a step slower, never faster.
print(min(times[5:]) / batch)
