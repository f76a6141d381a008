# SPDX-License-Identifier: Apache-2.0
"""Structure put on a torch model in place, and taken off again with the weights that it made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from swm.errors import OptionError
from swm.structure import BlockCirculant as BlockCirculantMatrix
from swm.structure import WeightStructure, structure_named
from swm.torch.bits import FixedPoint
from swm.torch.budget import sizes_within
from swm.torch.chains import FLOAT_BITS, chain_of
from swm.torch.circulant import BlockCirculant
from swm.torch.places import Place, choose_blocks, places
from swm.torch.sparse import as_matrix
from swm.torch.start import data_aware

__all__ = [
    "Structured",
    "Weight",
    "finish",
    "parameter_groups",
    "parametrized",
    "put",
    "put_chain",
    "put_matrix",
    "refresh_formats",
    "register",
    "structure",
    "take_off",
]


@dataclass(frozen=True)
class Weight:
    """What became of one weight.

    Attributes:
        name: as in `named_parameters` of the model before.
        shape: of the weight.
        block: block size; 1 where it stays dense.
        reason: why it stays dense; empty where it does not.
        words: (before, after): numbers stored, padding included.
        bits: (before, after): bits stored, real numbers at 32, codes and indices at their own.
    """

    name: str
    shape: tuple[int, ...]
    block: int
    reason: str
    words: tuple[int, int]
    bits: tuple[int, int]


@dataclass(frozen=True)
class Structured:
    """What `structure` did to a model: all of its weights, in order."""

    weights: tuple[Weight, ...]

    @property
    def compression(self) -> float:
        """Bits of the weights before over those after, those that stay dense included."""
        before, after = (sum(w.bits[i] for w in self.weights) for i in (0, 1))
        return before / max(after, 1)


def structure(
    model: nn.Module,
    block: int | Mapping[str, int] | None = None,
    *,
    structure: str | type[WeightStructure] = "circulant",
    budget: int | str | None = None,
    calibration: Any = None,
    bits: int | None = None,
) -> Structured:
    """Make weights block-circulant, or of another structure, in place, by `torch.nn.utils.parametrize`.

    Any training loop then keeps them so. Linear, Conv1d, Conv2d, LSTM, GRU, RNN, MultiheadAttention and modules of
    one's own with a parameter `weight` take part. Rows of gates are matrices of their own. `state_dict` holds what is
    stored: first columns, kept blocks. `finish` takes the parametrizations off; the weights that stay are ordinary
    ones, and in an ONNX file made of them `swm.load(..., detect=True)` finds circulant blocks, coarse grain, N:M and
    ternary patterns again.

    Make the optimiser afterwards, from `parameter_groups`: the parameters are others now.

    Args:
        model: any module.
        block: power of two, or sizes by name or pattern, see `swm.torch.places.choose_blocks`; of another structure
            its size.
        structure: name in `swm.structure.STRUCTURES`, like "cgs-3bit" or "ternary8", or the class. Which blocks or
            places are kept is chosen now; patterns of signs go on changing.
        budget: instead of `block`: bits of all weights, codes and indices at their own, or a compression like "8x" of
            float32; sizes among the `candidates` of the structure by the error that each weight alone causes, of the
            outputs on `calibration`, else of the weights.
        calibration: an input of the model, or a tuple of its positional arguments, with samples along axis 0. Products
            and convolutions then start from the data-aware least squares fit of `swm.convert`, bias included; without
            it, and in recurrent layers and attention, from the nearest weight.
        bits: round what is stored to so many bits at a power of two, straight through: spectra of circulant blocks as
            hardware does, dense weights as they are.

    Raises:
        OptionError: impossible sizes or bits, names that match nothing, a budget that cannot be met, both or none of
            `block` and `budget`, nothing to structure.
    """
    found = places(model)
    if not found:
        raise OptionError(f"{type(model).__name__} has no weight that could take a structure")
    kind = structure_named(structure) if isinstance(structure, str) else structure
    if (block is None) == (budget is None):
        raise OptionError("give a block size, like block=8, or a budget, like budget='8x': one of the two")
    inputs = calibration if isinstance(calibration, tuple | None) else (calibration,)
    sizes = sizes_within(model, found, budget, inputs, kind) if budget is not None else block
    assert sizes is not None  # checked above
    chosen = choose_blocks(found, sizes, kind)
    taken = [(place, chosen[place.name][0]) for place in found if not chosen[place.name][1]]
    fits = data_aware(model, taken, inputs, kind) if inputs is not None else None
    done = []
    for place in found:
        size, reason = chosen[place.name]
        done.append(_report(place, size, reason, kind))
        if reason:
            if bits is not None:
                register(place, FixedPoint(bits))
        elif kind is BlockCirculantMatrix:
            put(place, size, bits=bits)
            if fits is not None:
                fits.apply(place)
        else:
            matrix = None if fits is None else fits.fitted(place)
            put_matrix(place, matrix or kind.project(as_matrix(place.weight), size), bits=bits)
    return Structured(tuple(done))


@torch.no_grad()
def put_matrix(place: Place, matrix: WeightStructure, *, bits: int | None = None, latent: bool = False) -> None:
    """Parametrize one weight by any structure but the block-circulant one, starting from what it holds.

    With `latent`, of few bits and ternary weights the numbers before rounding stay those of the weight, of which
    `matrix` must be the projection.
    """
    weight = place.weight.detach()
    dense = weight
    if not latent:
        dense = torch.from_numpy(matrix.to_dense().copy()).to(weight.device, weight.dtype).reshape(weight.shape)
    chain, stored = chain_of(matrix, dense)
    put_chain(place, chain if bits is None else [*chain, FixedPoint(bits)], stored)


@torch.no_grad()
def put_chain(place: Place, chain: list[nn.Module], stored: Tensor) -> None:
    """Parametrize one weight by parametrizations of `chain_of`, with what they read as the parameter."""
    device = place.weight.device
    for one in chain:
        register(place, one.to(device))
    place.module.parametrizations[place.tensor].original.copy_(stored)


def put(place: Place, block: int, *, bits: int | None = None) -> BlockCirculant:
    """Parametrize one weight, starting from the nearest one."""
    made = BlockCirculant(tuple(place.weight.shape), block, place.gates, bits)
    register(place, made)
    return made


def register(place: Place, parametrization: nn.Module) -> None:
    """Parametrize one weight."""
    place.weight.grad = None  # torch keeps the Parameter object, whose shape changes
    parametrize.register_parametrization(place.module, place.tensor, parametrization)
    if isinstance(place.module, nn.RNNBase):
        _keep_fresh(place.module)


def _report(place: Place, size: int, reason: str, kind: type[WeightStructure]) -> Weight:
    dense = place.weight.numel()
    shape = tuple(place.weight.shape)
    stored, stored_bits = dense, dense * FLOAT_BITS
    if not reason and kind is BlockCirculantMatrix:
        stored = math.prod(BlockCirculant(shape, size, place.gates).layout.stored)
        stored_bits = stored * FLOAT_BITS
    elif not reason:
        matrix = kind.project(as_matrix(place.weight), size)
        stored, stored_bits = matrix.words, matrix.bits(FLOAT_BITS)
    return Weight(place.name, shape, size, reason, (dense, stored), (dense * FLOAT_BITS, stored_bits))


def _keep_fresh(module: nn.RNNBase) -> None:
    """Torch's recurrent layers keep a list of their weights, which parametrizations do not reach: anew at each call."""
    if "_swm_fresh" in module.__dict__:
        return

    def take(layer: Any, _inputs: Any) -> None:
        layer._flat_weights = [getattr(layer, name) for name in layer._flat_weights_names]

    def drop(layer: Any, _inputs: Any, _outputs: Any) -> None:
        layer._flat_weights = []  # tensors with a history cannot be copied, and models are

    handles = (module.register_forward_pre_hook(take), module.register_forward_hook(drop, always_call=True))
    module.__dict__["_swm_fresh"] = handles
    drop(module, None, None)


