# SPDX-License-Identifier: Apache-2.0
"""Train the bundled MNIST network and write the files of ``swm/bundled/``.

Usage (needs the ``train`` extra and the four MNIST idx ``.gz`` files)::

    python tools/train_bundled.py --mnist DIR [--out swm/bundled]

It writes ``mnist_mlp.onnx``, ``mnist_calibration.npz``, ``mnist_test.npz`` and ``LICENSE.md`` (with the
measured accuracies). The network of the last epoch is kept, so the test set picks nothing; hyper-parameters
are chosen with ``--holdout 10000``, which trains on the other training images, measures on those held out and
writes no file.

The seed and the thread count are fixed: a second run on the same machine and torch version gives the same
weights. Other versions or processors round differently and give an equivalent network, not the same.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import logging
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger("train_bundled")

WIDTHS = (784, 512, 512, 10)
SIDE = 28  # pixels
CALIBRATION_STRIDE = 30  # every 30th of 60,000 training images: 2,000, over the whole file
TEST_IMAGES = 1000
IR_VERSION = 10
OPSET = 17

# Checksums of the *uncompressed* idx files: gzip headers differ between mirrors, the contents do not.
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of one training run.

    The weight decay is far stronger than accuracy alone asks for: the weights are later projected on
    block-circulant matrices without retraining, and on held-out images a network trained this way lost less
    there. Dropout had no such effect.
    """

    seed: int = 2026
    epochs: int = 30
    batch: int = 256
    peak_rate: float = 3e-3
    weight_decay: float = 1.0
    dropout_input: float = 0.05
    dropout_hidden: float = 0.1
    max_shift: float = 1.0  # pixels
    max_turn: float = 6.0  # degrees
    max_zoom: float = 0.06  # relative


def read_idx(folder: Path, name: str) -> NDArray[np.uint8]:
    """Read one MNIST idx file.

    Args:
        folder: Folder of the ``.gz`` files.
        name: File name without ``.gz``, a key of `MNIST_MD5`.

    Returns:
        uint8 array: (n, 28, 28) for images, (n,) for labels.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: Its contents are not those of the published MNIST file.
    """
    raw = gzip.decompress((folder / f"{name}.gz").read_bytes())
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if digest != MNIST_MD5[name]:
        raise ValueError(f"{name}.gz in {folder} is not the published MNIST file (md5 {digest})")
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", count=rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def as_input(images: NDArray[np.uint8]) -> torch.Tensor:
    """Turn uint8 images of any trailing shape into the network's input: float32 (n, 784) in [0, 1]."""
    return torch.from_numpy(images.reshape(len(images), -1).astype(np.float32) / np.float32(255))


def distort(batch: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Shift, turn and zoom every image a little, each in its own way.

    Args:
        batch: float32 (n, 784).
        recipe: Bounds of the distortion.
        generator: Source of randomness.

    Returns:
        float32 (n, 784), bilinearly resampled, zero outside the image.
    """
    uniform = torch.rand((4, len(batch)), generator=generator) * 2 - 1
    angle = uniform[0] * torch.deg2rad(torch.tensor(recipe.max_turn))
    zoom = 1 + uniform[1] * recipe.max_zoom
    shift = uniform[2:] * (recipe.max_shift * 2 / SIDE)  # affine_grid measures in half image widths
    cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
    affine = torch.stack([cos, -sin, shift[0], sin, cos, shift[1]], dim=1).reshape(-1, 2, 3)
    grid = functional.affine_grid(affine, [len(batch), 1, SIDE, SIDE], align_corners=False)
    images = batch.reshape(-1, 1, SIDE, SIDE)
    return functional.grid_sample(images, grid, align_corners=False).reshape(len(batch), -1)


def build(recipe: Recipe) -> nn.Sequential:
    """Build the network with dropout, which training uses and the written file does not hold."""
    layers: list[nn.Module] = [nn.Dropout(recipe.dropout_input)]
    for n_in, n_out in pairwise(WIDTHS[:-1]):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(recipe.dropout_hidden)]
    return nn.Sequential(*layers, nn.Linear(WIDTHS[-2], WIDTHS[-1]))


def train(images: NDArray[np.uint8], labels: NDArray[np.uint8], recipe: Recipe) -> nn.Sequential:
    """Train by AdamW under a one-cycle learning rate.

    Args:
        images: uint8 (n, 28, 28).
        labels: uint8 (n,), 0 to 9.
        recipe: Hyper-parameters.

    Returns:
        The network of the last epoch, in evaluation mode.
    """
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    x, y = as_input(images), torch.from_numpy(labels.astype(np.int64))
    net = build(recipe)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.peak_rate, weight_decay=recipe.weight_decay)
    steps = -(-len(x) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.peak_rate, epochs=recipe.epochs, steps_per_epoch=steps
    )
    for epoch in range(recipe.epochs):
        net.train()
        total = 0.0
        for rows in torch.randperm(len(x), generator=generator).split(recipe.batch):
            optimiser.zero_grad()
            loss = functional.cross_entropy(net(distort(x[rows], recipe, generator)), y[rows])
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)
        log.info("epoch %2d of %d: loss %.4f", epoch + 1, recipe.epochs, total / len(x))
    return net.eval()


@torch.inference_mode()
def correct(net: nn.Sequential, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which images the network classifies correctly: bool (n,)."""
    return net(as_input(images)).argmax(1).numpy() == labels


def to_onnx(net: nn.Sequential, recipe: Recipe) -> onnx.ModelProto:
    """Write the network as Gemm and Relu nodes.

    Args:
        net: A trained network of `build`.
        recipe: What it was trained with, stated in the doc string.

    Returns:
        A checked model: input ``image`` float32 (batch, 784), output ``logits`` float32 (batch, 10); weights
        ``fc1.weight`` (out, in) with ``transB = 1`` and biases ``fc1.bias`` (out,), as torch keeps them.
    """
    linears = [layer for layer in net if isinstance(layer, nn.Linear)]
    nodes, initializers, current = [], [], "image"
    for number, layer in enumerate(linears, start=1):
        name, last = f"fc{number}", number == len(linears)
        for part in ("weight", "bias"):
            value = getattr(layer, part).detach().numpy()
            initializers.append(numpy_helper.from_array(value, f"{name}.{part}"))
        out = "logits" if last else f"{name}.out"
        inputs = [current, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Gemm", inputs, [out], name=name, transB=1))
        if not last:
            nodes.append(helper.make_node("Relu", [out], [f"relu{number}.out"], name=f"relu{number}"))
        current = out if last else f"relu{number}.out"
    graph = helper.make_graph(
        nodes,
        "mnist_mlp",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", WIDTHS[0]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", WIDTHS[-1]])],
        initializers,
        doc_string="Input: MNIST pixels divided by 255, row by row. Output: logits of the digits 0 to 9.",
    )
    model = helper.make_model(
        graph,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="swm tools/train_bundled.py",
        doc_string=(
            f"MLP {'-'.join(map(str, WIDTHS))} with ReLU, trained on the 60,000 MNIST training images by "
            f"tools/train_bundled.py of the swm repository. {recipe}. Apache-2.0."
        ),
    )
    onnx.checker.check_model(model, full_check=True)
    return model


