# SPDX-License-Identifier: Apache-2.0
"""The project folder: library, rendered C++, tool scripts, vectors, the Design, manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from swm.accelerator.design import Design
from swm.accelerator.integers import run_fixed
from swm.accelerator.loading import loads, weight_bytes
from swm.accelerator.store_design import save_design
from swm.emit.board_files import board_context, host_path, path_files, write_board
from swm.emit.context import kinds_of, project_context
from swm.emit.floats import float_layers, save_floats
from swm.emit.folder import MANIFEST, check_output, hashes, whole_folder
from swm.emit.host_files import host_operators, write_host
from swm.emit.link_files import link_context, write_link
from swm.emit.rtl_context import rom_files, rtl_context
from swm.emit.rtl_library import copy_modules
from swm.emit.samples import choose_samples, save_samples
from swm.errors import OptionError
from swm.graph import Graph
from swm.layers.base import LayerKind
from swm.package_data import hls_dir, templates_dir
from swm.progress import Progress, quiet
from swm.version import __version__

__all__ = ["emit_project"]

PROJECT_VERSION = 3


def emit_project(
    design: Design,
    path: Path,
    *,
    vectors: NDArray[Any] | Mapping[str, NDArray[Any]] | None = None,
    labels: NDArray[np.integer] | None = None,
    reference: Graph | None = None,
    force: bool = False,
    most_vectors: int | None = 100,
    progress: Progress | None = None,
) -> Path:
    """Write a complete HLS project; the same arguments always give the same bytes.

    Args:
        design: numbers, schedule and back end.
        path: new or empty folder.
        vectors: (samples, ...) float test inputs of the network, by name where it has several; without them 16 random
            ones in the range of the hardware's input.
        labels: (samples,) class numbers of the vectors.
        reference: float network to hold the outputs against, run in plain onnxruntime; default `design.graph.source`.
        force: replace a folder that swm wrote before.
        most_vectors: how many of the vectors to keep; None keeps all.
        progress: called as progress(what, steps done, steps), at every layer of the integer engine, too.

    Returns:
        The path.

    Raises:
        CalibrationError: vectors or labels that do not fit.
        OptionError: weights that have to be loaded at start, and a back end or control without a port for them; a
            board of a vendor that the back end does not write for.
        OutputError: the folder is not empty, or cannot be written.
    """
    if loads(design.schedule) and not design.backend.loads_weights:
        raise OptionError(
            f"weights in UltraRAM are loaded at start, which back end {design.backend.name} with control"
            f" {design.backend.control} does not do; make the schedule for it anew"
        )
    board, vendors = design.schedule.board, design.backend.vendors
    if vendors and board.vendor not in vendors:
        raise OptionError(
            f"back end {design.backend.name} writes for devices of {' and '.join(vendors)}, board {board.name} has one"
            f" of {board.vendor}; take --backend rtl"
        )
    check_output(path, force=force)  # before any work, so that a wrong path costs no time
    say = progress or quiet
    say("run the test vectors in onnxruntime", 0, 4)
    samples = choose_samples(design.graph, vectors, labels, reference, most_vectors)
    rtl = design.backend.language == "systemverilog"
    with whole_folder(path, force=force) as folder:
        say("write the sources", 1, 4)
        context = rtl_context(design) if rtl else project_context(design)
        if rtl:
            context["link"] = link_context(design, context)
            write_link(folder, design, context)
        context["host_path"] = host_path(design)
        _render(folder, design, context)
        on_board = board_context(design, context)
        if on_board is not None:
            _render_files(folder, design, on_board, path_files(design))
        if rtl:
            copy_modules(folder / "rtl", design)
            _write_roms(folder, design)
        else:
            _copy_library(folder, design)
            _write_large_roms(folder, context)
        say("save the design", 2, 4)
        (folder / "verify").mkdir()
        save_design(design, folder / "verify")
        save_samples(samples, folder / "verify")
        if not rtl:
            save_floats(float_layers(design.graph, samples.inputs), folder / "verify")
        write_host(folder, design)
        write_board(folder, design)
        result = run_fixed(design.graph, samples.inputs, note=lambda part: say(part, 3, 4))
        bench = folder / ("sim" if rtl else "tb")
        np.savetxt(bench / "input.dat", result.inputs, fmt="%d")
        np.savetxt(bench / "expected.dat", result.words, fmt="%d")
        _write_weights(folder, design)
        _write_manifest(folder, design)
    return path


def _copy_library(folder: Path, design: Design) -> None:
    for source, target in design.backend.library:
        shutil.copytree(hls_dir() / source, folder / target)
    for header in (header for kind in kinds_of(design) for header in kind.headers):
        copy = folder / "include" / "swm" / header.name
        if not copy.exists():  # a kind from outside the package brings its kernel along
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(header, copy)


def _environment(kinds: list[LayerKind]) -> jinja2.Environment:
    """Templates of the package, of the kinds in use (layers/<kind>.j2), and of a back end by absolute path."""
    layers = {f"layers/{kind.name}.j2": kind.template.read_text(encoding="utf-8") for kind in kinds}
    folders = jinja2.FileSystemLoader([templates_dir(), Path("/")])
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.DictLoader(layers), folders]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # C++ and Tcl, not HTML; every name in the context is an identifier made safe
    )


def _render(folder: Path, design: Design, context: dict[str, Any]) -> None:
    link = context.get("link")
    linked = design.backend.linked if link else ()
    clocked = design.backend.clocked if link and link["pll"] else ()
    vendor = design.schedule.board.vendor
    special = [(template, target) for whose, template, target in design.backend.vendor_files if whose == vendor]
    _render_files(folder, design, context, (*design.backend.files, *linked, *clocked, *special))


def _render_files(folder: Path, design: Design, context: dict[str, Any], files: Iterable[tuple[str, str]]) -> None:
    environment = _environment(kinds_of(design))
    for template, target in files:
        pages = [(target, context)]
        if "%" in target:
            stored = [layer for layer in context["layers"] if layer.roms]
            pages = [(target.replace("%", layer.name), {**context, "layer": layer}) for layer in stored]
        for name, values in pages:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(environment.get_template(template).render(values), encoding="utf-8")


def _write_roms(folder: Path, design: Design) -> None:
    (folder / "rom").mkdir()
    for name, text in rom_files(design):
        (folder / name).write_text(text, encoding="ascii")


def _write_large_roms(folder: Path, context: dict[str, Any]) -> None:
    """What hls/swm/rom.h reads in C simulation, and the same numbers as the text that synthesis includes."""
    for rom in (rom for layer in context["layers"] for rom in layer.roms if rom.image is not None):
        (folder / "tb" / rom.file).write_bytes(rom.image.tobytes())
        (folder / "src" / f"{rom.name}.inc").write_text(rom.initializer + "\n", encoding="ascii")


def _write_weights(folder: Path, design: Design) -> None:
    """What a host sends at start: bytes for its driver, and the same beats as numbers for the testbench."""
    if not loads(design.schedule):
        return
    beats = weight_bytes(design)
    (folder / "weights.bin").write_bytes(beats.tobytes())
    np.savetxt(folder / "tb" / "weights.dat", beats.view(f"<u{beats.shape[1]}"), fmt="%d")


def _write_manifest(folder: Path, design: Design) -> None:
    schedule = design.schedule
    manifest = {
        "project_version": PROJECT_VERSION,
        "swm": __version__,
        "model": design.graph.name,
        "backend": design.backend.name,
        "board": schedule.board.name,
        "part": schedule.board.part,
        "clock_mhz": schedule.clock_mhz,
        "bits": design.graph.bits,
        "host": host_operators(design.graph),
        "fits": schedule.fits,
        "overflow": schedule.overflow,
        "interval_cycles": schedule.interval,
        "latency_cycles": schedule.latency,
        "sha256": hashes(folder),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
