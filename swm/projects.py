# SPDX-License-Identifier: Apache-2.0
"""The public functions behind fixed point: Designs, projects, their verification and reports."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm import compress
from swm.accelerator.backend import backend as _backend
from swm.accelerator.design import Design
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.interleave import interleaved, with_sequences
from swm.accelerator.line import Pace
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape
from swm.accelerator.store_design import load_design
from swm.api import quantize
from swm.device import chip_named, load_board
from swm.emit import RtlVerification, Verification, backups, check_output, emit_project, verify_project
from swm.errors import OptionError
from swm.graph import Graph
from swm.host import split_for_hardware
from swm.measuring import evidence
from swm.notebook import html
from swm.progress import Progress, told
from swm.remedies import does_not_fit, with_remedies
from swm.report import Report, compare_design, compare_networks, read_explored
from swm.validation import Inputs, fixed_feeds, require_fixed, require_graph

__all__ = ["Project", "design", "emit", "load_project", "report", "verify"]


@dataclass(frozen=True, eq=False)
class Project:
    """An emitted project: a folder, and the Design that it was made from. It stands wherever a path does.

    Attributes:
        path: the folder.
        design: the Design.
        files: paths of all files in it, relative to the folder.
        backup: where an earlier project is kept that had edited files; None if there was none.
    """

    path: Path
    design: Design
    files: tuple[str, ...]
    backup: Path | None = None

    @property
    def board(self) -> str:
        """Name of the board."""
        return self.design.schedule.board.name

    @property
    def fits(self) -> bool:
        """Whether the board holds it, by the resource model."""
        return self.design.schedule.fits

    @property
    def interval(self) -> int:
        """Cycles per frame at full throughput (modelled): of an inference, or of all sequences that take turns."""
        return self.design.schedule.interval

    @property
    def _frame(self) -> str:
        count = self.design.schedule.sequences
        return "inference" if count == 1 else f"frame of {count} sequences"

    def __fspath__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return self.path / name

    def __repr__(self) -> str:
        plan = self.design.schedule
        return (
            f"<Project {str(self.path)!r}: {plan.verdict}; {plan.backend.name}, {plan.clock_mhz:g} MHz,"
            f" {plan.interval:,} cycles per {self._frame} (modelled), {len(self.files)} files; next: .verify()>"
        )

    def _repr_html_(self) -> str:
        plan = self.design.schedule
        folders = Counter(name.split("/")[0] if "/" in name else "." for name in self.files)
        rows = (
            ("board", plan.board.name),
            ("back end", plan.backend.name),
            ("bits", self.design.graph.widths.removesuffix(" bits")),
            ("clock", f"{plan.clock_mhz:g} MHz"),
            ("interval", f"{plan.interval:,} cycles per {self._frame} (modelled)"),
            ("latency", f"{plan.latency:,} cycles (modelled)"),
            ("files", ", ".join(f"{count} in {folder}" for folder, count in folders.items())),
        )
        return html(self, ("of the project", ""), rows)

    def verify(
        self, *, compiler: str = "g++", trace: bool = False, progress: Progress | bool | None = None
    ) -> Verification | RtlVerification:
        """See `swm.verify`."""
        return verify(self, compiler=compiler, trace=trace, progress=progress)

    def report(self, **options: Any) -> Report:
        """See `swm.report`, which takes the same options."""
        return report(self, **options)


def design(
    graph: FixedGraph,
    *,
    board: str | Path,
    backend: str = "vitis",
    clock_mhz: float | None = None,
    hybrid: bool = False,
    sequences: int | None = 1,
    interval: Pace = None,
    progress: Progress | bool | None = None,
) -> Design:
    """Choose parallelism and stream depths: a fixed-point network becomes a Design for a board.

    Args:
        graph: from `quantize`.
        board: name among `boards/` or path of an own .toml.
        backend: "vitis" or "rtl" (both fill the board), or "generic" (one lane everywhere).
        clock_mhz: clock in MHz; where absent, the one of the board's that gives the most inferences per second.
        hybrid: let wide multipliers be built of LUTs where DSPs run out.
        sequences: of a network with recurrent layers, so many that take turns, so that none waits for its state; a
            sample is a sequence, a frame holds step after step of all of them. None: as many as make it faster.
        interval: cycles per frame; the cheapest design that is at least this fast. "line": that of the board's serial
            line, which no faster design makes faster. "fastest": that fits the board. Where absent "line" for boards
            whose only way in is that line (back end "rtl" on boards that open tools build for), else "fastest".
        progress: called as progress(what, 0, 1) for every interval tried; True shows it on standard error.

    Raises:
        UnknownBoard: no such board.
        OptionError: unknown back end, an impossible clock, an interval that no design reaches, "line" for a board
            without a serial line, or sequences that cannot take turns in this network.
        UnsupportedModel: layers that back end "rtl" has no modules for.
    """
    network, target, maker = require_fixed(graph).shape, load_board(board), _backend(backend)
    with told(progress) as say:
        count, schedule = with_sequences(
            network,
            target,
            backend=maker,
            clock_mhz=clock_mhz,
            hybrid=hybrid,
            sequences=sequences,
            interval=interval,
            note=lambda what: say(what, 0, 1),
        )
    return Design(interleaved(graph, count), schedule)


def emit(
    graph: FixedGraph | Design,
    *,
    path: str | os.PathLike[str],
    board: str | Path | None = None,
    backend: str = "vitis",
    clock_mhz: float | None = None,
    hybrid: bool = False,
    sequences: int | None = 1,
    interval: Pace = None,
    vectors: Inputs | None = None,
    labels: NDArray[np.integer] | None = None,
    reference: Graph | None = None,
    force: bool = False,
    allow_overflow: bool = False,
    most_vectors: int | None = 100,
    progress: Progress | bool | None = None,
) -> Project:
    """Write a complete HLS project: C++, testbench, scripts, the Design; the same Design always gives the same bytes.

    Args:
        graph: from `quantize`, or a Design, which brings its own board, back end and clock.
        path: the project folder, new or empty.
        board: name among `boards/` or path of an own .toml.
        backend: "vitis", "generic" or "rtl".
        clock_mhz: clock in MHz; where absent, the one of the board's that gives the most inferences per second.
        hybrid: let wide multipliers be built of LUTs where DSPs run out.
        sequences: as for `design`; a Design has its own.
        interval: as for `design`; a Design has its own.
        vectors: test inputs that `verify` runs, samples along axis 0.
        labels: class numbers of the vectors.
        reference: float graph that `verify` compares with through onnxruntime (default: the graph before fixed point).
        force: replace a folder that swm wrote before.
        allow_overflow: write a design that is larger than its board, too.
        most_vectors: how many of the vectors to keep; None keeps all.
        progress: called as progress(what, steps done, steps) while it searches and writes; True shows it on standard
            error.

    Returns:
        The project, which stands wherever its path is wanted.

    Raises:
        UnknownBoard: no such board.
        OptionError: unknown back end, or neither board nor Design.
        DoesNotFit: the design is larger than its board; nothing was written.
        OutputError: the folder is not empty or cannot be written.
    """
    folder = Path(path)
    with told(progress) as say:
        if isinstance(graph, Design):
            made = graph
        else:
            require_fixed(graph)
            if board is None:
                raise OptionError("name a board to emit for; swm.board_names() lists them")
            check_output(folder, force=force)  # before the search, so that a wrong path costs no time
            options: dict[str, Any] = {"clock_mhz": clock_mhz, "hybrid": hybrid, "sequences": sequences}
            made = design(graph, board=board, backend=backend, interval=interval, progress=say, **options)
        if not (made.schedule.fits or allow_overflow):
            raise does_not_fit(made)
        earlier = backups(folder)
        emit_project(
            made,
            folder,
            vectors=None if vectors is None else fixed_feeds(made.graph, vectors),
            labels=labels,
            reference=reference,
            force=force,
            most_vectors=most_vectors,
            progress=say,
        )
    files = sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())
    kept = next((b for b in backups(folder) if b not in earlier), None)
    return Project(folder, made, tuple(files), kept)


def verify(
    path: str | os.PathLike[str],
    *,
    compiler: str = "g++",
    rtl: bool = False,
    frames: int | None = None,
    trace: bool = False,
    progress: Progress | bool | None = None,
) -> Verification | RtlVerification:
    """Run the simulation of a project and compare every output word with the integer engine.

    C++ projects are compiled with g++; SystemVerilog ones are simulated by Verilator, and cycles are compared, too.

    Args:
        path: a folder that `emit` wrote, or what `emit` returned; it is left unchanged.
        compiler: a g++-compatible C++ compiler on PATH.
        rtl: insist on a SystemVerilog project.
        frames: of a SystemVerilog project, sent back to back; the vectors come again where there are fewer.
        trace: compare every layer of a C++ project, not only the outputs: `.trace`, `.first_layer`.
        progress: called as progress(what, steps done, steps), every second or so; True shows it on standard error.

    Returns:
        An object with .ok, .words, .mismatches and the float errors.

    Raises:
        OptionError: `trace` of a SystemVerilog project, `rtl` or `frames` of another.
        OutputError: the folder is not a project of swm.
        ToolError: no compiler or simulator, or it fails.
    """
    with told(progress) as say:
        return verify_project(Path(path), compiler=compiler, rtl=rtl, frames=frames, trace=trace, progress=say)


def report(
    graph: Graph | FixedGraph | Design | str | os.PathLike[str],
    *,
    boards: str | Path | Sequence[str | Path] = (),
    bits: int = 12,
    residual_bits: int | None = None,
    exact_division: bool = False,
    backend: str = "vitis",
    clock_mhz: float | None = None,
    hybrid: bool = False,
    sequences: int | None = 1,
    accuracy: Mapping[str, float] | None = None,
    inputs: Inputs | None = None,
    labels: NDArray[np.integer] | None = None,
    calibration: Inputs | None = None,
    reference: Graph | None = None,
    exploration: str | Path | None = None,
) -> Report:
    """Modelled throughput, resources, power and energy of a network and its dense twin on each board, and what is lost.

    Accuracy is measured where samples are given; else the report says what the converted model remembers of its
    conversion, or that nothing is known and which command would tell.

    Args:
        graph: float, fixed, a Design, or a project (its folder, or what `emit` returned). A fixed graph brings its own
            bits; a Design or project is reported as it was designed; on boards other than its own, by new schedules
            for its back end.
        boards: one or several names among `boards/`, or paths of own .toml files; a Design or project has its own. Of
            a chip (`asic-40nm`, `asic-65nm`) there is the energy of counted operations and memory accesses.
        bits: data and weight bits of a float graph.
        residual_bits: of a float graph: as for `quantize`.
        exact_division: of a float graph: as for `quantize`.
        backend: of a graph: "vitis" or "generic".
        clock_mhz: of a graph: clock in MHz on every board; where absent, the best of the board's.
        hybrid: of a graph: let wide multipliers be built of LUTs where DSPs run out.
        sequences: of a graph: as for `design`, for the dense twin, too.
        accuracy: measured accuracies to print beside the figures, by label.
        inputs: samples to measure on, in fixed point for a fixed graph, a Design, a project, or with `calibration`. A
            project has vectors of its own, which count where they are labelled and nothing was calibrated with them.
        labels: (samples,) class numbers of the inputs; without them the network is held against the reference.
        calibration: inputs, other than those, that set the number formats of a float graph.
        reference: the dense original, measured on the same samples.
        exploration: file that `swm explore --json` wrote of the same network, to stand in the report.

    Raises:
        UnsupportedModel: nodes have no hardware form.
        UnknownBoard: no such board.
        OptionError: no board for a graph, a reference, inputs or labels without what they need, or a file that is no
            exploration.
        CalibrationError: inputs or labels that do not fit, or inputs that the network was calibrated with.
        OutputError: the folder is not a project of swm.
    """
    made: Design | None = None
    explored = None if exploration is None else read_explored(exploration)
    boards = (boards,) if isinstance(boards, str | Path) else boards
    chips = [chip for board in boards if (chip := chip_named(board)) is not None]
    targets = [load_board(board) for board in boards if chip_named(board) is None]
    folder: Path | None = None
    if isinstance(graph, Design):
        made = graph
    elif isinstance(graph, str | os.PathLike) and Path(graph).is_dir():
        folder, made = Path(graph), load_project(graph)
    if made is not None:
        known = evidence(made.graph, project=folder, inputs=inputs, labels=labels, reference=reference)
        found = compare_design(made, targets, accuracy=accuracy, evidence=known, chips=chips)
        found = with_remedies(found, made.graph.source, made.graph.hardware, made.graph.bits)
        return replace(found, explored=explored)
    if not boards:
        raise OptionError("name at least one board; `swm boards` lists them, in Python swm.board_names()")
    if isinstance(graph, FixedGraph):
        source, hardware, network, bits = graph.source, graph.hardware, graph.shape, graph.bits
    else:
        source = compress.prepared(require_graph(graph))  # a path that is not a project ends here, too
        hardware = split_for_hardware(source, _backend(backend))[1]
        network = network_shape(lower(hardware), bits, residual_bits, exact_division)
        graph = source
        if calibration is not None:
            graph = quantize(
                source,
                bits=bits,
                calibration=calibration,
                backend=backend,
                residual_bits=residual_bits,
                exact_division=exact_division,
            )
    names = [str(board) for board in boards]
    known = evidence(graph, inputs=inputs, labels=labels, reference=reference, boards=names)
    name = (Path(source.source).name or source.name) if source is not None else ""
    found = compare_networks(
        network,
        network.left_dense(),
        targets,
        backend=_backend(backend),
        accuracy=accuracy,
        model=name or "model",
        clock_mhz=clock_mhz,
        hybrid=hybrid,
        sequences=sequences,
        evidence=known,
        chips=chips,
    )
    return replace(with_remedies(found, source, hardware, bits), explored=explored)


def load_project(path: str | os.PathLike[str]) -> Design:
    """The Design that an emitted project was made from.

    Raises:
        OutputError: the folder is not a project of swm, or damaged.
    """
    return load_design(Path(path) / "verify")
