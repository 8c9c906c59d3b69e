"""
What one would do without xmcoh, on the same core with the same weights: psycopg2 fetches the model (safetensors) and the
documents, PyTorch scores them in padded batches of 64. Prints the ratios as lines for server.sh. Times are processor times,
here and in the server together.
Argument: seconds that xmcoh took to order the documents.
With OPENBLAS_NUM_THREADS=1: Debian's PyTorch computes its products by OpenBLAS, which takes no other notice of what it is told.
"""
import json
import sys
import time

import numpy
import psycopg2
import torch

from python_model import scores

torch.set_num_threads(1)
print(f"  (PyTorch {torch.__version__})", file=sys.stderr)
our_seconds = float(sys.argv[1])
BATCH = 64


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

# The same function: the pairs of the first document by both.
cursor.execute("SELECT image FROM xmcoh.pair_scores('paper', '1', 'bench.paper_step') ORDER BY item_a::int, item_b::int")
ours = [row[0] for row in cursor]
theirs = [out[0][0, i, j].item() for i in range(8) for j in range(i + 1, 8)]
difference = max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / max(map(abs, ours))
print(f"  largest difference of its scores, of the largest score|{100 * difference:.4f}|%|<=|0.1")
