# SPDX-License-Identifier: Apache-2.0
"""Writes `tests/exported/`: small networks as people write them in torch, by both of its exporters.

    python tests/export_torch.py          # needs torch, onnx and onnxscript; the tests that read the files need none

The files in the repository are of torch 2.13.0, onnx 1.23.2 and onnxscript 0.7.2.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import torch
from torch import nn

FOLDER = Path(__file__).parent / "exported"
STEPS, INPUTS, CELLS, CLASSES = 6, 8, 16, 4


class Tagger(nn.Module):
    """Two recurrent layers, batch first, and a class for every step."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.layers = kind(INPUTS, CELLS, num_layers=2, batch_first=True)
        self.head = nn.Linear(CELLS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x)[0])


class Last(nn.Module):
    """A bidirectional layer; the class comes from the last states of both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(INPUTS, CELLS, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * CELLS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, h = self.layer(x)
        return self.head(torch.cat([h[0], h[1]], dim=1))


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, n: int, m: int, stride: int) -> None:
        super().__init__()
        self.a, self.na = nn.Conv2d(n, m, 3, stride, 1, bias=False), nn.BatchNorm2d(m)
        self.b, self.nb = nn.Conv2d(m, m, 3, 1, 1, bias=False), nn.BatchNorm2d(m)
        self.short = nn.Conv2d(n, m, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.nb(self.b(torch.relu(self.na(self.a(x)))))
        return torch.relu(y + self.short(x))


class Resnet(nn.Module):
    """Two residual blocks, global pooling, classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.blocks = nn.Sequential(Block(8, 8, 1), Block(8, 16, 2))
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.blocks(torch.relu(self.first(x)))
        return self.head(nn.functional.adaptive_avg_pool2d(y, 1).flatten(1))


class Encoder(nn.Module):
    """torch's own encoder layer; its attention moves samples behind the tokens and joins them to the heads."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(INPUTS, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(self.first(x)).mean(1))


class Vision(nn.Module):
    """A block of a vision transformer as timm writes it: one product for queries, keys and values, a class token."""

    def __init__(self, heads: int = 2, width: int = 16) -> None:
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(1, width, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 10, width))
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1) + self.places
        n, tokens, width = y.shape
        q, k, v = self.qkv(self.norm(y)).reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        p = ((q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
        y = y + self.out((p @ v).transpose(1, 2).reshape(n, tokens, width))
        return self.head(y[:, 0])


class Spotter(nn.Module):
    """A convolution along time and a GRU behind it, the class of the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(INPUTS, CELLS, 3, 2, 1)
        self.layers = nn.GRU(CELLS, CELLS, batch_first=True)
        self.head = nn.Linear(CELLS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.first(x.transpose(1, 2)))
        return self.head(self.layers(y.transpose(1, 2))[0][:, -1])


class Causal(nn.Module):
    """Dilated convolutions that see the past only, the class of the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv1d(INPUTS, CELLS, 3), nn.Conv1d(CELLS, CELLS, 3, dilation=2)
        self.head = nn.Linear(CELLS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.a(nn.functional.pad(x, (2, 0))))
        y = y + torch.relu(self.b(nn.functional.pad(y, (4, 0))))
        return self.head(y[:, :, -1])


class Llama(nn.Module):
    """A block as Llama has it: rotated queries and keys, heads that share keys, a causal mask, SwiGLU."""

    def __init__(self, width: int = 16, heads: int = 4, groups: int = 2) -> None:
        super().__init__()
        self.heads, self.groups, self.inner = heads, groups, width // heads
        shared = groups * self.inner
        self.q, self.k, self.v = (nn.Linear(width, n, bias=False) for n in (width, shared, shared))
        self.out = nn.Linear(width, width, bias=False)
        self.gate, self.up, self.down = nn.Linear(width, 32), nn.Linear(width, 32), nn.Linear(32, width)
        self.gains = nn.ParameterList(1 + torch.randn(width) / 5 for _ in range(2))
        self.head = nn.Linear(width, CLASSES)
        self.register_buffer("rates", 10000 ** (-torch.arange(0, self.inner, 2) / self.inner))

    def norm(self, x: torch.Tensor, place: int) -> torch.Tensor:
        return self.gains[place] * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        angles = torch.outer(torch.arange(x.shape[2]).float(), self.rates)
        angles = torch.cat((angles, angles), -1)
        a, b = x[..., : self.inner // 2], x[..., self.inner // 2 :]
        return x * angles.cos() + torch.cat((-b, a), -1) * angles.sin()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, tokens, width = x.shape
        y = self.norm(x, 0)
        q, k, v = (
            layer(y).view(n, tokens, count, self.inner).transpose(1, 2)
            for layer, count in ((self.q, self.heads), (self.k, self.groups), (self.v, self.groups))
        )
        k, v = (
            t[:, :, None].expand(-1, -1, self.heads // self.groups, -1, -1).reshape(n, self.heads, tokens, self.inner)
            for t in (self.turned(k), v)
        )
        y = nn.functional.scaled_dot_product_attention(self.turned(q), k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, tokens, width))
        y = self.norm(x, 1)
        return self.head(x + self.down(nn.functional.silu(self.gate(y)) * self.up(y)))


def export(name: str, model: nn.Module, x: torch.Tensor) -> None:
    """Write both files; sizes under 60 kB."""
    model.train()
    for _ in range(4):
        model(torch.randn_like(x).repeat(8, *[1] * (x.dim() - 1)))  # statistics of normalisations
    model.eval()
    for dynamo in (False, True):
        file = FOLDER / f"{name}_{'dynamo' if dynamo else 'script'}.onnx"
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "m.onnx"
            options = (
                {"dynamo": True, "dynamic_shapes": ({0: torch.export.Dim("batch")},)}
                if dynamo
                else {"dynamo": False, "dynamic_axes": {"x": {0: "batch"}, "y": {0: "batch"}}}
            )
            torch.onnx.export(model, (x,), str(path), input_names=["x"], output_names=["y"], **options)
            made = onnx.load(path)  # its external data, too
        for node in made.graph.node:  # stack traces with paths of this machine
            del node.metadata_props[:]
        onnx.save(made, file)
        assert file.stat().st_size < 60_000, file


def main() -> None:
    """All of them."""
    torch.manual_seed(0)
    FOLDER.mkdir(exist_ok=True)
    export("lstm", Tagger(nn.LSTM), torch.randn(2, STEPS, INPUTS))
    export("gru", Tagger(nn.GRU), torch.randn(2, STEPS, INPUTS))
    export("gru_last", Last(), torch.randn(2, STEPS, INPUTS))
    export("resnet", Resnet(), torch.randn(2, 1, 12, 12))
    export("encoder", Encoder(), torch.randn(2, STEPS, INPUTS))
    export("vision", Vision(), torch.randn(2, 1, 12, 12))
    export("spotter", Spotter(), torch.randn(2, 12, INPUTS))
    export("causal", Causal(), torch.randn(2, INPUTS, 12))
    export("llama", Llama(), torch.randn(2, 6, 16))


if __name__ == "__main__":
    main()