def parametrized(model: nn.Module) -> list[tuple[str, nn.Module, str, list[nn.Module]]]:
    """Weights with parametrizations of ours: name of the module, module, name of the tensor, parametrizations."""
    found = []
    for owner, module in model.named_modules():
        for tensor, chain in getattr(module, "parametrizations", {}).items():
            if any(type(one).__module__.startswith("swm.torch") for one in chain):
                found.append((owner, module, tensor, list(chain)))
    return found


def take_off(module: nn.Module, tensor: str) -> None:
    """Remove the parametrizations of one weight, which stays as it last was."""
    made = type(module)
    # torch takes the weight's property from the class, which a deep copy of the module shares: a class of its own.
    module.__class__ = type(made.__name__, made.__bases__, dict(made.__dict__))
    parametrize.remove_parametrizations(module, tensor, leave_parametrized=True)


def finish(model: nn.Module) -> nn.Module:
    """Take all parametrizations of swm off, leaving the weights as they last were; returns the model."""
    for _, module, tensor, _ in parametrized(model):
        take_off(module, tensor)
        for handle in module.__dict__.pop("_swm_fresh", ()):
            handle.remove()
        if isinstance(module, nn.RNNBase):
            module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]
    return model


def parameter_groups(
    model: nn.Module, lr: float, *, weight_decay: float = 0.0, adaptive: bool = False
) -> list[dict[str, Any]]:
    """Parameters for a torch optimiser, a group for each block size, each with its learning rate.

    The gradient of a number that stands in k places is the sum of k gradients. With lr / k (and decay * k) plain
    gradient descent on the columns is gradient descent on the dense weight with a projection after each step, exactly
    where k divides the shape. Optimisers that divide by the gradient's size (Adam, RMSprop) undo the factor
    themselves: `adaptive` then leaves the rates alone. Scales of few-bit weights, biases and normalisations do not
    decay.

    Args:
        model: after `structure`.
        lr: that a dense weight would take.
        weight_decay: likewise.
        adaptive: for Adam and its like.
    """
    shared: dict[int, int] = {}
    own: set[int] = set()
    for _, module, tensor, chain in parametrized(model):
        original: Tensor = module.parametrizations[tensor].original
        for one in chain:
            if isinstance(one, BlockCirculant):
                shared[id(original)] = one.block
            own |= {id(p) for p in one.parameters()}
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        k = 1 if adaptive else shared.get(id(parameter), 1)
        decays = parameter.ndim > 1 and id(parameter) not in own
        group = {"params": [], "lr": lr / k, "weight_decay": weight_decay * k if decays else 0.0}
        groups.setdefault((k, decays), group)["params"].append(parameter)
    return list(groups.values())


@torch.no_grad()
def refresh_formats(model: nn.Module) -> None:
    """Choose the binary points of fixed-point weights again, for the weights as they are now."""
    for _, module, tensor, chain in parametrized(model):
        original: Tensor = module.parametrizations[tensor].original
        for one in chain:
            if isinstance(one, BlockCirculant) and one.spectrum is not None:
                one.spectrum.choose(torch.view_as_real(torch.fft.rfft(original)))
                break
            if isinstance(one, FixedPoint):
                one.choose(original)
            original = one(original)
