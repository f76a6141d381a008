# SPDX-License-Identifier: Apache-2.0
"""The way from a project to a board of AMD: block design and driver behind a processor or PCIe, a card's kernel."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from swm.accelerator.design import Design, Edge
from swm.accelerator.loading import loads
from swm.emit.host_files import SHARED_DRIVER, driver_settings, word_bits
from swm.errors import OptionError
from swm.package_data import templates_dir

__all__ = ["board_context", "card_commands", "host_path", "path_files", "write_board"]

FOLDER = "board"
SETTINGS = "board.json"
DRIVERS = {"processor": ("overlay.py", "overlay.ipynb"), "card": ("kernel.py",), "pcie": ("stream.py",)}
PCIE_MHZ = 250  # of the clock that the DMA gives
DMA_BITS = (8, 16, 32, 64, 128, 256, 512, 1024)  # of a stream: AMD PG021 7.1, C_M_AXIS_MM2S_TDATA_WIDTH
FEWEST_FLAGS, MOST_FLAGS = 16, 4096  # frames inside the accelerator that templates/board/swm_batch.v.j2 counts
IP_PLACES = {
    "c++": ("swm_hls/*/impl/ip", "swm_hls/impl/ip"),  # of v++ --work_dir swm_hls, of vitis_hls
    "systemverilog": ("build/vivado/ip",),
}


def host_path(design: Design) -> str | None:
    """How numbers reach the hardware: "processor", "card", "pcie", "link", or None where nothing is written for it."""
    board, backend = design.schedule.board, design.backend
    if board.processing_system is not None and backend.processor_files:
        return "processor"
    if board.platform is not None and backend.platform_files and backend.control == "s_axilite":
        return "card"  # the kernel says how many frames come
    if board.pcie is not None and backend.pcie_files:
        return "pcie"
    return "link" if board.link is not None and backend.linked else None


def path_files(design: Design) -> tuple[tuple[str, str], ...]:
    """Templates of the way to the board that a project has, each with its file."""
    backend = design.backend
    files = {"processor": backend.processor_files, "card": backend.platform_files, "pcie": backend.pcie_files}
    return files.get(host_path(design) or "", ())


def board_context(design: Design, context: dict[str, Any]) -> dict[str, Any] | None:
    """What the templates of `board/` take; None where the board or the back end has no such way.

    Args:
        design: of back end vitis or rtl.
        context: what the other templates take.

    Raises:
        OptionError: a stream is wider than the DMA's, or a kernel's.
    """
    path = host_path(design)
    if path not in DRIVERS:
        return None
    schedule, name = design.schedule, design.schedule.board.name
    widths = {"in_bits": word_bits(schedule.input), "out_bits": word_bits(schedule.output)}
    for bits in widths.values():
        if bits not in DMA_BITS:
            raise OptionError(
                f"board {name}: streams of {bits} bits, its DMA takes {DMA_BITS[0]} to {DMA_BITS[-1]};"
                " give the board file a narrower [stream]"
            )
    filled = loads(schedule)
    common = {
        **context,
        **widths,
        "in_bytes": _frame_bytes(schedule.input),
        "out_bytes": _frame_bytes(schedule.output),
        "weights_bits": filled[0].port_bits if filled else None,
    }
    if path == "card":
        return {**common, **_card(design, bool(filled))}
    return {**common, **_between(design), **(_processor(design) if path == "processor" else _pcie(design, widths))}


def _frame_bytes(edge: Edge) -> int:
    return edge.positions * edge.beats * word_bits(edge) // 8


def _processor(design: Design) -> dict[str, Any]:
    schedule = design.schedule
    system = schedule.board.processing_system
    assert system is not None
    zynq7000 = system.ip == "processing_system7"
    hls, control = design.backend.language == "c++", design.backend.control == "s_axilite"
    loaded = bool(loads(schedule))
    registers = ["dma S_AXI_LITE"]
    registers += ["swm_top s_axi_control s_axi_CTRL s_axi_AXILiteS"] if control else []
    registers += ["weights_dma S_AXI_LITE"] if loaded else []
    memory = ["dma M_AXI_MM2S", "dma M_AXI_S2MM", *(["weights_dma M_AXI_MM2S"] if loaded else [])]
    ps = ("ps/M_AXI_GP0_ACLK", "ps/S_AXI_HP0_ACLK") if zynq7000 else ("ps/maxihpm0_fpd_aclk", "ps/saxihp0_fpd_aclk")
    dma = ["dma/s_axi_lite_aclk", "dma/m_axi_mm2s_aclk", "dma/m_axi_s2mm_aclk"]
    dma += ["weights_dma/s_axi_lite_aclk", "weights_dma/m_axi_mm2s_aclk"] if loaded else []
    core = ("swm_top/ap_clk", "swm_top/ap_rst_n") if hls else ("swm_top/aclk", "swm_top/aresetn")
    resets = ["dma/axi_resetn", *(["weights_dma/axi_resetn"] if loaded else [])]
    return {
        "board_part": system.board_part,
        "zynq7000": zynq7000,
        "memory_bits": 64 if zynq7000 else 128,  # of one HP port; boards/*.toml, [stream], has the source
        "address_bits": 32 if zynq7000 else 40,
        "ps_clock": "ps/FCLK_CLK0" if zynq7000 else "ps/pl_clk0",
        "ps_reset": "ps/FCLK_RESET0_N" if zynq7000 else "ps/pl_resetn0",
        "ps_master": "M_AXI_GP0" if zynq7000 else "M_AXI_HPM0_FPD",
        "ps_slave": "S_AXI_HP0" if zynq7000 else "S_AXI_HP0_FPD",
        "register_ports": registers,
        "memory_ports": memory,
        "clocked": [*ps, "resets/slowest_sync_clk", "registers/aclk", "memory/aclk", *dma, "batch/aclk", core[0]],
        "reset": ["registers/aresetn", "memory/aresetn", *resets, "batch/aresetn", core[1]],
    }


def _between(design: Design) -> dict[str, Any]:
    """The accelerator's IP, and the module between it and a DMA."""
    schedule, hls = design.schedule, design.backend.language == "c++"
    frames = schedule.latency // max(1, schedule.interval) + 4
    flags = min(MOST_FLAGS, max(FEWEST_FLAGS, 1 << (frames - 1).bit_length()))
    return {
        "top_in": "in_r in" if hls else "s_axis",
        "top_out": "out_r out" if hls else "m_axis",
        "ip_places": IP_PLACES[design.backend.language],
        "ip_command": "make hls" if hls else "vivado -mode batch -source tcl/vivado.tcl -tclargs ip",
        "in_period": schedule.input.positions * schedule.input.beats,
        "flags": flags,
        "flag_bits": flags.bit_length() - 1,
    }


