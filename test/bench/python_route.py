"""
What one would do without xmcoh, on the same core with the same weights: psycopg2 fetches the model (safetensors) and the
documents, PyTorch scores them in padded batches of 64. Prints the ratios as lines for server.sh. Times are processor times,
here and in the server together.
Arguments: seconds that xmcoh took to order the documents, microseconds a document that its training takes.
"""
import json
import sys
import time

import numpy
import psycopg2
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
our_seconds, our_training = float(sys.argv[1]), float(sys.argv[2])
BATCH, HEADS, DROPOUT = 64, 4, 0.1


def read_safetensors(blob):
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:8 + size])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(blob, numpy.float32, (end - begin) // 4, 8 + size + begin)
        tensors[name.removeprefix("image.")] = torch.tensor(values.reshape(entry["shape"]))
    return tensors, metadata


def scores(w, x, present, dropout=0.0):
    """x (batch, n, input), present (batch, n) -> uncalibrated s (batch, n, n), without the linear term."""
    batch, n, _ = x.shape
    mask = present[:, None, None, :]
    h = F.dropout(F.linear(x, w["input.weight"], w["input.bias"]), dropout, dropout > 0)
    layer = 0
    while f"layer.{layer}.qkv.weight" in w:
        p = {k.removeprefix(f"layer.{layer}."): v for k, v in w.items() if k.startswith(f"layer.{layer}.")}
        d = h.shape[-1]
        qkv = F.linear(h, p["qkv.weight"], p["qkv.bias"]).view(batch, n, 3, HEADS, d // HEADS).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], attn_mask=mask, dropout_p=dropout)
        a = F.linear(a.transpose(1, 2).reshape(batch, n, d), p["out.weight"], p["out.bias"])
        h = F.layer_norm(h + F.dropout(a, dropout, dropout > 0), (d,), p["norm1.weight"], p["norm1.bias"])
        f = F.dropout(F.relu(F.linear(h, p["ff1.weight"], p["ff1.bias"])), dropout, dropout > 0)
        f = F.dropout(F.linear(f, p["ff2.weight"], p["ff2.bias"]), dropout, dropout > 0)
        h = F.layer_norm(h + f, (d,), p["norm2.weight"], p["norm2.bias"])
        layer += 1
    a, b = F.linear(h, w["head.ab.weight"]).chunk(2, dim=-1)
    g = torch.tanh(a[:, :, None] + b[:, None] + w["head.c"]) @ w["head.v"]
    return g - g.transpose(1, 2)


def batches(rows):
    """rows of (document, item, embedding) by document -> padded (x, present)."""
    groups = []
    for document, _, image in rows:
        if not groups or groups[-1][0] != document:
            groups.append((document, []))
        groups[-1][1].append(image)
    for first in range(0, len(groups), BATCH):
        group = [numpy.array(images, numpy.float32) for _, images in groups[first:first + BATCH]]
        n = max(len(images) for images in group)
        x = torch.zeros(len(group), n, group[0].shape[1])
        present = torch.zeros(len(group), n, dtype=torch.bool)
        for k, images in enumerate(group):
            x[k, :len(images)] = torch.from_numpy(images)
            present[k, :len(images)] = True
        yield x, present


def score_all(cursor):
    cursor.execute("SELECT xmcoh.export_model('paper')")
    w, metadata = read_safetensors(bytes(cursor.fetchone()[0]))
    cursor.execute("SELECT document, item, image FROM bench.paper_step ORDER BY document, item")
    out = []
    with torch.inference_mode():
        for x, present in batches(cursor):
            x = (x - w["input.mean"]) * w["input.scale"]
            u = x @ w["linear.weight"]
            s = scores(w, x, present) + u[:, None, :] - u[:, :, None]
            out.append(s * float(metadata["calibration.solo.image"]))
    return w, out


connection = psycopg2.connect("")
cursor = connection.cursor()
score_all(cursor)


def processor_seconds():
    cursor.execute("SELECT bench.processor_ms()")
    return time.process_time() + cursor.fetchone()[0] / 1000


seconds = []
for _ in range(3):
    start = processor_seconds()
    w, out = score_all(cursor)
    seconds.append(processor_seconds() - start)
print(f"bulk ordering, paper-size model: faster than psycopg2 and PyTorch (scores only)|{min(seconds) / our_seconds:.1f}|x|>=|3")

# The same function: the pairs of the first document in both.
cursor.execute("SELECT image FROM xmcoh.pair_scores('paper', '1', 'bench.paper_step') ORDER BY item_a::int, item_b::int")
ours = [row[0] for row in cursor]
theirs = [out[0][0, i, j].item() for i in range(8) for j in range(i + 1, 8)]
difference = max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / max(map(abs, ours))
print(f"  largest difference of its scores, of the largest score|{100 * difference:.4f}|%|<=|0.1")

# Training: documents of 5 to 12 items, as bench_train's.
generator = torch.Generator().manual_seed(1)
parameters = {k: v.clone().requires_grad_() for k, v in w.items() if k not in ("input.mean", "input.scale", "linear.weight")}
optimizer = torch.optim.AdamW(parameters.values(), lr=5e-4, fused=True)
start, steps = None, 0
while steps < 12:
    sizes = torch.randint(5, 13, (BATCH,), generator=generator)
    n = int(sizes.max())
    present = torch.arange(n) < sizes[:, None]
    x = torch.randn(BATCH, n, 768, generator=generator)
    if steps == 2:
        start = time.process_time()
    s = scores(parameters, x, present, DROPOUT)
    pairs = torch.triu(present[:, :, None] & present[:, None, :], 1)
    loss = (F.softplus(-s) * pairs).sum((1, 2)).div(pairs.sum((1, 2))).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    steps += 1
theirs = (time.process_time() - start) / (10 * BATCH) * 1e6
print(f"training, paper-size model: faster than PyTorch batched|{theirs / our_training:.2f}|x|>=|1.5")
