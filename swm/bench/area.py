# SPDX-License-Identifier: Apache-2.0
"""The resource model of back end rtl against yosys: fitted on some layers, judged on others.

What is counted in a module (`swm.layers.rtl.area`) gets a price for each sort of bits, the same in all modules, and
each module a factor on top, its median. Prices that follow from the device are not fitted: a register is a flip-flop.
All others are fitted on layers of 8 and 16 bits on 7-series parts; the errors that count are those of rows that no fit
has seen: layers of 12 bits, and UltraScale+ parts. Cyclone V, ECP5 and Gowin parts have prices of their own, fitted to
the same layers mapped there. `coefficients` writes what the model uses.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from swm.accelerator.backend import VITIS
from swm.accelerator.design import Design, PlacedLayer
from swm.accelerator.resources import process_costs
from swm.bench.area_designs import HELD_OUT, Case
from swm.bench.area_grid import cases
from swm.bench.machine import describe
from swm.device.primitives import routed
from swm.emit import emit_project, rtl_instances
from swm.kernels.cache import cache_folder
from swm.layers.rtl.area.counts import Count
from swm.layers.rtl.area.price import placed, priced_bits
from swm.layers.rtl.area.registry import count
from swm.opentools import find_family, synthesise
from swm.progress import quiet

__all__ = ["coefficients", "judge", "run_area"]

FIGURES = ("lut", "ff", "dsp", "bram18")
PRICED = {
    "lut": (
        *("adder", "post", "restart", "choice", "clip", "shift", "table", "constant", "smooth", "state", "rows"),
        "module",
    ),
    "ff": ("state", "register", "operand", "shift", "module"),
}
"""What of a count may take LUTs, and what flip-flops."""
REGISTERS = {"state": 1.0, "register": 1.0, "shift": 0.0}
"""Flip-flops of what is no matter of a fit: a register is one, unless it lies in the LUT of a shift register."""
LUTS = {"adder": 1.0, "restart": 2.0}
"""The same of LUTs: one a bit of a carry chain, one more in front of a sum that starts anew."""
SIX_INPUTS = {**LUTS, "table": 1.0, "constant": 1.0, "shift": 1.0, "rows": 1.0}
"""The same of AMD parts."""
_ROUNDS = 1000  # of `_non_negative`, far more than it takes


def run_area(
    *, quick: bool = False, family: str = "xc7", progress: Callable[[str, int, int], None] | None = None
) -> dict[str, Any]:
    """Map every layer of the grid, fit prices, and hold the counts against the model's.

    Args:
        quick: a few layers.
        family: one of `FITTED`; with "xc7" UltraScale+ is among what is held out.
        progress: called as progress(layer, layers done, layers).

    Raises:
        ToolError: yosys is missing or fails.
    """
    todo = list(cases(quick, family))
    rows: list[dict[str, Any]] = []
    tool = ""
    for number, case in enumerate(todo):
        if progress:
            progress(case.name, number, len(todo))
        found, tool = _measure(case)
        rows += found
    return {
        "benchmark": "area",
        "quick": quick,
        "machine": describe(),
        "tool": tool,
        "unit": "cells",
        "family": family,
        "held_out": f"{HELD_OUT} bits and UltraScale+" if family == "xc7" else f"{HELD_OUT} bits",
        **judge(rows),
    }


def judge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Fits, errors of the rows that no fit has seen, and all rows with what the fit predicts."""
    rows = _distinct(rows)
    fits = {key: _fit(rows, key) for key in PRICED}
    for row in rows:
        kernel, bits = row["process"], Count(**row["counted"])
        row["predicted"] = {
            key: round(fit["factors"].get(kernel, 1.0) * sum(priced_bits(bits, fit["prices"]).values()))
            for key, fit in fits.items()
        }
        row["predicted"] |= {"dsp": row["operators"]["dsp"] - int(bits.narrow), "bram18": int(bits.bram18)}
    return {"fits": fits, "errors": _errors(rows), "rows": rows}


