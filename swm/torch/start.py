# SPDX-License-Identifier: Apache-2.0
"""Where training starts: the data-aware fit of `swm.convert`, of modules instead of graph nodes."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from swm.compress.fit_layers import fit_conv, fit_linear, fit_own
from swm.compress.methods import LeastSquares
from swm.graph import Conv, Linear
from swm.progress import Note, quiet
from swm.structure import BlockCirculant, BlockCirculantConv, Dense, WeightStructure
from swm.torch.places import Place

__all__ = ["Start", "data_aware"]

CHUNK = 256  # samples a run
Array = NDArray[Any]


class Start:
    """Finds where weights start, one after the other: each reads what the structured model before it gives."""

    def __init__(
        self,
        model: nn.Module,
        taken: list[tuple[Place, int]],
        inputs: tuple[Tensor, ...],
        kind: type[WeightStructure] = BlockCirculant,
    ) -> None:
        """The dense model is copied as it is now."""
        self._model, self._inputs, self._kind = model, inputs, kind
        self._blocks = {place.name: block for place, block in taken}
        self._dense = copy.deepcopy(model)

    @torch.no_grad()
    def fitted(self, place: Place) -> WeightStructure | None:
        """Fit the weight of a product or a convolution, and set the bias if there is one; None for any other."""
        original = dict(self._dense.named_modules())[place.owner]
        node = _node(original, place)
        if node is None:
            return None
        pairs = _Pairs(self._model, place.module, self._dense, original, self._inputs)
        if not pairs.called:
            return None  # another module reads the weight
        block = self._blocks[place.name]
        made: Linear | Conv
        if self._kind is not BlockCirculant:
            made = fit_own(node, self._kind, block, LeastSquares(), pairs)
        elif isinstance(node, Linear):
            made = fit_linear(node, block, LeastSquares(), pairs)
        else:
            made = fit_conv(node, block, LeastSquares(), pairs)
        bias = getattr(place.module, "bias", None)
        if isinstance(bias, Tensor) and made.bias is not None:
            bias.copy_(torch.from_numpy(made.bias))
        return made.weight

    @torch.no_grad()
    def apply(self, place: Place) -> None:
        """Set the columns of a weight that is block-circulant now."""
        weight = self.fitted(place)
        if weight is None:
            return
        assert isinstance(weight, BlockCirculant | BlockCirculantConv)
        columns: Tensor = place.module.parametrizations[place.tensor].original
        columns.copy_(torch.from_numpy(np.ascontiguousarray(weight.columns)).reshape(columns.shape))


def data_aware(
    model: nn.Module,
    taken: list[tuple[Place, int]],
    inputs: tuple[Tensor, ...],
    kind: type[WeightStructure] = BlockCirculant,
) -> Start:
    """See `Start`."""
    return Start(model, taken, inputs, kind)


def _node(module: nn.Module, place: Place) -> Linear | Conv | None:
    """The dense module as a graph node; None for what is only projected."""
    weight = place_weight(module, place)
    bias = getattr(module, "bias", None)
    offset = bias.detach().cpu().numpy() if isinstance(bias, Tensor) else None
    names: dict[str, Any] = {"name": place.name, "inputs": ("x",), "outputs": ("y",), "bias": offset}
    if isinstance(module, nn.Linear):
        return Linear(weight=Dense(weight), **names)
    if isinstance(module, nn.Conv1d | nn.Conv2d) and module.padding_mode == "zeros":
        kernel = tuple(module.kernel_size)
        return Conv(
            weight=Dense(weight.reshape(len(weight), -1)),
            channels=weight.shape[1],
            kernel=kernel,
            strides=tuple(module.stride),
            dilations=tuple(module.dilation),
            pads=_pads(module, kernel),
            group=module.groups,
            **names,
        )
    return None


def place_weight(module: nn.Module, place: Place) -> NDArray[np.float32]:
    """The weight as an array."""
    value: Tensor = getattr(module, place.tensor)
    return value.detach().cpu().to(torch.float32).numpy()


def _pads(module: nn.Conv1d | nn.Conv2d, kernel: tuple[int, ...]) -> tuple[int, ...]:
    if module.padding == "valid":
        return (0,) * (2 * len(kernel))
    if module.padding == "same":  # stride 1; torch puts the odd zero behind
        total = [d * (k - 1) for d, k in zip(module.dilation, kernel, strict=True)]
        return (*(t // 2 for t in total), *(t - t // 2 for t in total))
    given = tuple(int(p) for p in module.padding)
    return (*given, *given)


class _Pairs:
    """What a module reads in the structured model, and what it answers in the dense one, chunk by chunk.

    As `swm.compress.activation_pairs.ActivationPairs`, of which the fits use no more.
    """

    def __init__(
        self, model: nn.Module, module: nn.Module, dense: nn.Module, original: nn.Module, inputs: tuple[Tensor, ...]
    ) -> None:
        self.note: Note = quiet
        self.feeds: Mapping[str, Array] = {
            str(i): x.detach().cpu().numpy() for i, x in enumerate(inputs)
        }  # their number counts
        self._pieces: list[tuple[Array, Array]] = []
        count = min(len(x) for x in inputs)
        for start in range(0, count, CHUNK):
            part = tuple(x[start : start + CHUNK] for x in inputs)
            read = _captured(model, module, part, outputs=False)
            answered = _captured(dense, original, part, outputs=True)
            self._pieces += zip(read, answered, strict=True)

    @property
    def called(self) -> bool:
        """Whether the model calls the module at all."""
        return bool(self._pieces)

    def chunks(self, inputs: tuple[str, ...], targets: tuple[str, ...]) -> Iterator[tuple[list[Array], list[Array]]]:
        """Inputs and wanted outputs."""
        del inputs, targets
        for read, answered in self._pieces:
            yield [read], [answered]

    def rectified(self, tensor: str) -> bool:
        """What reads a module's output is not known."""
        del tensor
        return False


def _captured(model: nn.Module, module: nn.Module, inputs: tuple[Tensor, ...], *, outputs: bool) -> list[Array]:
    """What a module reads, or answers, at each of its calls."""
    seen: list[Array] = []

    def hook(_module: nn.Module, given: tuple[Any, ...], answer: Any) -> None:
        seen.append((answer if outputs else given[0]).detach().cpu().to(torch.float32).numpy())

    handle = module.register_forward_hook(hook)
    training = model.training
    try:
        model.eval()(*inputs)
    finally:
        handle.remove()
        model.train(training)
    return seen
