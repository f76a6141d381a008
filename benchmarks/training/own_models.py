# SPDX-License-Identifier: Apache-2.0
"""Dense networks for rows of docs/results.md that no published model serves: trained here, written as ONNX files.

    python benchmarks/training/own_models.py --shared FOLDER --out build/own-models            # all, about half an hour
    python benchmarks/training/own_models.py --out build/own-models --models lstm_digits       # some

The training part of a set alone is seen, a tenth of it held out to choose the best epoch; the test part is measured
once, when the file is written, and printed. run.py makes what it misses.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from accuracy import ROOT, shared_data
from augmentation import Augment, distort, flip_and_shift, masked_frames

Array = NDArray[Any]
FRAMES, BANDS, WINDOW, HOP, RATE = 40, 32, 256, 160, 8000  # 0.8 s in steps of 20 ms, windows of 32 ms
SEED = 0


def mel_bands() -> Array:
    """Triangles on the mel scale, (bands, bins of the spectrum): 2595 log10(1 + f / 700)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(rise, fall), 0, None)


def spoken_digits(loaders: Any) -> tuple[Array, Array, Array, Array]:
    """Log mel energies of the Free Spoken Digit recordings, (n, frames, bands): data, labels, test inputs, labels.

    Cut or padded to 0.8 s; the mean and deviation of each band are those of the training recordings.
    """
    sounds, labels, _, is_test = loaders.fsdd()
    bands, shape = mel_bands(), np.hanning(WINDOW)
    found = np.empty((len(sounds), FRAMES, BANDS))
    length = WINDOW + (FRAMES - 1) * HOP
    for i, sound in enumerate(sounds):
        padded = np.zeros(length)
        padded[: min(length, len(sound))] = sound[:length] / 32768
        pieces = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * shape
        found[i] = np.log(np.square(np.abs(np.fft.rfft(pieces))) @ bands.T + 1e-4)
    train = found[~is_test]
    found = ((found - train.mean((0, 1))) / train.std((0, 1))).astype(np.float32)
    y = labels.astype(np.int64)
    return found[~is_test], y[~is_test], found[is_test], y[is_test]


def images(loaders: Any) -> tuple[Array, Array, Array, Array]:
    """CIFAR-10 (JPEG quality 75), channels first, 0 to 1 less 0.5, times 4."""
    train, labels, test, truth = loaders.cifar10_jpeg()
    ready = [np.ascontiguousarray((x.transpose(0, 3, 1, 2) / np.float32(255) - 0.5) * 4) for x in (train, test)]
    return ready[0], labels.astype(np.int64), ready[1], truth.astype(np.int64)


def digits(loaders: Any) -> tuple[Array, Array, Array, Array]:
    """MNIST, (n, 784), 0 to 1."""
    train, labels, test, truth = loaders.mnist()
    ready = [x.reshape(len(x), -1).astype(np.float32) / np.float32(255) for x in (train, test)]
    return ready[0], labels.astype(np.int64), ready[1], truth.astype(np.int64)


class Digits(nn.Module):
    """An LSTM of 128 cells over the frames; its last state names the digit."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, 128, batch_first=True)
        self.last = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(n, frames, bands) → (n, 10)."""
        return self.last(self.lstm(x)[0][:, -1])


def keywords() -> nn.Module:
    """Three layers of 512 over all frames at once, as keyword spotters with coarse-grain sparsity have them."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n in (FRAMES * BANDS, 512, 512):
        layers += [nn.Linear(n, 512), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(512, 10))


def wide_mlp() -> nn.Module:
    """784-1024-512-10: twice the first layer of the bundled network."""
    layers: list[nn.Module] = []
    for n, m in ((784, 1024), (1024, 512)):
        layers += [nn.Linear(n, m), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(512, 10))


def small_cnn() -> nn.Module:
    """Three convolutions of stride 2 and two products."""
    layers: list[nn.Module] = []
    for n, m in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(n, m, 3, stride=2, padding=1), nn.BatchNorm2d(m), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(2048, 512), nn.ReLU(), nn.Linear(512, 10))


@dataclass(frozen=True)
class OwnModel:
    """How one of them is trained."""

    make: Callable[[], nn.Module]
    data: Callable[[Any], tuple[Array, Array, Array, Array]]
    epochs: int
    batch: int
    rate: float
    augment: Augment


OWN_MODELS = {
    "lstm_digits": OwnModel(Digits, spoken_digits, 30, 64, 5e-3, masked_frames(4, 0.2)),
    "mlp_keywords": OwnModel(keywords, spoken_digits, 30, 64, 2e-3, masked_frames(4, 0.2)),
    "mlp_mnist": OwnModel(wide_mlp, digits, 12, 128, 2e-3, distort(6.0, 0.06, 1.0)),
    "cnn_cifar_512": OwnModel(small_cnn, images, 12, 128, 4e-3, flip_and_shift(2)),
}


def right(model: nn.Module, x: Array, y: Array) -> float:
    """Accuracy."""
    model.eval()
    with torch.no_grad():
        found = torch.cat([model(torch.from_numpy(x[i : i + 500])) for i in range(0, len(x), 500)]).argmax(1)
    return float((found.numpy() == y).mean())


def train(own: OwnModel, x: Array, y: Array) -> nn.Module:
    """The network of the epoch that is best on a tenth held out of the data. AdamW, one cycle."""
    torch.manual_seed(SEED)
    model, chance = own.make(), torch.Generator().manual_seed(SEED)
    order = np.random.default_rng(SEED).permutation(len(x))
    held, rows = order[: len(x) // 10], order[len(x) // 10 :]
    optimiser = torch.optim.AdamW(model.parameters(), lr=own.rate, weight_decay=1e-2)
    steps = own.epochs * -(-len(rows) // own.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, own.rate, total_steps=steps)
    best, kept = -1.0, model
    for epoch in range(own.epochs):
        model.train()
        for part in torch.from_numpy(rows)[torch.randperm(len(rows), generator=chance)].split(own.batch):
            feeds = own.augment({"x": torch.from_numpy(x[part.numpy()])}, chance)
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(feeds["x"]), torch.from_numpy(y[part.numpy()])).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            schedule.step()
        score = right(model, x[held], y[held])
        print(f"epoch {epoch + 1} of {own.epochs}: {100 * score:.2f} % of the samples held out", flush=True)
        if score > best:
            best, kept = score, copy.deepcopy(model)
    return kept.eval()


def make(name: str, path: Path, loaders: Any) -> None:
    """Train one, and write it."""
    own, started = OWN_MODELS[name], time.perf_counter()
    x, y, test, truth = own.data(loaders)
    model = train(own, x, y)
    path.parent.mkdir(parents=True, exist_ok=True)
    sample = torch.from_numpy(x[:2])
    free = {"x": {0: "n"}, "y": {0: "n"}}
    torch.onnx.export(
        model, (sample,), str(path), input_names=["x"], output_names=["y"], dynamic_axes=free, dynamo=False
    )
    seconds = time.perf_counter() - started
    print(f"{name}: {100 * right(model, test, truth):.2f} % of {len(test)} test samples, {seconds:.0f} s", flush=True)


def main() -> None:
    """Train all, or some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SWM_SHARED") or ROOT.parent / "shared"))
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "own-models")
    parser.add_argument("--models", default=",".join(OWN_MODELS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    loaders = shared_data(options.shared)
    for name in options.models.split(","):
        make(name, options.out / f"{name}.onnx", loaders)


if __name__ == "__main__":
    main()