def _distinct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Modules that stand in several layers count once."""
    keys = [(row["process"], row["family"], *row["counted"].values(), *row["measured"].values()) for row in rows]
    return list(dict(zip(reversed(keys), reversed(rows), strict=True)).values())[::-1]


def _measure(case: Case) -> tuple[list[dict[str, Any]], str]:
    """A row for each process of a design, and the tool."""
    design = case.make()
    with tempfile.TemporaryDirectory(prefix="swm-area-") as scratch:
        project = emit_project(design, Path(scratch) / "project")
        found = synthesise(
            project,
            find_family(case.family),
            rtl_instances(design),
            cache=cache_folder() / "synth",
            progress=quiet,
            edges=False,
        )
    measured = {(la.name, p.name): p.area for la in found.layers for p in la.processes}
    rows = []
    for layer, name, kernel, modelled, bits in _modules(design):
        area = measured[layer.spec.name, name]
        rows.append(
            {
                "case": case.name,
                "family": case.family,
                "process": kernel,
                "k": case.block,
                "bits": case.bits,
                "held_out": case.bits == HELD_OUT or case.family == "xcup",
                "counted": {key: value for key, value in bits._asdict().items() if key != "memories" and value},
                "operators": {key: getattr(modelled, key) for key in FIGURES},
                "measured": {**{key: getattr(area, key) for key in FIGURES}, "bram18": area.bram18 or area.m10k},
            }
        )
    return rows, found.tool


def _modules(design: Design) -> Iterator[tuple[PlacedLayer, str, str, Any, Count]]:
    """Every process with what the C++ model says of it, and its counts."""
    known = {layer.spec.name: layer for layer in design.graph.layers}
    edges, ports = {edge.name: edge for edge in design.schedule.edges}, design.schedule.board.dsp_ports
    for layer in design.schedule.layers:
        inner = dict(layer.depths)
        outer = {f"out{i}": edges[name].depth for i, name in enumerate(layer.outputs)}
        for process, cost in zip(layer.processes, process_costs(layer, edges, VITIS).values(), strict=True):
            written = dict.fromkeys(port.stream for port in process.program.writes)
            depths = tuple({**inner, **outer}.get(name, 2) for name in written)
            bits = count(process, layer.built, depths, known.get(layer.spec.name))
            assert bits is not None
            located = placed(bits, design.schedule.board.family)
            yield layer, process.name, process.kernel, routed(cost, ports.multipliers), located


def _fit(rows: list[dict[str, Any]], key: str) -> dict[str, dict[str, float]]:
    """Prices of bits, none below 0, and a factor for each module; errors are relative."""
    seen = [row for row in rows if not row["held_out"]]
    names = PRICED[key]
    bits = np.array([[{**row["counted"], "module": 1}.get(name, 0) for name in names] for row in seen], float)
    want = np.array([max(row["measured"][key], 1) for row in seen], float)
    known = REGISTERS if key == "ff" else SIX_INPUTS if seen[0]["family"] == "xc7" else LUTS
    prices = np.array([known.get(name, 0.0) for name in names])
    open_, rest = np.array([name not in known for name in names]), np.ones(len(want)) - bits @ prices / want
    prices[open_] = _non_negative(bits[:, open_] / want[:, None], rest)
    ratios: dict[str, list[float]] = {}
    for row, made, taken in zip(seen, bits @ prices, want, strict=True):
        ratios.setdefault(row["process"], []).append(taken / made)
    factors = {process: float(median(values)) for process, values in ratios.items()}
    return {"prices": dict(zip(names, map(float, prices), strict=True)), "factors": factors}


def _non_negative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The x >= 0 of least |a x - b|, by coordinates in turn."""
    gram, right = a.T @ a, a.T @ b
    x = np.zeros(a.shape[1])
    for _ in range(_ROUNDS * a.shape[1]):
        before = x.copy()
        for i in range(len(x)):
            if gram[i, i] > 0:
                x[i] = max(0.0, x[i] + (right[i] - gram[i] @ x) / gram[i, i])
        if np.abs(x - before).max() < 1e-9:
            break
    return x


def _errors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of relative errors over the rows that were held out; of DSP and memories the share that is exact."""
    unseen = [row for row in rows if row["held_out"]]
    found: dict[str, Any] = {"rows": len(unseen), "fitted": len(rows) - len(unseen)}
    for key in FIGURES:
        for name in ("operators", "predicted"):
            pairs = [(row[name][key], row["measured"][key]) for row in unseen]
            if key in PRICED:
                found[f"{key}_{name}"] = median(abs(a - b) / max(b, 1) for a, b in pairs)
            else:
                found[f"{key}_{name}_exact"] = sum(a == b for a, b in pairs) / len(pairs)
    return found


def coefficients(result: dict[str, Any]) -> str:
    """Text of the module of a family in `swm/layers/rtl/area/`, which the model of back end rtl reads."""
    errors, family = result["errors"], result["family"]
    suffix, option = ("", "") if family == "xc7" else (f"_{family}", f" --family {family}")
    file = f"swm/layers/rtl/area/coefficients{suffix}.py"
    said = (
        f"{result['tool']}, rows of {find_family(family).title.removeprefix('AMD ')} parts: {errors['fitted']} fitted,"
        f" {errors['rows']} held out ({result['held_out']})"
    )
    medians = f"median LUT {errors['lut_predicted']:.1%}, FF {errors['ff_predicted']:.1%}"
    exact = f"DSP exact in {errors['dsp_predicted_exact']:.0%}, BRAM in {errors['bram18_predicted_exact']:.0%}"
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        '"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.',
        "",
        f"Fitted by `swm bench area{option} --coefficients {file}` to counts of",
        f"cells by {said}.",
        f"Rows: benchmarks/results/area{suffix}.json. Kind of every figure: modelled, after measured ones.",
        '"""',
        "",
        '__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]',
        "",
    ]
    for key, fit in result["fits"].items():
        for name, values in ((key.upper(), fit["prices"]), (f"{key.upper()}_FACTOR", fit["factors"])):
            lines += [f"{name}: dict[str, float] = {{"]
            lines += [f'    "{what}": {value:.3f},' for what, value in values.items()]
            lines += ["}"]
    lines += ["ERROR = (", f'    "fitted to {result["tool"]}, no vendor synthesis; on layers that were held out: "']
    return "\n".join([*lines, f'    "{medians}; {exact}"', ")", ""])
