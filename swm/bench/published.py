# SPDX-License-Identifier: Apache-2.0
"""Published systems beside what swm models for the same network, or the same task, on the same board.

What was published stands in `published.toml` with how each figure is known. Ours are modelled, but for accuracies,
which are measured: those of the bundled network on its 1,000 test images. No figure of ours comes from a board.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from swm import api, bundled, compress
from swm.accelerator.backend import RTL, VITIS
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.interleave import sequence_obstacle, with_sequences
from swm.bench.shapes import LSTM_STEPS, lstm, mlp
from swm.device import load_board
from swm.graph import Graph
from swm.progress import Progress, told
from swm.report import design_figures

__all__ = ["KNOWN", "System", "Trained", "run_published", "systems", "trained"]

KNOWN = ("sourced", "computed", "recalled, checked")
CHOICES = ((1, 12), (1, 8), (2, 12), (2, 8), (4, 12), (4, 8), (8, 12), (8, 8))
"""Block sizes and bits of the bundled network that are measured."""
TRUENORTH, ESE, SWM_MNIST = "TrueNorth, MNIST (Esser 2015)", "ESE, LSTM (Han 2017)", "SWM, MNIST 3 (Ding 2018)"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(_Table):
    """What stands beside a system: its network by shape, or the bundled one where the task is the same.

    Attributes:
        kind: "mlp", "lstm" (a whole layer; a frame is one step) or "bundled".
        block: block size; 1 is dense.
        bits: of data and weights.
        clock_mhz: of the published system; absent, the board's own.
        widths: of an MLP.
        inputs: of an LSTM.
        cells: likewise.
        projection: likewise.
        accuracy: that the bundled network shall reach; the fastest that does stands there, else the most accurate.
        board: to model for where the system's own cannot be.
    """

    kind: Literal["mlp", "lstm", "bundled"]
    block: Annotated[int, Field(ge=1)] = 1
    bits: Annotated[int, Field(ge=4, le=18)] = 12
    clock_mhz: float | None = None
    widths: tuple[int, ...] = ()
    inputs: int = 0
    cells: int = 0
    projection: int = 0
    accuracy: float = 0.0
    board: str = ""

    def shape(self) -> NetworkShape:
        """By its shape alone."""
        if self.kind == "mlp":
            return mlp(self.widths, self.block, self.bits)
        return lstm(self.inputs, self.cells, self.projection, self.block, self.bits)

    @property
    def text(self) -> str:
        """In a few words."""
        if self.kind == "mlp":
            return f"MLP {'-'.join(map(str, self.widths))}"
        return f"LSTM {self.inputs} -> {self.cells} -> {self.projection}, peepholes"


class System(_Table):
    """A published system; `watts` and rates as published, `boundary` what the watts are of."""

    name: str
    board: str = ""
    network: Network | None = None
    refused: str = ""
    bits: str
    accuracy: str
    frames_per_s: Annotated[float, Field(gt=0)]
    watts: Annotated[float, Field(gt=0)] | None = None
    boundary: str
    known: Literal["sourced", "computed", "recalled, checked"]
    check: str = ""
    source: Annotated[str, Field(min_length=1)]


class Trained(_Table):
    """An accuracy of the bundled network that training with structure reached: mean of the seeds, in fixed point."""

    block: Annotated[int, Field(ge=2)]
    bits: Annotated[int, Field(ge=4, le=18)]
    accuracy: Annotated[float, Field(gt=0, lt=1)]
    seeds: Annotated[int, Field(ge=1)]
    samples: Annotated[int, Field(ge=1)]
    source: Annotated[str, Field(min_length=1)]


def trained() -> tuple[Trained, ...]:
    """The trained networks of `published.toml`, the most accurate first."""
    found = (Trained.model_validate(table) for table in _file()["trained"])
    return tuple(sorted(found, key=lambda one: -one.accuracy))


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))


def systems() -> tuple[System, ...]:
    """All of `published.toml`, in its order."""
    return tuple(System.model_validate(table) for table in _file()["system"])


def run_published(*, progress: Progress | bool | None = None, quick: bool = False) -> dict[str, Any]:
    """Model every system that can be, and the headline ratios.

    Args:
        progress: called as progress(what, systems done, systems).
        quick: leave the bundled network out, which is converted and measured.
    """
    found = systems()
    rows = []
    with told(progress) as say:
        for i, system in enumerate(found):
            say(system.name, i, len(found))
            rows.append(_row(system, quick))
        say("headline ratios", len(found), len(found))
        headlines = [] if quick else _headlines(rows)
    return {"benchmark": "published", "rows": rows, "headlines": headlines}


def _row(system: System, quick: bool) -> dict[str, Any]:
    theirs = _rates(system.frames_per_s, system.watts)
    row: dict[str, Any] = {
        "system": system.name,
        "board": system.board,
        "published": {**theirs, "bits": system.bits, "accuracy": system.accuracy, "boundary": system.boundary},
        "known": system.known,
        "check": system.check,
        "source": system.source,
        "ours": None,
        "not_modelled": system.refused,
    }
    network = system.network
    if network is None or (quick and network.kind == "bundled"):
        row["not_modelled"] = row["not_modelled"] or "left out of a quick run"
    elif network.kind == "bundled":
        row["ours"] = _bundled(network.board or system.board, network.accuracy)
    else:
        made = _modelled(network.shape(), network.board or system.board, network.clock_mhz)
        blocks = "dense" if network.block == 1 else f"block {network.block}"
        text = f"{network.text}, {blocks}, {network.bits} bits"
        row["ours"] = {"network": text + _turns(made), "accuracy": None, **made}
    return row


def _rates(frames_per_s: float, watts: float | None) -> dict[str, Any]:
    return {
        "frames_per_s": frames_per_s,
        "watts": watts,
        "frames_per_joule": None if watts is None else frames_per_s / watts,
    }


def _modelled(shape: NetworkShape, board: str, clock_mhz: float | None) -> dict[str, Any]:
    """Figures of a frame, which of a recurrent layer is a step: as many sequences take turns as make it faster."""
    recurrent, target = sequence_obstacle(shape) == "", load_board(board)
    backend = VITIS if target.vendor in VITIS.vendors else RTL
    _, plan = with_sequences(shape, target, backend=backend, clock_mhz=clock_mhz, sequences=None if recurrent else 1)
    found = design_figures(plan)
    rate, watts = found.inferences_per_s, found.watts.total if found.watts else None
    used, frames = found.used.routed, plan.sequences * LSTM_STEPS if recurrent else 1
    if rate is not None:
        rate *= LSTM_STEPS if recurrent else 1
    return {
        "board": board,
        "clock_mhz": plan.clock_mhz,
        "interval": None if found.interval is None else found.interval / frames,
        "sequences": plan.sequences,
        "fits": found.fits,
        "overflow": found.overflow,
        "dsp": used.dsp,
        "lut": used.lut,
        **({"frames_per_s": None, "watts": None, "frames_per_joule": None} if rate is None else _rates(rate, watts)),
    }


def _turns(made: Mapping[str, Any]) -> str:
    return f", {made['sequences']} sequences in turn" if made["sequences"] > 1 else ""


@cache
def _converted(block: int) -> Graph:
    graph = api.load(bundled.model_path())
    if block == 1:
        return graph
    return api.convert(graph, block=block, calibration=bundled.calibration()[0], hold_out=False).graph


@cache
def _measured(block: int, bits: int) -> tuple[float, NetworkShape]:
    """Accuracy of the bundled network on its test images, of integers, and its shape."""
    images, labels = bundled.test()
    fixed = api.quantize(_converted(block), bits=bits, calibration=bundled.calibration()[0])
    return compress.accuracy(np.asarray(api.run(fixed, images)), labels), fixed.shape


@cache
def _choice(block: int, bits: int, board: str) -> dict[str, Any]:
    """The bundled network on a board, with its accuracy."""
    accuracy, shape = _measured(block, bits)
    blocks = "dense" if block == 1 else f"block {block}"
    text = f"MLP 784-512-512-10 (bundled), {blocks}, {bits} bits"
    return {"network": text, "accuracy": accuracy, **_modelled(shape, board, None)}


def _bundled(board: str, least: float, choices: tuple[tuple[int, int], ...] = CHOICES) -> dict[str, Any]:
    """The fastest choice that is as accurate as asked for; else the most accurate, of those the fastest."""
    found = [one for block, bits in choices if (one := _choice(block, bits, board))["fits"]]
    enough = [one for one in found if one["accuracy"] >= least]
    if enough:
        return max(enough, key=lambda one: float(one["frames_per_s"]))
    return max(found, key=lambda one: (one["accuracy"], one["frames_per_s"]))


_BUNDLED = (784, 512, 512, 10)
_CIRCULANT = tuple(choice for choice in CHOICES if choice[0] > 1)
_DENSE = tuple(choice for choice in CHOICES if choice[0] == 1)
_NO_TIMIT = (
    "not measured: the TIMIT recordings are not here. An LSTM of 128 cells at block 8, trained on spoken digits, has"
    " 95.8 %, the dense one 95.3 % (three seeds, docs/results.md)"
)
_OF_SWM = "SWM's MNIST 3, recalled and checked; its abstract says at least 152X and 72X over MNIST, SVHN and CIFAR-10"
_OF_CLSTM = (
    "SWM's table, which is C-LSTM's: rate on XCKU060, energy on XC7VX690T; its abstract says up to 21X and 33.5X"
)
_NOT_SAME = "no: SWM's is a Cyclone V; our watts are those of the whole device, its processor included"
_PAPER = "cyclonev-5cea9"
_SAME_CYCLONE = (
    "yes, 5CEA9, back end rtl at 100 MHz, a clock that no tool has closed; our static watts are Quartus's for a device"
    " of this size, our dynamic ones AMD's coefficients (docs/boards.md)"
)
_SAME = "yes, XCKU060; ESE's 41 W as published, ours the modelled power of the device"


def _headlines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """SWM's ratios, and ours: over TrueNorth on MNIST, over ESE on the same device."""
    theirs = {(row["system"], row["board"]): row["published"] for row in rows}
    ours = {(row["system"], row["board"]): row["ours"] for row in rows}
    north, ese = theirs[TRUENORTH, ""], theirs[ESE, "adm-pcie-ku3"]
    found = []
    for what, board, made in _mnist():
        where = made.get("measured_on", "on the 1,000 bundled images, without retraining")
        accuracy = f"99.4 % for TrueNorth, 99.0 % for SWM; ours {100 * made['accuracy']:.1f} %, measured {where}"
        ratios = _ratios(theirs[SWM_MNIST, _PAPER], north), _ratios(made, north)
        same = _SAME_CYCLONE if board == _PAPER else _NOT_SAME
        found.append(_headline(f"MNIST over TrueNorth: {what}, {board}", ratios, _OF_SWM, made, accuracy, same))
    for block in (16, 8):
        name = f"C-LSTM, block {block} (Wang 2018)"
        rate, energy = theirs[name, "adm-pcie-ku3"], theirs[name, "adm-pcie-7v3"]
        names = ("frames_per_s", "frames_per_joule")
        published = [one[name] / ese[name] for one, name in zip((rate, energy), names, strict=True)]
        made = ours[name, "adm-pcie-ku3"]
        accuracy = _NO_TIMIT
        words = f"LSTM over ESE, block {block}, XCKU060 at 200 MHz"
        found.append(_headline(words, (published, _ratios(made, ese)), _OF_CLSTM, made, accuracy, _SAME))
    return found


