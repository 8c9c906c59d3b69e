"""vectors.py - compares the vectors of published encoders with a second implementation, in float64 with numpy; prints TAP.

    vectors.py VECTORS FOLDER...

VECTORS is the program of vectors.c; each FOLDER has the files of an encoder. The texts have 2 to 300 tokens. The tokens are
those that VECTORS prints; parity.py compares them with the reference implementation. A vector may differ by 1e-5 in each
number.
"""
import json
import math
import os
import random
import struct
import subprocess
import sys

import numpy as np

MOST = 1e-5
WORDS = """the a turn screw remove panel battery carefully with your spudger disconnect cable from motherboard lift it out
    of phone and replace don't cut wood paint red fold paper 3.14 1,000 naïve Straße バッテリー を 取り外し 电池 แบตเตอรี่ 😀""".split()
DTYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}
ERF = np.vectorize(math.erf)


def read_json(folder, name, missing=None):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return missing
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_weights(folder):
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data[t["data_offsets"][0]:t["data_offsets"][1]], DTYPES[t["dtype"]]).reshape(t["shape"])
            .astype(np.float64) for name, t in header.items()}


class Encoder:
    """A published encoder; the formulas are those of Devlin et al. 2019."""

    def __init__(self, folder):
        self.config = read_json(folder, "config.json")
        weights = read_weights(folder)
        prefix = next(p for p in ("", "bert.", "roberta.") if p + "embeddings.word_embeddings.weight" in weights)
        self.weights = {name[len(prefix):]: value for name, value in weights.items() if name.startswith(prefix)}
        self.heads = self.config["num_attention_heads"]
        self.first = self.config["pad_token_id"] + 1 if self.config["model_type"] == "xlm-roberta" else 0
        self.normalised = any(m["type"].endswith("Normalize") for m in read_json(folder, "modules.json", []))
        self.cls = read_json(folder, "1_Pooling/config.json", {}).get("pooling_mode_cls_token", False)

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(axis=1, keepdims=True)
        x = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + self.config["layer_norm_eps"])
        return x * self.weights[name + ".LayerNorm.weight"] + self.weights[name + ".LayerNorm.bias"]

    def attention(self, x, layer):
        q, k, v = (self.linear(x, f"{layer}.attention.self.{name}").reshape(len(x), self.heads, -1).transpose(1, 0, 2)
                   for name in ("query", "key", "value"))
        logits = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[2])
        p = np.exp(logits - logits.max(axis=2, keepdims=True))
        return (p / p.sum(axis=2, keepdims=True) @ v).transpose(1, 0, 2).reshape(x.shape)

    def vector(self, ids):
        table = "embeddings.{}_embeddings.weight".format
        positions = self.weights[table("position")][self.first:self.first + len(ids)]
        x = self.norm(self.weights[table("word")][ids] + positions + self.weights[table("token_type")][0], "embeddings")
        for number in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{number}"
            x = self.norm(x + self.linear(self.attention(x, layer), layer + ".attention.output.dense"),
                          layer + ".attention.output")
            wide = self.linear(x, layer + ".intermediate.dense")
            wide = wide * (1 + ERF(wide / math.sqrt(2))) / 2
            x = self.norm(x + self.linear(wide, layer + ".output.dense"), layer + ".output")
        pooled = x[0] if self.cls else x.mean(axis=0)
        return pooled / np.linalg.norm(pooled) if self.normalised else pooled


def main():
    program, folders = sys.argv[1], sys.argv[2:]
    r = random.Random(1)
    counts = [*range(12), *(r.choice((20, 60, 280)) for _ in range(12)), 300]
    texts = [" ".join(r.choice(WORDS) for _ in range(n)) for n in counts]
    failed = 0
    for number, folder in enumerate(folders, 1):
        encoder = Encoder(folder)
        run = subprocess.run([program, folder], input="\n".join(texts) + "\n", capture_output=True, text=True, check=False)
        lines = [line.split() for line in run.stdout.splitlines()]
        worst, longest = math.inf, 0
        if len(lines) == len(texts):
            worst = 0
            for line in lines:
                n = int(line[0])
                longest = max(longest, n)
                exact = encoder.vector([int(token) for token in line[1:n + 1]])
                worst = max(worst, abs(exact - np.array(line[n + 1:], dtype=float)).max())
        ok = worst <= MOST
        failed += not ok
        name = f"{encoder.config['model_type']}, {encoder.config['num_hidden_layers']} layers"
        print(f"{'ok' if ok else 'not ok'} {number} - {name}: {len(texts)} texts of up to {longest} tokens; "
              f"largest difference {worst:.1e} {run.stderr.strip()}", flush=True)
    print(f"1..{len(folders)}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