def _pcie(design: Design, widths: dict[str, int]) -> dict[str, Any]:
    pcie = design.schedule.board.pcie
    assert pcie is not None
    if max(widths.values()) > pcie.bits:
        raise OptionError(
            f"board {design.schedule.board.name}: streams of {max(widths.values())} bits, its DMA has {pcie.bits};"
            " give the board file a narrower [stream]"
        )
    converters = [name for name, end in (("narrow", "in_bits"), ("widen", "out_bits")) if widths[end] != pcie.bits]
    ours = ["batch/aclk", "swm_top/aclk", *(f"{name}/aclk" for name in converters)]
    return {
        "pcie": {**pcie.model_dump(), "bits": pcie.bits, "speed": pcie.speed, "mhz": PCIE_MHZ},
        "one_clock": design.schedule.board.family == "7series",  # whose transceivers take the buffer's clock themselves
        "board_part": None,
        "ps_clock": "clock/clk_out1",
        "clocked": ["resets/slowest_sync_clk", "in_queue/m_axis_aclk", "out_queue/s_axis_aclk", *ours],
        "reset": ["out_queue/s_axis_aresetn", *(name.replace("aclk", "aresetn") for name in ours)],
    }


def _card(design: Design, loaded: bool) -> dict[str, Any]:
    platform = design.schedule.board.platform
    assert platform is not None
    compile_command, link_command = card_commands()
    return {
        "platform": platform.name,
        "memory": platform.memory,
        "bundles": range(4 if loaded else 3),
        "symbols": [name for name in design.backend.defines if name != "SWM_SIM_BOUNDED"],
        "compile_command": " ".join(compile_command),
        "link_command": " ".join(link_command),
    }


def card_commands() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The two commands that make a card's kernel of a project, from its folder."""
    kernel = "build/board/swm_kernel.xo"
    return (
        ("v++", "-c", "--config", "board/kernel.cfg", "-o", kernel, "board/kernel.cpp", "src/top.cpp"),
        ("v++", "-l", "--config", "board/link.cfg", "-o", "measured/swm.xclbin", kernel),
    )


def write_board(folder: Path, design: Design) -> None:
    """Write the driver, its settings and the notebook into `board/`; nothing where there is no such way."""
    path = host_path(design)
    if path not in DRIVERS:
        return
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    settings = {
        **driver_settings(design),
        "control": design.backend.control == "s_axilite",
        "weights": bool(loads(design.schedule)),
        "latency_s": design.schedule.latency / (1e6 * design.schedule.clock_mhz),
    }
    if path == "pcie" and design.schedule.board.pcie is not None:
        settings["dma_bytes"] = design.schedule.board.pcie.bits // 8
    (place / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    for name in DRIVERS[path]:
        shutil.copyfile(templates_dir() / FOLDER / name, place / name)
    shutil.copyfile(templates_dir() / SHARED_DRIVER, place / SHARED_DRIVER)
