# SPDX-License-Identifier: Apache-2.0
"""The host link of a board: numbers of its top, and the driver with its settings (docs/link.md)."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from swm.accelerator.design import Design
from swm.device.board import Link
from swm.emit.host_files import SHARED_DRIVER, driver_settings
from swm.emit.rtl_context import rom_files
from swm.errors import OptionError
from swm.package_data import templates_dir

__all__ = ["link_context", "write_link"]

FOLDER, DRIVER = "link", "accelerator.py"
PROTOCOL = 1
LEAST_DIVISOR = 4  # cycles of a bit that hls/rtl/swm_uart_rx.sv needs
RATE_ERROR = 0.02  # of a bit's time; a byte of ten bits is read right up to 5 % between both ends
SILENCE_S = 0.25  # in the midst of a frame; longer than a host's scheduler or a USB adapter pauses


def link_context(design: Design, context: dict[str, Any]) -> dict[str, Any] | None:
    """What the template of a board's top takes for its link; None where the board has none.

    Args:
        design: of back end rtl.
        context: what the other templates take; the identity is a hash of all of it and of the weights.

    Raises:
        OptionError: the board's clock does not give its baud.
    """
    link = design.schedule.board.link
    if link is None:
        return None
    sent, received = context["input"], context["output"]
    identity = bytes([PROTOCOL]) + _digest(design, context)
    return {
        "clock_hz": link.clock_hz,
        "oscillator_hz": link.oscillator_hz or link.clock_hz,
        "pll": link.pll,
        "pins": link.pins,
        "io_standard": link.io_standard,
        "baud": link.baud,
        "divisor": _divisor(link, design.schedule.board.name),
        "timeout": round(link.clock_hz * SILENCE_S),
        "leds": len(link.led_pins),
        "active_low": link.led_active_low,
        "in_bytes": sent["period"] * sent["width"] // 8,
        "out_bytes": received["period"] * received["width"] // 8,
        "identity": identity.hex(),
        "identity_number": identity[::-1].hex(),  # the first byte in the lowest place
    }


def write_link(folder: Path, design: Design, context: dict[str, Any]) -> None:
    """Write `link/`: a driver that needs numpy and pyserial only, and its settings; nothing where there is no link."""
    link = context.get("link")
    if link is None:
        return
    settings = {
        **driver_settings(design),
        "protocol": PROTOCOL,
        "identity": link["identity"],
        "baud": link["baud"],
        "latency_s": design.schedule.latency / link["clock_hz"],
    }
    place = folder / FOLDER
    place.mkdir()
    (place / "link.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    for name in (DRIVER, SHARED_DRIVER):
        shutil.copyfile(templates_dir() / name, place / name)


def _divisor(link: Link, board: str) -> int:
    divisor = max(1, round(link.clock_hz / link.baud))
    rate = link.clock_hz / divisor
    if divisor < LEAST_DIVISOR or abs(rate / link.baud - 1) > RATE_ERROR:
        raise OptionError(
            f"board {board}: a clock of {link.clock_hz:,} Hz does not give {link.baud:,} baud within"
            f" {100 * RATE_ERROR:g} %, {LEAST_DIVISOR} cycles a bit at least; take"
            f" {link.clock_hz // max(LEAST_DIVISOR, divisor):,} baud in its [link]"
        )
    return divisor


def _digest(design: Design, context: dict[str, Any]) -> bytes:
    """8 bytes that two designs share only if they compute the same from the same bytes (a cut SHA-256)."""
    formats = [str(design.graph.input), str(design.graph.output)]
    found = hashlib.sha256(repr((formats, *(context[name] for name in ("input", "output", "layers")))).encode())
    for name, text in rom_files(design):
        found.update(f"{name} {text}".encode())
    return found.digest()[:8]