def _mnist() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Designs that stand beside TrueNorth: what each is, its board, its figures."""
    for board in (_PAPER, "zc706", "zcu104"):
        for one in trained():
            made = _modelled(mlp(_BUNDLED, one.block, one.bits), board, None)
            text = f"MLP 784-512-512-10 (bundled), block {one.block}, {one.bits} bits, trained with structure"
            where = f"on {one.samples:,} images, {one.seeds} seeds ({one.source})"
            yield (
                f"trained, block {one.block}",
                board,
                {"network": text, "accuracy": one.accuracy, "measured_on": where, **made},
            )
        yield "the most accurate circulant design", board, _bundled(board, 1.0, _CIRCULANT)
    yield "the dense network", "zc706", _bundled("zc706", 1.0, _DENSE)


def _ratios(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[float]:
    """Of rates and of energies."""
    return [one[name] / other[name] for name in ("frames_per_s", "frames_per_joule")]


def _headline(
    ratio: str,
    ratios: tuple[list[float], list[float]],
    published_as: str,
    made: Mapping[str, Any],
    accuracy: str,
    same_device: str,
) -> dict[str, Any]:
    return {
        "ratio": ratio,
        "published": ratios[0],
        "published_as": published_as,
        "ours": ratios[1],
        "network": made["network"],
        "accuracy": accuracy,
        "same_device": same_device,
    }
