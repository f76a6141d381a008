# SPDX-License-Identifier: Apache-2.0
"""Which tools make what of a project, one after the other: a list of commands that follows from back end and board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swm.accelerator.design import Design
from swm.emit import card_commands, host_path
from swm.errors import OptionError
from swm.vendortools.tools import QUARTUS, VITIS_HLS, VITIS_RUN, VIVADO, VPP, VendorTool

__all__ = ["IMPLEMENT", "Step", "steps_of"]

IMPLEMENT = "implement"
"""The step that places and routes: it ends badly, too, where the clock is missed."""
HLS_IP = ("swm_hls/*/impl/ip/component.xml", "swm_hls/impl/ip/component.xml")
SERIAL = ("measured/board.bit",)
RTL_IP = ("build/vivado/ip/component.xml",)


@dataclass(frozen=True)
class Step:
    """One start of a tool, in the folder of the project.

    Attributes:
        name: letters, digits and `_`.
        tool: which.
        arguments: of it; no shell sees them.
        makes: patterns of paths, of which one has to be there after it; none: whatever it leaves is right.
        clears: patterns of files that it writes, and that are taken away before: an old report is not taken for a new.
        aside: nothing after it depends on it.
    """

    name: str
    tool: VendorTool
    arguments: tuple[str, ...]
    makes: tuple[str, ...] = ()
    clears: tuple[str, ...] = ()
    aside: bool = False

    @property
    def by_hand(self) -> str:
        """The command as people type it."""
        return " ".join((self.tool.program, *self.arguments))


def steps_of(design: Design, has: Callable[[VendorTool], bool], *, cosim: bool = False) -> tuple[Step, ...]:
    """The steps of a project, in order; the last one makes what a board or a card is loaded with, where there is a way.

    Args:
        design: of the project.
        has: whether a tool is there: HLS goes by v++ and vitis-run where both are, by vitis_hls otherwise.
        cosim: also co-simulate.

    Raises:
        OptionError: another vendor's board, or another back end's project.
    """
    board, backend = design.schedule.board, design.backend
    path = host_path(design)
    if board.vendor == "Intel":
        return (_quartus(on_board=path == "link"),)
    if board.vendor != "AMD":
        raise OptionError(f"board {board.name} has a device of {board.vendor}, which AMD's tools do not build for")
    if backend.language == "systemverilog":
        if path in ("processor", "pcie"):
            return (_vivado("ip", "tcl/vivado.tcl", makes=RTL_IP), *_BOARD)
        if path == "link":
            reports = ("build/vivado/board_*.rpt", *SERIAL)
            return (_vivado("board", "tcl/vivado.tcl", name=IMPLEMENT, makes=SERIAL, clears=reports),)
        return (_vivado("build", "tcl/vivado.tcl", name=IMPLEMENT, clears=("build/vivado/build_*.rpt",)),)
    if not backend.streaming:
        raise OptionError(f"nothing builds projects of back end {backend.name}; emit with --backend vitis or rtl")
    if path == "card":
        compile_command, link_command = card_commands()
        return (
            Step("compile", VPP, compile_command[1:], makes=("build/board/swm_kernel.xo",)),
            Step("link", VPP, link_command[1:], makes=("measured/swm.xclbin",)),
        )
    hls = _vitis(cosim=cosim) if has(VITIS_RUN) and has(VPP) else _vitis_hls(cosim=cosim)
    return (*hls, *(_BOARD if path == "processor" else ()))


def _vitis(*, cosim: bool) -> tuple[Step, ...]:
    common = ("--mode", "hls", "--config", "hls_config.cfg", "--work_dir", "swm_hls")
    return (
        Step("synthesis", VPP, ("-c", *common)),
        *((Step("cosim", VITIS_RUN, (*common, "--cosim"), aside=True),) if cosim else ()),
        Step("package", VITIS_RUN, (*common, "--package"), makes=HLS_IP),
    )


def _vitis_hls(*, cosim: bool) -> tuple[Step, ...]:
    # One start: the script opens its project anew.
    steps = ("csynth", *(("cosim",) if cosim else ()), "export")
    return (Step("hls", VITIS_HLS, ("-f", "tcl/vitis_hls.tcl", "-tclargs", *steps), makes=HLS_IP),)


def _quartus(*, on_board: bool) -> Step:
    step, makes = ("board", ("measured/board.sof",)) if on_board else ("build", ())
    clears = (f"build/quartus/output/{step}.*", *makes)
    return Step(IMPLEMENT, QUARTUS, ("-t", "tcl/quartus.tcl", step), makes=makes, clears=clears)


def _vivado(
    step: str, script: str, *, name: str = "", makes: tuple[str, ...] = (), clears: tuple[str, ...] = ()
) -> Step:
    arguments = ("-mode", "batch", "-nojournal", "-nolog", "-source", script, "-tclargs", step)
    return Step(name or step, VIVADO, arguments, makes, clears)


_BOARD = (
    _vivado("design", "board/vivado.tcl", makes=("build/board/swm.xpr",)),
    _vivado("synth", "board/vivado.tcl", clears=("build/board/reports/synth_*",)),
    _vivado("implement", "board/vivado.tcl", name=IMPLEMENT, clears=("build/board/reports/impl_*", "measured/swm.*")),
    _vivado("bitstream", "board/vivado.tcl", makes=("measured/swm.bit",), clears=("measured/swm.*",)),
)
