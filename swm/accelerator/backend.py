# SPDX-License-Identifier: Apache-2.0
"""Back ends: what a Design is emitted for. Adding one is one `Backend` value and its templates."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from swm.errors import OptionError

__all__ = ["GENERIC", "RTL", "VITIS", "Backend", "backend", "backend_names", "register_backend", "unregister_backend"]


@dataclass(frozen=True)
class Backend:
    """One way to emit a Design.

    Attributes:
        name: what `--backend` takes.
        title: one line for help and reports.
        streaming: processes run side by side, joined by streams; otherwise they are called one after the other, over
            arrays.
        parallelism: "search" fills the board, "minimal" takes one lane everywhere.
        files: template → file in the project; a "%" stands for each layer's name.
        linked: the same, for boards with a `[link]`, a serial line to a host.
        clocked: the same, for those of them with a differential oscillator.
        vendor_files: vendor of a device, and what is written for its devices only: template, file.
        processor_files: the same, for boards with a `[processing_system]`.
        platform_files: the same, for cards with a `[platform]`.
        pcie_files: the same, for cards with a `[pcie]`.
        library: folders of hls/ that the project takes along, and where to.
        defines: preprocessor symbols of its C simulation; with SWM_ROM_FILES it reads large ROMs from files instead of
            compiling them (hls/swm/rom.h).
        include: include folders of its C simulation, in the project.
        tool: what turns the project into hardware, in words.
        control: of a streaming top: "s_axilite" registers, or "ap_ctrl_none", a core that starts anew by itself.
        frames: frames of one start, compiled in, where control is "ap_ctrl_none"; a core that may wait long for its
            next frame takes one at a time, for it loads ahead within a start.
        loading: whether its top can have a port that fills memories at start; without it weights lie in ROMs only.
        vendors: whose devices its tool builds for; empty: anybody's.
        language: "c++" for an HLS compiler, or "systemverilog": modules of hls/rtl, whose pipelines are known register
            by register (`swm.layers.rtl`), so that interval and latency are too.
    """

    name: str
    title: str
    streaming: bool
    parallelism: Literal["search", "minimal"]
    files: tuple[tuple[str, str], ...]
    library: tuple[tuple[str, str], ...]
    defines: tuple[str, ...]
    include: tuple[str, ...]
    tool: str
    control: Literal["s_axilite", "ap_ctrl_none"] = "s_axilite"
    linked: tuple[tuple[str, str], ...] = ()
    clocked: tuple[tuple[str, str], ...] = ()
    vendor_files: tuple[tuple[str, str, str], ...] = ()
    processor_files: tuple[tuple[str, str], ...] = ()
    platform_files: tuple[tuple[str, str], ...] = ()
    pcie_files: tuple[tuple[str, str], ...] = ()
    frames: int = 1
    loading: bool = False
    vendors: tuple[str, ...] = ()
    language: Literal["c++", "systemverilog"] = "c++"

    @property
    def area(self) -> Literal["operators", "modules"]:
        """What its resources are modelled by.

        "operators" of the C++ kernels, as csynth reports and routed designs have them; or "modules" of hls/rtl,
        counted, at prices fitted to yosys (`swm.layers.rtl.area`). A process whose module is not counted keeps its
        operators.
        """
        return "modules" if self.language == "systemverilog" else "operators"

    @property
    def beside(self) -> bool:
        """Whether layers may compute several positions of an image's row at once: kernels of hls/swm do, no module."""
        return self.language == "c++"

    @property
    def loads_weights(self) -> bool:
        """Whether designs may hold weights that are loaded at start: a register has to say in which start."""
        return self.loading and self.streaming and self.control == "s_axilite"


_COMMON = (
    ("layers.h.j2", "src/layers.h"),
    ("top.h.j2", "src/top.h"),
    ("top.cpp.j2", "src/top.cpp"),
    ("weights.h.j2", "src/weights_%.h"),
    ("testbench.cpp.j2", "tb/testbench.cpp"),
    ("Makefile.j2", "Makefile"),
    ("project_readme.md.j2", "README.md"),
)

