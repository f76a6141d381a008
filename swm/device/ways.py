# SPDX-License-Identifier: Apache-2.0
"""Tables of a board file that say how a host reaches the device, and what open tools call it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from swm.device.tables import IoStandard, Sourced, Table, Word

__all__ = ["Link", "Nextpnr", "Pcie", "Platform", "ProcessingSystem"]


class Link(Sourced):
    """The pins of a bitstream whose host sits behind a serial line: an oscillator, a serial line to the host, LEDs.

    Attributes:
        clock_hz: of the oscillator at `clock_pin`; of a differential one the clock that a PLL makes of it.
        clock_pin: of the oscillator.
        clock_pin_n: the other pin of a differential oscillator, of `oscillator_hz`; on 7-series devices.
        oscillator_hz: see there.
        uart_rx_pin: where the device receives from the host; at `uart_tx_pin` it sends.
        led_pins: of `led[0]` and so on.
        led_active_low: a LED lights at 0.
        baud: bits a second on the serial line.
        io_standard: of all these pins, as nextpnr, Vivado or Quartus name it.
    """

    clock_hz: Annotated[int, Field(gt=0, strict=True)]
    clock_pin: Word
    clock_pin_n: Word | None = None
    oscillator_hz: Annotated[int, Field(gt=0, strict=True)] | None = None
    uart_rx_pin: Word
    uart_tx_pin: Word
    led_pins: Annotated[tuple[Word, ...], Field(min_length=1, max_length=64)]
    led_active_low: bool = False
    baud: Annotated[int, Field(ge=300, le=12_000_000, strict=True)] = 115_200
    io_standard: IoStandard = "LVCMOS33"

    @model_validator(mode="after")
    def _whole(self) -> Link:
        if (self.clock_pin_n is None) != (self.oscillator_hz is None):
            raise ValueError("a differential oscillator has both clock_pin_n and oscillator_hz")
        if self.oscillator_hz is not None and self.pll is None:
            raise ValueError(
                f"no PLL of a 7-series device makes {self.clock_hz:,} Hz of {self.oscillator_hz:,} Hz:"
                f" {self.oscillator_hz:,} x M / D with M from 2 to 64, D from 1 to 128, and 800 to 1,600 MHz after M"
            )
        return self

    @property
    def pll(self) -> tuple[int, int] | None:
        """Factors M, D of a 7-series PLLE2 that makes the clock of a differential oscillator; None if there are none.

        Frequencies between both are those of the slowest speed grade (enjoy-digital/litex @14e196a,
        litex/soc/cores/clock/xilinx_s7.py).
        """
        if self.oscillator_hz is None:
            return None
        for factor in range(2, 65):
            between = self.oscillator_hz * factor
            divisor, rest = divmod(between, self.clock_hz)
            if 800_000_000 <= between <= 1_600_000_000 and not rest and divisor <= 128:
                return factor, divisor
        return None

    @property
    def pins(self) -> tuple[tuple[str, str], ...]:
        """Ports of a board's top (templates/rtl/board_top.sv.j2, board_pins.sv.j2), each with its pin."""
        leds = ((f"led[{i}]", pin) for i, pin in enumerate(self.led_pins))
        clock: tuple[tuple[str, str], ...] = (("clk", self.clock_pin),)
        if self.clock_pin_n is not None:
            clock = ("clk_p", self.clock_pin), ("clk_n", self.clock_pin_n)
        return (*clock, ("uart_rx", self.uart_rx_pin), ("uart_tx", self.uart_tx_pin), *leds)


class ProcessingSystem(Sourced):
    """The hard processor that feeds the accelerator: how Vivado's block design sets it up.

    Attributes:
        ip: of Vivado: `processing_system7` on Zynq-7000, `zynq_ultra_ps_e` on Zynq UltraScale+.
        board_part: whose preset (memory, pins, clocks) it takes, with the version of the board files.
    """

    ip: Literal["processing_system7", "zynq_ultra_ps_e"]
    board_part: Annotated[str, Field(pattern=r"^[\w.-]+:[\w.-]+:[\w.-]+:[\w.-]+$")]


class Platform(Sourced):
    """A card's Vitis platform, for `v++`, and the memory that a kernel's buffers lie in (`HBM[0]`, `DDR[0]`)."""

    name: Word
    memory: Annotated[str, Field(pattern=r"^[A-Z]+\[[0-9]+(:[0-9]+)?\]$")]


class Pcie(Sourced):
    """PCIe pins of a card that no Vitis platform is for: Vivado joins the accelerator to AMD's DMA for PCIe (XDMA).

    Attributes:
        lanes: of the link.
        generation: of the link; with the lanes it says how wide the DMA's streams are, at 250 MHz.
        refclk_pin: of the differential reference clock of 100 MHz; the other is `refclk_pin_n`. One is enough, as the
            device joins them in pairs.
        perst_pin: of the reset, low, of `io_standard`.
        block: of PCIe on a device with several, as the IP calls its place.
    """

    lanes: Literal[1, 2, 4, 8]
    generation: Literal[1, 2, 3]
    refclk_pin: Word | None = None
    refclk_pin_n: Word | None = None
    perst_pin: Word
    io_standard: IoStandard = "LVCMOS18"
    block: Annotated[str, Field(pattern=r"^X[0-9]Y[0-9]$")] | None = None

    @model_validator(mode="after")
    def _clocked(self) -> Pcie:
        if self.refclk_pin is None and self.refclk_pin_n is None:
            raise ValueError("the reference clock needs a pin: refclk_pin, refclk_pin_n or both")
        return self

    @property
    def bits(self) -> int:
        """Of the DMA's streams: 64 at least, and as many as carry the link at 250 MHz (AMD PG195 4.1, port widths)."""
        return max(64, self.lanes * {1: 8, 2: 16, 3: 32}[self.generation])

    @property
    def speed(self) -> str:
        """As the IP calls the generation."""
        return {1: "2.5_GT/s", 2: "5.0_GT/s", 3: "8.0_GT/s"}[self.generation]


class Nextpnr(Table):
    """What nextpnr calls the device: ECP5 `device`, `package` and `speed`; Gowin `device` and `chip`."""

    device: Word
    package: Word | None = None
    speed: Word | None = None
    chip: Word | None = None
