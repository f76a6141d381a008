# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for `pynq` and `pyxrt`: buffers, a DMA of simple transfers, a core with registers, a kernel of a card.

They take and give bytes as the wire has them, unpacked here by the design's edges and by nothing of the driver's;
between them stands a function from the hardware's words to its answers.
"""

import types
from dataclasses import dataclass, field

import numpy as np

REGISTERS = {"CTRL": 0x00, "frames": 0x10, "load": 0x18, "loaded": 0x20}


def containers(edge):
    return 8 if edge.bits <= 8 else 16 if edge.bits <= 16 else 32


def from_wire(data, edge):
    """Bytes of whole frames → (frames, values); places beyond the channels of a token are dropped."""
    size = containers(edge) // 8
    places = edge.beats * edge.vec
    values = [int.from_bytes(data[i : i + size], "little", signed=True) for i in range(0, len(data), size)]
    tokens = np.array(values).reshape(-1, edge.positions, places)
    assert not tokens[:, :, edge.channels :].any(), "padding is zeros"
    return tokens[:, :, : edge.channels].reshape(len(tokens), -1)


def to_wire(words, edge):
    size, places = containers(edge) // 8, edge.beats * edge.vec
    out = b""
    for frame in np.asarray(words).reshape(-1, edge.positions, edge.channels):
        for token in frame:
            filled = [*map(int, token), *[0] * (places - edge.channels)]
            out += b"".join(value.to_bytes(size, "little", signed=True) for value in filled)
    return out


class Buffer(np.ndarray):
    """What `pynq.allocate` gives; `held` counts those that were not given back."""

    def freebuffer(self):
        assert self.alive.pop(), "a buffer is given back once"


@dataclass
class Hardware:
    """A board: a design, and what computes its answers; `transfers` are the frames of each.

    `strict`: frames before the right weights are a mistake of the test's.
    """

    design: object
    words: object
    weights: bytes | None = None
    answers: bool = True
    strict: bool = True
    parts: tuple = ("dma", "swm_top")
    transfers: list = field(default_factory=list)
    bitfile: str = ""
    buffers: list = field(default_factory=list)

    def __post_init__(self):
        self.sender, self.receiver, self.weights_sender = Channel(self), Channel(self), Channel(self)
        self.registers = dict.fromkeys(REGISTERS.values(), 0)
        self.loaded = False

    def run(self):
        """What happens once the core has started and both channels are armed."""
        control = self.design.backend.control == "s_axilite"
        if not self.answers or None in (self.sender.armed, self.receiver.armed):
            return
        if control and not self.registers[0] & 1:
            return
        edge, back = self.design.schedule.input, self.design.schedule.output
        words = from_wire(self.sender.taken(), edge)
        if control:
            assert len(words) == self.registers[REGISTERS["frames"]], "frames of the call are those of the transfer"
        if self.weights is not None and self.registers[REGISTERS["load"]]:
            self.loaded = self.weights_sender.taken() == self.weights
            self.registers[REGISTERS["loaded"]] = 1 if self.loaded else 2
        if self.weights is not None and self.strict:
            assert self.loaded, "no frame before the weights"
        answer = to_wire(self.words(words), back)
        array, size = self.receiver.armed
        assert size == len(answer), "the channel waits for as many bytes as come"
        array.reshape(-1)[:size] = np.frombuffer(answer, np.uint8)
        self.receiver.armed = None
        self.registers[0] = 0x4
        self.transfers.append(len(words))


class Channel:
    """One direction of the DMA: armed by a transfer, idle again when its bytes have gone."""

    def __init__(self, hardware):
        self.hardware, self.armed = hardware, None

    @property
    def idle(self):
        return self.armed is None

    def transfer(self, array, start=0, nbytes=0):
        assert self.idle and start == 0 and isinstance(array, Buffer)
        size = nbytes or array.nbytes
        assert size <= array.nbytes and size < 1 << 26
        self.armed = array, size
        self.hardware.run()

    def taken(self):
        array, size = self.armed
        self.armed = None
        return array.reshape(-1)[:size].tobytes()

    def wait(self):
        assert self.idle, "the driver's own wait comes first"


def fake_pynq(hardware):
    """A module `pynq` whose overlay is this hardware."""
    module = types.ModuleType("pynq")

    def allocate(shape, dtype):
        buffer = np.zeros(shape, dtype).view(Buffer)
        buffer.alive = [True]
        hardware.buffers.append(buffer)
        return buffer

    class Core:
        def write(self, offset, value):
            hardware.registers[offset] = value
            hardware.run()

        def read(self, offset):
            return hardware.registers[offset]

    class Overlay:
        def __init__(self, bitfile):
            hardware.bitfile = bitfile
            made = {
                "dma": types.SimpleNamespace(sendchannel=hardware.sender, recvchannel=hardware.receiver),
                "weights_dma": types.SimpleNamespace(sendchannel=hardware.weights_sender),
                "swm_top": Core(),
            }
            for name in hardware.parts:
                setattr(self, name, made[name])
            registers = {name: {"address_offset": offset} for name, offset in REGISTERS.items()}
            self.ip_dict = {"swm_top": {"registers": registers}}

    module.allocate, module.Overlay = allocate, Overlay
    return module


def fake_pyxrt(run):
    """A module `pyxrt` with the kernel `run(bytes, frames, weights or None, load)` → bytes out, words seen."""
    module = types.ModuleType("pyxrt")

    class Bo:
        normal = 0

        def __init__(self, device, size, flags, group):
            self.host, self.card, self.group = bytearray(size), bytearray(size), group

        def write(self, data, skip):
            data = np.ascontiguousarray(data).tobytes()
            self.host[skip : skip + len(data)] = data

        def read(self, size, skip):
            return np.frombuffer(bytes(self.host[skip : skip + size]), np.int8)

        def sync(self, direction, size, skip):
            source, target = (self.host, self.card) if direction == "to" else (self.card, self.host)
            target[skip : skip + size] = source[skip : skip + size]

    class Kernel:
        def __init__(self, device, uuid, name):
            assert (uuid, name) == ("uuid", "swm_kernel")

        def group_id(self, argument):
            return argument

        def __call__(self, sent, got, seen, frames, weights=None, load=0):
            groups = [bo.group for bo in (sent, got, seen, weights) if bo is not None]
            assert groups == [0, 1, 2, 4][: len(groups)], "each buffer lies where its argument wants it"
            out, words = run(bytes(sent.card), frames, None if weights is None else bytes(weights.card), load)
            got.card[: len(out)] = out
            seen.card[: 4 * len(words)] = np.array(words, "<u4").tobytes()
            return types.SimpleNamespace(wait=lambda: "completed")

    module.bo, module.kernel = Bo, Kernel
    module.xclbin = lambda path: path
    module.device = lambda number: types.SimpleNamespace(load_xclbin=lambda file: "uuid")
    module.xclBOSyncDirection = types.SimpleNamespace(XCL_BO_SYNC_BO_TO_DEVICE="to", XCL_BO_SYNC_BO_FROM_DEVICE="from")
    module.ert_cmd_state = types.SimpleNamespace(ERT_CMD_STATE_COMPLETED="completed")
    return module