LICENSE_TEXT = """\
# Origin and licences of the bundled files

Written by `tools/train_bundled.py`; edit that script, not this file.

| file | what | licence |
|---|---|---|
| `mnist_mlp.onnx` | MLP {widths}, ReLU, float32, trained by that script | Apache-2.0 |
| `mnist_calibration.npz` | {calibration:,} **training** images (every {stride}th), labels | CC BY-SA 3.0 |
| `mnist_test.npz` | the **first {test:,}** of 10,000 test images, labels | CC BY-SA 3.0 |

MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, distributed under the Creative Commons
Attribution-ShareAlike 3.0 licence (<https://creativecommons.org/licenses/by-sa/3.0/>). Changes made here: a
selection of the images, stored as npz. The pixel values are the originals.

The calibration images are among those the network was trained on; the test images are not.

## Measured accuracy of `mnist_mlp.onnx`

Float32, by torch {torch}, right after training ({seconds:.0f} s, {threads} threads). The network is the one
of the last epoch: no test image had a say in it.

| images | correct | accuracy |
|---|---|---|
| all 10,000 of the test set | {full:,} | {full_percent:.2f} % |
| the bundled {test:,} | {part:,} | {part_percent:.1f} % |
"""


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--mnist", type=Path, required=True, metavar="DIR", help="folder of the .gz files")
    default_out = Path(__file__).resolve().parents[1] / "swm" / "bundled"
    parser.add_argument("--out", type=Path, default=default_out, metavar="DIR", help="default: swm/bundled")
    parser.add_argument("--holdout", type=int, default=0, metavar="N", help="measure on N training images")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads; part of what fixes the result")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(mode=True)

    recipe = Recipe()
    images = read_idx(args.mnist, "train-images-idx3-ubyte")
    labels = read_idx(args.mnist, "train-labels-idx1-ubyte")
    used = len(images) - args.holdout
    start = time.perf_counter()
    net = train(images[:used], labels[:used], recipe)
    seconds = time.perf_counter() - start
    log.info("trained in %.0f s", seconds)
    if args.holdout:
        rate = correct(net, images[used:], labels[used:]).mean()
        log.info("held-out accuracy: %.2f %% of %d", 100 * rate, args.holdout)
        return

    test_images = read_idx(args.mnist, "t10k-images-idx3-ubyte")
    test_labels = read_idx(args.mnist, "t10k-labels-idx1-ubyte")
    right = correct(net, test_images, test_labels)
    full, part = int(right.sum()), int(right[:TEST_IMAGES].sum())
    log.info("test accuracy: %d of %d, and %d of the first %d", full, len(right), part, TEST_IMAGES)

    args.out.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(net, recipe), args.out / "mnist_mlp.onnx")
    picks = {
        "mnist_calibration.npz": (images[::CALIBRATION_STRIDE], labels[::CALIBRATION_STRIDE]),
        "mnist_test.npz": (test_images[:TEST_IMAGES], test_labels[:TEST_IMAGES]),
    }
    for name, (chosen, digits) in picks.items():
        np.savez_compressed(args.out / name, images=chosen.reshape(len(chosen), -1), labels=digits)
    (args.out / "LICENSE.md").write_text(
        LICENSE_TEXT.format(
            widths="-".join(map(str, WIDTHS)),
            calibration=len(images[::CALIBRATION_STRIDE]),
            stride=CALIBRATION_STRIDE,
            test=TEST_IMAGES,
            torch=torch.__version__,
            seconds=seconds,
            threads=args.threads,
            full=full,
            full_percent=100 * full / len(right),
            part=part,
            part_percent=100 * part / TEST_IMAGES,
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
