# SPDX-License-Identifier: Apache-2.0
"""What the commands share: consoles, JSON output, reading arrays, the progress bar, option decorators."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.console import Console

from swm.accelerator.backend import backend_names
from swm.errors import CalibrationError, OutputError
from swm.progress import Progress, told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from swm.compress import ConversionReport
    from swm.graph import Graph

__all__ = [
    "backend_option",
    "bits_option",
    "board_option",
    "check_file",
    "clock_option",
    "console",
    "exact_division_option",
    "example",
    "hybrid_option",
    "interval_option",
    "json_option",
    "load_arrays",
    "load_labels",
    "out",
    "progress_bar",
    "residual_bits_option",
    "write_json",
]

PIPE_WIDTH = 130  # of tables that neither a terminal nor COLUMNS limits
console = Console(stderr=True)  # progress and messages; standard output is for results
out = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH)


def example(text: str) -> str:
    """Epilog of a command's help: an example that keeps its line breaks."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())


def _json_target(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse a name at once: work that takes minutes should not end in it."""
    del context, parameter
    if value not in (None, "-") and not str(value).endswith(".json"):  # `--json model.onnx` must never overwrite it
        raise OutputError(f"--json writes to files that end in .json, got {value!r}; for standard output use --json=-")
    return value


json_option = click.option(
    "--json",
    "json_to",
    callback=_json_target,
    metavar="[FILE.json]",
    is_flag=False,
    flag_value="-",
    default=None,
    help="Write the result as JSON to FILE.json, or to standard output when no file follows.",
)

bits_option = click.option("--bits", type=int, default=12, show_default=True, help="Data and weight bits, 4 to 18.")

residual_bits_option = click.option(
    "--residual-bits",
    type=int,
    metavar="N",
    help="Bits of the sums of residual paths and of what passes them by [default: as --bits]. Sums of many branches"
    " reach far beyond each of them.",
)

exact_division_option = click.option(
    "--exact-division",
    is_flag=True,
    help="Let a Softmax divide: LUTs in place of a multiplier and a table of reciprocals, whose error `swm emit` writes"
    " beside the layer.",
)


backend_option = click.option(
    "--backend",
    "--hls",
    "backend",
    type=click.Choice(backend_names()),
    default="vitis",
    show_default=True,
    help="Back end; --hls is an older name of this option.",
)

clock_option = click.option(
    "--clock", type=float, metavar="MHZ", help="Clock [default: the best that the board states]."
)

hybrid_option = click.option(
    "--hybrid", is_flag=True, help="Build wide multipliers of LUTs, too, where DSPs run out: faster, for more energy."
)


def _sequences(_context: click.Context, _parameter: click.Parameter, value: str) -> int | None:
    """A number, or None for "auto"."""
    if value == "auto":
        return None
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a number nor 'auto'") from None


sequences_option = click.option(
    "--sequences",
    callback=_sequences,
    default="1",
    show_default=True,
    metavar="N|auto",
    help="Sequences that take turns in recurrent layers, so that none waits for its state; auto: as many as make it"
    " faster. A sample is one sequence still.",
)


def _interval(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> int | Literal["line", "fastest"] | None:
    """A number, or one of the words."""
    if value is None:
        return None
    if value == "line":
        return "line"
    if value == "fastest":
        return "fastest"
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a number of cycles nor 'line' or 'fastest'") from None


interval_option = click.option(
    "--interval",
    callback=_interval,
    metavar="CYCLES|line|fastest",
    help="Cycles per frame: the smallest design that is at least this fast; line: as fast as the board's serial line"
    " brings frames; fastest: that fits the board [default: line where frames come over that line alone (rtl on"
    " ulx3s, colorlight-i9, tangnano20k), else fastest].",
)


def board_option(*, multiple: bool, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--board`, once or several times."""
    text = "Board name (see `swm boards`) or path of an own .toml" + ("; may be repeated." if multiple else ".")
    return click.option("--board", "board", multiple=multiple, required=required, metavar="NAME", help=text)


def stored_lines(report: ConversionReport) -> list[str]:
    """Weights before and after; bits, too, where codes or indices take fewer than a number."""
    lines = [
        f"weights {report.parameters_before:,} -> {report.parameters_after:,}"
        f" ({report.compression:.2f} x fewer, counted)"
    ]
    if report.bits_after != report.parameters_after * report.float_bits:
        lines.append(
            f"bits {report.bits_before:,} -> {report.bits_after:,} ({report.bits_before / report.bits_after:.2f} x"
            f" fewer, counted: real numbers at {report.float_bits} bits, codes and indices at their own)"
        )
    return lines


def write_json(json_to: str | None, data: Mapping[str, Any]) -> bool:
    """Write `data` if --json was given; True when it went to standard output, so that nothing else should.

    Raises:
        OutputError: the file cannot be written.
    """
    if json_to is None:
        return False
    text = json.dumps(data, indent=2, sort_keys=False, allow_nan=False)
    if json_to == "-":
        sys.stdout.write(text + "\n")
        return True
    try:
        Path(json_to).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {json_to!r}: {error.strerror}") from error
    return False


def check_file(path: str, read: Iterable[str | None], *, force: bool) -> None:
    """Refuse an output file that exists, without `force`, or that is read, in any case.

    Raises:
        OutputError: one of the two.
    """
    file = Path(path)
    if not file.exists():
        return
    for name in read:
        if name is not None and Path(name).exists() and file.samefile(name):
            raise OutputError(f"the output {path!r} is the input {name!r}; choose another name")
    if not force:
        raise OutputError(f"{path!r} exists; choose another name, or replace it with --force")


def load_arrays(path: str, graph: Graph | None = None) -> NDArray[Any] | dict[str, NDArray[Any]]:
    """One array from .npy or .csv, or arrays by input name from .npz.

    A row of a .csv is a sample. With `graph` it takes the shape of the model's only input, values in C order, if it has
    as many.

    Raises:
        CalibrationError: the file is missing or holds no plain arrays.
    """
    import numpy as np  # here, as `--help` should not wait for it

    if path.lower().endswith(".csv"):
        from swm.cli.csv_files import read_csv

        table = read_csv(path)
        return table if graph is None else _as_input(table, graph)
    try:
        loaded = np.load(path, allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except FileNotFoundError as error:
        raise CalibrationError(f"there is no file {path!r}") from error
    except (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else _why_no_arrays(path)
        raise CalibrationError(
            f"{path!r} is not a numpy .npy or .npz file of numbers: {why}; write it with numpy.save, or as text with "
            "the ending .csv"
        ) from error


def _why_no_arrays(path: str) -> str:
    """What stands in a file that numpy does not read; its own words speak of loading unsafely."""
    try:
        with Path(path).open("rb") as file:
            known = file.read(6).startswith((b"\x93NUMPY", b"PK\x03\x04"))
    except OSError as error:
        return str(error.strerror)
    return "it is cut short or damaged, or holds Python objects" if known else "it begins as none does"


def _as_input(table: NDArray[Any], graph: Graph) -> NDArray[Any]:
    """(rows, values) in the shape of a network's only input, if a row has as many values."""
    declared = graph.inputs[0].type if len(graph.inputs) == 1 else None
    sizes = declared.shape[1:] if declared is not None and declared.shape else ()
    shape = tuple(d for d in sizes if isinstance(d, int))
    fits = len(shape) == len(sizes) > 1 and prod(shape) == table.shape[1]
    return table.reshape(-1, *shape) if fits else table


def load_labels(path: str | None) -> NDArray[np.integer] | None:
    """Class numbers from .npy, or from a .csv of one column or one row.

    Raises:
        CalibrationError: missing file, or not one vector of integers.
    """
    if path is None:
        return None
    labels = load_arrays(path)
    if isinstance(labels, dict):
        raise CalibrationError(f"{path!r} must hold one vector of integer class numbers, got arrays by name (.npz)")
    if path.lower().endswith(".csv") and 1 in labels.shape:
        labels = labels.reshape(-1)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise CalibrationError(
            f"{path!r} must hold one vector of integer class numbers, got {labels.dtype} of shape {labels.shape}"
            f"{_labels_advice(labels)}"
        )
    return labels


def _labels_advice(labels: NDArray[Any]) -> str:
    if labels.ndim == 2 and 1 in labels.shape:
        return "; write y.reshape(-1)"
    if labels.ndim == 2:
        return "; of one row of scores a sample write y.argmax(axis=1)"
    return "; write y.astype(int)" if labels.ndim == 1 and labels.dtype.kind == "f" else ""


def progress_bar() -> AbstractContextManager[Progress]:
    """Gives progress(what, done, total): a bar on a terminal, elsewhere a line on standard error every few seconds."""
    return told(True)