_PROCESSOR = (("board/block_design.tcl.j2", "board/vivado.tcl"), ("board/swm_batch.v.j2", "board/swm_batch.v"))

VITIS = Backend(
    name="vitis",
    title="AXI streams, DATAFLOW and pragmas for AMD Vitis HLS",
    streaming=True,
    parallelism="search",
    files=(*_COMMON, ("hls_config.cfg.j2", "hls_config.cfg"), ("vitis_hls.tcl.j2", "tcl/vitis_hls.tcl")),
    library=(("swm", "include/swm"), ("sim", "sim")),
    defines=("SWM_VITIS", "SWM_ROM_FILES", "SWM_SIM_BOUNDED"),
    include=("include", "src", "sim"),
    processor_files=_PROCESSOR,
    platform_files=(
        ("board/kernel.cpp.j2", "board/kernel.cpp"),
        ("board/kernel.cfg.j2", "board/kernel.cfg"),
        ("board/link.cfg.j2", "board/link.cfg"),
    ),
    tool="Vitis HLS",
    loading=True,
    vendors=("AMD",),
)

GENERIC = Backend(
    name="generic",
    title="plain arrays and integers for any C++14 HLS compiler",
    streaming=False,
    parallelism="minimal",
    files=_COMMON,
    library=(("swm", "include/swm"),),
    defines=("SWM_ROM_FILES",),
    include=("include", "src"),
    tool="a C++14 HLS compiler",
)

RTL = Backend(
    name="rtl",
    title="SystemVerilog for Vivado, Quartus, yosys and Verilator",
    streaming=True,
    parallelism="search",
    files=(
        ("rtl/top.sv.j2", "rtl/swm_top.sv"),
        ("rtl/testbench.cpp.j2", "sim/testbench.cpp"),
        ("rtl/testbench.sv.j2", "sim/testbench.sv"),
        ("rtl/Makefile.j2", "Makefile"),
        ("rtl/readme.md.j2", "README.md"),
    ),
    linked=(("rtl/board_top.sv.j2", "rtl/board_top.sv"), ("rtl/board.cpp.j2", "sim/board.cpp")),
    clocked=(("rtl/board_pins.sv.j2", "tcl/board_pins.sv"),),
    vendor_files=(("AMD", "rtl/vivado.tcl.j2", "tcl/vivado.tcl"), ("Intel", "rtl/quartus.tcl.j2", "tcl/quartus.tcl")),
    processor_files=_PROCESSOR,
    pcie_files=(*_PROCESSOR, ("board/pcie.xdc.j2", "board/pcie.xdc")),
    library=(("rtl", "rtl"),),
    defines=(),
    include=(),
    tool="Vivado, Quartus or yosys",
    control="ap_ctrl_none",
    language="systemverilog",
)

_BACKENDS = {b.name: b for b in (VITIS, GENERIC, RTL)}


def backend_names() -> tuple[str, ...]:
    """Names of the back ends, the default first."""
    return tuple(_BACKENDS)


def backend(name: str) -> Backend:
    """The back end of a name.

    Raises:
        OptionError: there is none; the nearest name is offered.
    """
    if name in _BACKENDS:
        return _BACKENDS[name]
    near = difflib.get_close_matches(str(name), _BACKENDS, n=1, cutoff=0.4)
    offer = f"did you mean {near[0]!r}?" if near else f"choose {' or '.join(_BACKENDS)}"
    raise OptionError(f"unknown back end {name!r}: {offer}")


def register_backend(value: Backend) -> None:
    """Add a back end, or take the place of the one of the same name."""
    _BACKENDS[value.name] = value


def unregister_backend(name: str) -> None:
    """Take a back end out again."""
    _BACKENDS.pop(name, None)
