# SPDX-License-Identifier: Apache-2.0
"""docs/networks.md from the rows of `networks.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["page"]

HEAD = """# Networks, from the file to the C simulation

Written by `python benchmarks/networks.py`, each row on its date; `--page` writes it anew from the rows kept in
benchmarks/results/networks.json. Models are those of public repositories (`docs/models.md`) and torch's exports in
tests/exported. Each is left dense and, where a layer is large enough, converted one-shot at block 8, **without
training** ([results.md](results.md) has accuracies after it); quantized to one width of weights and activations;
designed for a board as fast as it fits; emitted; and run in C simulation, a frame after the other through streams of
the design's depths.

- *Error* (measured, integer engine and host parts): root mean square of the difference from onnxruntime on the same
  network in float, over the standard deviation of its answers. Of a converted network it says nothing about what the
  conversion cost: that is the difference of the accuracies. An error that does not fall with the bits comes from values
  beyond the range of the samples that set the formats: they saturate.
- *Accuracy* (measured): of the integers, and of the same network in float. Formats come from 100 other samples.
  CIFAR-10 is a lossy copy (JPEG quality 75).
- *Words* (measured): how many the C simulation wrote, all compared with the integer engine, and how many differ.
- *Interval* (modelled): cycles from frame to frame. *Useful*: share of the DSP-cycles that multiply something needed;
  below 80 % the slowest process and the fullest resource (of what designs may use) say what bounds it.
- *Compile*: CPU seconds of g++ -O2, all of the project, and its largest process; *run*: the C simulation, seconds.
"""
_END = "words | differ | interval | useful | bound by | compile | run | date"
ACCURACY = f"| network | structure | bits | error | same answer | accuracy | in float | {_END} |"
PLAIN = f"| network | structure | bits | error | on the host | {_END} |"
GOOGLE = f"| block | bits | sequences | error | {_END.replace('interval', 'cycles a step')} |"


def page(rows: list[dict[str, Any]]) -> str:
    """The page, as Markdown.

    Args:
        rows: as `networks.py` keeps them.
    """
    google = [one for one in rows if "cycles" in one]
    images = [one for one in rows if "accuracy" in one]
    torch = [one for one in rows if one["model"].startswith("exported/")]
    others = [one for one in rows if one not in google and one not in images and one not in torch]
    words, differ = sum(one["words"] for one in rows), sum(one["differ"] for one in rows)
    lines = [HEAD, f"In all {len(rows)} designs, {words:,} words, {differ:,} differ.", ""]
    lines += ["## Networks with data", "", *_table(ACCURACY, (_with_data(one) for one in images)), ""]
    lines += ["## Sequences and others, on random inputs", "", *_table(PLAIN, map(_plain, others)), ""]
    lines += ["## Exported by torch, by both exporters, on random inputs", "", *_table(PLAIN, map(_plain, torch)), ""]
    lines += [
        "## The Google LSTM of C-LSTM",
        "",
        "153 inputs, 1,024 cells, peepholes, projection 512, random weights, 20 steps, KU060 at 200 MHz. The error is "
        "against the layer in numpy, float64, for ONNX has no projection. [sequences.md](sequences.md) says where "
        "its cycles go.",
        "",
        *_table(GOOGLE, map(_google, google)),
        "",
    ]
    return "\n".join(lines)


def _table(head: str, cells: Iterable[list[str]]) -> list[str]:
    rows = ["| " + " | ".join(one) + " |" for one in cells]
    return [head, "|" + "---|" * (head.count("|") - 1), *rows] if rows else ["No row is kept."]


def _share(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{100 * value:.{digits}f} %"


def _error(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"


def _bound(one: dict[str, Any]) -> str:
    name, share = one["fullest"]
    return "" if (one["useful"] or 1) >= 0.8 else f"{one['slowest']}; {name} {share:.0%}"


def _name(one: dict[str, Any]) -> list[str]:
    return [one["model"].removesuffix(".onnx"), "dense" if one["block"] == 1 else f"block {one['block']}"]


def _end(one: dict[str, Any]) -> list[str]:
    compiled = f"{one['compile_cpu_s']:.1f} s, {one['peak_gib']:.2f} GiB"
    return [_share(one["useful"], 0), _bound(one), compiled, f"{one['run_s']:.2f} s", one["date"]]


def _interval(one: dict[str, Any]) -> str:
    return f"{one['interval']:,}" + ("" if one["fits"] else f", too large for {one['board']}")


def _words(one: dict[str, Any]) -> list[str]:
    return [f"{one['words']:,}", f"{one['differ']:,}"]


def _with_data(one: dict[str, Any]) -> list[str]:
    answers = [_share(one[name]) for name in ("same_answers", "accuracy", "float_accuracy")]
    error = f"{_error(one['error'])} of {one['samples']:,}"
    return [*_name(one), str(one["bits"]), error, *answers, *_words(one), _interval(one), *_end(one)]


def _plain(one: dict[str, Any]) -> list[str]:
    before, after = one["host"]
    host = f"{before} nodes before, {after} after" if before or after else "nothing"
    return [*_name(one), str(one["bits"]), _error(one["error"]), host, *_words(one), _interval(one), *_end(one)]


def _google(one: dict[str, Any]) -> list[str]:
    head = [str(one["block"]), str(one["bits"]), str(one["sequences"]), _error(one["error"])]
    return [*head, *_words(one), f"{one['cycles']:,.1f}" + ("" if one["fits"] else ", too large"), *_end(one)]
