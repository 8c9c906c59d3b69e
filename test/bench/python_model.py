"""
The image network of an xmcoh model in PyTorch, padded batches, weights by the names that they have in the safetensors file (without
"image."). For comparison only.
"""
import math

import torch
import torch.nn.functional as F

HEADS = 4


def attention(q, k, v, mask, dropout):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    a = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        a = a.masked_fill(~mask, -math.inf)
    return F.dropout(a.softmax(-1), dropout, dropout > 0) @ v


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
        a = attention(qkv[0], qkv[1], qkv[2], mask, dropout)
        a = F.linear(a.transpose(1, 2).reshape(batch, n, d), p["out.weight"], p["out.bias"])
        h = F.layer_norm(h + F.dropout(a, dropout, dropout > 0), (d,), p["norm1.weight"], p["norm1.bias"])
        f = F.dropout(F.relu(F.linear(h, p["ff1.weight"], p["ff1.bias"])), dropout, dropout > 0)
        f = F.dropout(F.linear(f, p["ff2.weight"], p["ff2.bias"]), dropout, dropout > 0)
        h = F.layer_norm(h + f, (d,), p["norm2.weight"], p["norm2.bias"])
        layer += 1
    a, b = F.linear(h, w["head.ab.weight"]).chunk(2, dim=-1)
    g = torch.tanh(a[:, :, None] + b[:, None] + w["head.c"]) @ w["head.v"]
    return g - g.transpose(1, 2)
