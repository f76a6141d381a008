# SPDX-License-Identifier: Apache-2.0
"""Where the ports of a board's top lie: `.lpf` for ECP5, `.cst` for Gowin, from the board's file."""

from __future__ import annotations

from swm.device.board import Link

__all__ = ["gowin_constraints", "lattice_constraints"]


def _pins(link: Link) -> list[tuple[str, str]]:
    """Ports of `board_top` and their pins; a single LED is a bit, not a vector, to some tools: it has both names."""
    single = [("led", link.led_pins[0])] if len(link.led_pins) == 1 else []
    return [*link.pins, *single]


def lattice_constraints(link: Link) -> str:
    """Text of an `.lpf` file; an open serial line reads as idle."""
    lines = []
    for port, pin in _pins(link):
        pull = {"clk": " PULLMODE=NONE", "uart_rx": " PULLMODE=UP"}.get(port, "")
        lines += [f'LOCATE COMP "{port}" SITE "{pin}";', f'IOBUF PORT "{port}" IO_TYPE={link.io_standard}{pull};']
    return "\n".join([*lines, f'FREQUENCY PORT "clk" {link.clock_hz / 1e6:g} MHZ;', ""])


def gowin_constraints(link: Link) -> str:
    """Text of a `.cst` file; an open serial line reads as idle."""
    lines = []
    for port, pin in _pins(link):
        pull = "UP" if port == "uart_rx" else "NONE"
        lines += [f'IO_LOC "{port}" {pin};', f'IO_PORT "{port}" IO_TYPE={link.io_standard} PULL_MODE={pull};']
    return "\n".join([*lines, ""])
