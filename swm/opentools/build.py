# SPDX-License-Identifier: Apache-2.0
"""From an RTL project to a bitstream: yosys, nextpnr, the family's packer.

Each step is kept by the content of what it reads, the tool's version and its options, so that a build that was broken
off goes on where it was, and none is run twice. Where the clock is missed, other seeds of place and route are tried
side by side, and the best is taken.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from swm.device.board import Board, Link, Nextpnr
from swm.errors import DoesNotFit, OptionError, OutputError, ToolError
from swm.kernels.cache import cores
from swm.opentools.constraints import gowin_constraints, lattice_constraints
from swm.opentools.families import Family, area_of, family_of
from swm.opentools.run import LIMIT_S, in_parallel, run_logged
from swm.opentools.synth import cells_of
from swm.opentools.tools import ECPPACK, GOWIN_PACK, NEXTPNR_ECP5, NEXTPNR_GOWIN, YOSYS, Found, Tool, find_tool
from swm.progress import Progress
from swm.report.measured import Area, Build
from swm.report.vendor.opentools import parse_nextpnr, sites
from swm.report.vendor.values import ReportError

__all__ = ["build_bitstream"]

TOP = "board_top"
NETLIST, REPORT = "board.json", "report.json"
SEEDS = 4
"""Of place and route, at most: each takes as long as the first."""


@dataclass(frozen=True)
class _Flow:
    """How a family is placed, routed and packed.

    Attributes:
        router: the tool.
        packer: the tool behind it.
        constraints: text of the file of pins, and its name.
        routed: what the router writes.
        bitstream: its name.
        options: of the router, for a device.
        pack: of the packer, from what is routed to the bitstream.
    """

    router: Tool
    packer: Tool
    constraints: Callable[[Link], str]
    pins: str
    routed: str
    bitstream: str
    options: Callable[[Nextpnr], list[str]]
    pack: Callable[[Nextpnr, str, str], list[str]]


def _ecp5(device: Nextpnr) -> list[str]:
    package = ["--package", device.package] if device.package else []
    return [f"--{device.device}", *package, *(["--speed", device.speed] if device.speed else []),
            "--lpf", "board.lpf", "--textcfg", "board.config"]  # fmt: skip


def _gowin(device: Nextpnr) -> list[str]:
    return ["--device", device.device, "--vopt", f"family={device.chip}", "--vopt", "cst=board.cst",
            "--write", "routed.json"]  # fmt: skip


FLOWS = {
    "ecp5": _Flow(
        NEXTPNR_ECP5, ECPPACK, lattice_constraints, "board.lpf", "board.config", "board.bit", _ecp5,
        lambda device, routed, bits: ["--compress", routed, bits],
    ),
    "gowin": _Flow(
        NEXTPNR_GOWIN, GOWIN_PACK, gowin_constraints, "board.cst", "routed.json", "board.fs", _gowin,
        lambda device, routed, bits: ["-d", str(device.chip), "-o", bits, routed],
    ),
}  # fmt: skip


def build_bitstream(
    project: Path,
    board: Board,
    others: tuple[Board, ...],
    *,
    target: Path,
    cache: Path,
    progress: Progress,
    seeds: int = SEEDS,
    limit_s: float = LIMIT_S,
) -> Build:
    """Map, place, route and pack the board's top of a project.

    Args:
        project: its folder, with `rtl` and `rom`; nothing in it is changed but `target`.
        board: with pins.
        others: boards to offer where this one is too small.
        target: folder of the project that takes the bitstream and nextpnr's report.
        cache: folder for what each step made.
        progress: called as progress(what, steps done, steps).
        seeds: of place and route, at most, where the clock is missed.
        limit_s: wall seconds for each step.

    Raises:
        OptionError: the board has no pins or open tools, or no seeds are asked for.
        DoesNotFit: the mapped design has more cells than the device.
        ToolError: a tool is missing, fails or takes too long; then there is no bitstream.
        OutputError: the project or the cache cannot be read or written.
    """
    start = time.monotonic()
    family, link, device = _for_open_tools(board)
    if seeds < 1:
        raise OptionError(f"{seeds} seeds: give 1 or more")
    flow = FLOWS[family.name]
    yosys, router, packer = (find_tool(tool) for tool in (YOSYS, flow.router, flow.packer))
    store = _Store(cache, limit_s)
    progress("map", 0, 4)
    netlist = _map(project, yosys, family, store, lambda what: progress(what, 0, 4))
    _refuse_overflow(_cells(netlist), board, others)
    clock = link.clock_hz / 1e6

    def route(seed: int, stop: threading.Event | None = None) -> tuple[float, int, Path]:
        options = [*flow.options(device), "--freq", f"{clock:g}", "--timing-allow-fail", "--report", REPORT]
        command = [router.program, "--json", NETLIST, *options, "--seed", str(seed)]
        key = _key(netlist.name, router.title, flow.constraints(link), *command[1:])
        made = store.step(
            key,
            command,
            needs={NETLIST: netlist / NETLIST, flow.pins: flow.constraints(link)},
            makes=(flow.routed, REPORT),
            note=lambda what: progress(f"place and route, seed {seed}: {what}", 1, 4),
            stop=stop,
        )
        return _fmax(made / REPORT), seed, made

    progress("place and route", 1, 4)
    tried = [route(1)]
    if tried[0][0] < clock and seeds > 1:
        progress(f"{tried[0][0]:.1f} MHz of {clock:g}: other seeds", 2, 4)
        jobs = [_bound(route, seed) for seed in range(2, seeds + 1)]
        tried += list(in_parallel(jobs, cores()))
    fmax, seed, routed = max(tried, key=lambda one: one[0])
    bitstream = ""
    if fmax >= clock:
        progress("pack", 3, 4)
        packed = store.step(
            _key(routed.name, packer.title, flow.bitstream),
            [packer.program, *flow.pack(device, flow.routed, flow.bitstream)],
            needs={flow.routed: routed / flow.routed},
            makes=(flow.bitstream,),
            note=lambda what: progress(what, 3, 4),
        )
        bitstream = f"{target.name}/{flow.bitstream}"
    _hand_over(target, routed / REPORT, packed / flow.bitstream if bitstream else None, flow)
    used, available = _sites(routed / REPORT)
    titles = (yosys.title, router.title, packer.title)
    tries = tuple(sorted(one[1] for one in tried))
    return Build(board.name, titles, used, available, fmax, clock, seed, tries, bitstream, time.monotonic() - start)


def _for_open_tools(board: Board) -> tuple[Family, Link, Nextpnr]:
    """What a build needs of a board.

    Raises:
        OptionError: it is not there.
    """
    family = family_of(board)
    if not family.whole or board.link is None or board.nextpnr is None:
        what = (
            "its device has no open place and route" if not family.whole else "its file has no [link] or no [nextpnr]"
        )
        raise OptionError(
            f"no bitstream for board {board.name}: {what}; swm boards lists ulx3s, tangnano20k and others"
        )
    return family, board.link, board.nextpnr


@dataclass(frozen=True)
class _Store:
    """Folders by key; one is whole or not there."""

    cache: Path
    limit_s: float

    def step(
        self,
        key: str,
        command: list[str],
        *,
        needs: Mapping[str, Path | str],
        makes: tuple[str, ...],
        note: Callable[[str], None],
        stop: threading.Event | None = None,
    ) -> Path:
        """The folder that holds what a command makes; it is run where that is not known.

        Raises:
            ToolError: the command fails, or does not make what it should.
            OutputError: the cache cannot be written.
        """
        folder = self.cache / key
        if all((folder / name).is_file() for name in makes):
            return folder
        new = self.cache / f".{key}.{secrets.token_hex(4)}"
        try:
            new.mkdir(parents=True)
            for name, source in needs.items():
                if isinstance(source, str):
                    (new / name).write_text(source, encoding="utf-8")
                elif source.is_dir():
                    shutil.copytree(source, new / name)
                else:
                    shutil.copyfile(source, new / name)
            log = self.cache / f"{key}.log"
            run_logged(command, new, log, limit_s=self.limit_s, note=note, stop=stop)
            missing = [name for name in makes if not (new / name).is_file()]
            if missing:
                raise ToolError(f"{Path(command[0]).name} ended without {', '.join(missing)}\n(log: {log})")
            for name in needs:
                (shutil.rmtree if (new / name).is_dir() else Path.unlink)(new / name)
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
        except OSError as error:
            raise OutputError(f"cannot write {str(self.cache)!r}: {error.strerror}") from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return folder


def _map(project: Path, yosys: Found, family: Family, store: _Store, note: Callable[[str], None]) -> Path:
    """The folder with the mapped board's top.

    Raises:
        OutputError: the project has no board's top.
        ToolError: yosys fails.
    """
    if not (project / "rtl" / f"{TOP}.sv").is_file():
        raise OutputError(f"{str(project)!r} has no rtl/{TOP}.sv; emit it again for a board with a [link]")
    script = [
        "read_verilog -sv -defer rtl/*.sv",
        f"hierarchy -check -top {TOP}",
        f"{family.whole} -top {TOP} -json {NETLIST}",
        "tee -q -o stat.json stat -json",
    ]
    needs: dict[str, Path | str] = {"map.ys": "\n".join(script) + "\n"}
    needs |= {name: project / name for name in ("rtl", "rom") if (project / name).is_dir()}
    texts = [f"{f.relative_to(project)}\0{f.read_bytes().hex()}" for f in sorted(_sources(project))]
    key = _key(yosys.title, *script, *texts)
    return store.step(key, [yosys.program, "-q", "-s", "map.ys"], needs=needs, makes=(NETLIST, "stat.json"), note=note)


def _sources(project: Path) -> list[Path]:
    return [*(project / "rtl").glob("*.sv"), *(project / "rom").glob("*.mem")]


def _cells(netlist: Path) -> Area:
    return area_of(cells_of(netlist / "stat.json", netlist.with_suffix(".log")))


def _refuse_overflow(used: Area, board: Board, others: tuple[Board, ...]) -> None:
    """Refuse what the device cannot hold, before hours of placing it.

    Raises:
        DoesNotFit: with numbers, and boards of the family that hold it.
    """
    over = _over(used, board)
    if over:
        holding = [b for b in others if b.family == board.family and b.nextpnr and not _over(used, b)]
        names = [b.name for b in sorted(holding, key=lambda b: b.resources.lut)]
        raise DoesNotFit(
            board.name, f"yosys counts {', '.join(over)}", block=None, bits=None, boards=names, asked=False, slower=True
        )


def _over(used: Area, board: Board) -> list[str]:
    pairs = [(f.name.upper(), getattr(used, f.name), getattr(board.resources, f.name, 0)) for f in fields(used)]
    return [f"{taken:,} {name} of {has:,}" for name, taken, has in pairs if taken > has]


def _fmax(report: Path) -> float:
    """Of the slowest clock.

    Raises:
        ToolError: the report says none.
    """
    try:
        found = parse_nextpnr(report.read_text(encoding="utf-8")).more.get("fmax_mhz")
    except (OSError, ReportError) as error:
        raise ToolError(f"nextpnr's report cannot be read: {error}") from error
    if not isinstance(found, int | float):
        raise ToolError(f"nextpnr says nothing of the clock in {report}")
    return float(found)


def _sites(report: Path) -> tuple[Area, Area]:
    rows: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["utilization"]
    used, available = sites(rows, "used"), sites(rows, "available")
    return Area(**used), Area(**available)


def _hand_over(target: Path, report: Path, bitstream: Path | None, flow: _Flow) -> None:
    """Put the bitstream into the project, in one step; one of before goes, whatever it was of.

    Raises:
        OutputError: the project cannot be written.
    """
    try:
        target.mkdir(exist_ok=True)
        shutil.copyfile(report, target / "nextpnr.json")
        if bitstream is None:
            (target / flow.bitstream).unlink(missing_ok=True)
            return
        with tempfile.NamedTemporaryFile(dir=target, delete=False) as new:
            new.write(bitstream.read_bytes())
        Path(new.name).chmod(0o644)
        Path(new.name).replace(target / flow.bitstream)
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror}") from error


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _bound(route: Callable[..., Any], seed: int) -> Callable[[threading.Event], Any]:
    return lambda stop: route(seed, stop)
