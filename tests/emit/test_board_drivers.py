# SPDX-License-Identifier: Apache-2.0
"""The drivers of a project against stand-ins of PYNQ and XRT: the driver's bytes in, words of the integer engine or of
the compiled kernel out, compared with swm bit for bit. No board and no vendor's tool took part."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from designs import Sketch, design
from fake_pynq import Hardware, containers, fake_pynq, fake_pyxrt, from_wire, to_wire
from host.host_models import anomaly, load
from rtl.many_networks import design as rtl_design
from support import inputs
from test_loaded_weights import forced

import swm
from swm.accelerator.integers import run_fixed
from swm.accelerator.layout import ChannelsLast
from swm.device import load_board
from swm.emit import emit_project


def network(board="pynq-z2", backend="vitis"):
    """Tokens that do not fill their beats; at both ends values in another order than they lie in the model's arrays."""
    sketch = Sketch(13, bits=8, positions=2).product("x", "h", 12, positions=2, block=4, activation="relu")
    graph = sketch.product("h", "y", 20, positions=2).graph()
    orders = {"input_order": ChannelsLast(13, 2), "output_order": ChannelsLast(20, 2), "output_shape": (20, 2)}
    if backend == "rtl":
        return rtl_design(replace(graph, **orders), ends=(2, 1), board=board)
    return design(replace(graph, **orders), ends=(2, 1), board=board)


def engine(graph):
    """Words that the hardware reads → words that it writes, by the integer engine."""
    plain = replace(graph, input_order=None)
    return lambda words: run_fixed(plain, words / 2.0**graph.input.frac).words


def imported(project, name, **modules):
    """A driver of a project, with stand-ins for what it imports."""
    with pytest.MonkeyPatch.context() as patch:
        for key, module in modules.items():
            patch.setitem(sys.modules, key, module)
        patch.delitem(sys.modules, "swm_network", raising=False)  # each project has its own
        patch.setattr(sys, "path", list(sys.path))
        place = importlib.util.spec_from_file_location(f"project_{name}", project / "board" / f"{name}.py")
        module = importlib.util.module_from_spec(place)
        place.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made():
    return network()


@pytest.fixture(scope="module")
def project(made, tmp_path_factory):
    return emit_project(made, tmp_path_factory.mktemp("board") / "p")


@pytest.fixture
def hardware(made):
    return Hardware(made, engine(made.graph))


@pytest.fixture
def driver(project, hardware):
    return imported(project, "overlay", pynq=fake_pynq(hardware))


def samples(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 13, 2)).astype(np.float32)


def test_answers_are_those_of_the_integer_engine_in_batches(made, driver, hardware, project):
    x = samples(40)
    with driver.Overlay(batch=16) as overlay:
        y = overlay.infer(x)
        assert hardware.bitfile == str(project / "measured" / "swm.bit")
        assert np.array_equal(y, run_fixed(made.graph, x.reshape(40, -1)).values)
        assert np.array_equal(y, swm.run(made.graph, x))
        assert hardware.transfers == [16, 16, 8]
        assert overlay.infer(x[:0]).shape == (0, 20, 2)
        assert overlay.self_test()[0] == 0
    assert not any(buffer.alive for buffer in hardware.buffers)


def test_a_wrong_word_is_seen(made, driver, hardware):
    right = hardware.words
    hardware.words = lambda words: right(words) ^ (np.arange(len(words)) == 3)[:, None]
    wrong, line = driver.Overlay().self_test()
    assert wrong == 40
    assert "16 frames, 640 words, 40 differ" in line


def test_bad_inputs_are_named(driver):
    overlay = driver.Overlay()
    with pytest.raises(ValueError, match=r"samples of 25 values, the network reads 26; axis 0 of .* \(4, 25\)"):
        overlay.infer(np.zeros((4, 25)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        overlay.infer(np.full((1, 13, 2), np.nan))
    with pytest.raises(ValueError, match="must be positive"):
        driver.Overlay(batch=0)


def test_silence_and_foreign_bitstreams_are_errors(driver, hardware):
    overlay = driver.Overlay(timeout=0.05)
    hardware.answers = False
    with pytest.raises(driver.OverlayError, match=r"3 frames were not taken within 0\.05 s"):
        overlay.infer(samples(3))
    hardware.parts = ("dma",)
    with pytest.raises(driver.OverlayError, match="no swm_top: it is not of this project"):
        driver.Overlay()


def test_the_notebook_runs(project, hardware, capsys):
    book = json.loads((project / "board" / "overlay.ipynb").read_text(encoding="utf-8"))
    names = {}
    driver = imported(project, "overlay", pynq=fake_pynq(hardware))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "overlay", driver)
        patch.chdir(project / "board")
        for cell in book["cells"]:
            if cell["cell_type"] == "code":
                assert not cell["outputs"], "notebooks are kept without outputs"
                exec("".join(cell["source"]), names)
    assert "640 words, 0 differ" in capsys.readouterr().out
    assert names["y"].shape == (16, 20, 2)


def test_rtl_has_no_registers_and_takes_frames_as_they_come(tmp_path):
    made = network(backend="rtl")
    project = emit_project(made, tmp_path / "p")
    hardware = Hardware(made, engine(made.graph), parts=("dma",))
    driver = imported(project, "overlay", pynq=fake_pynq(hardware))
    x = samples(5)
    assert np.array_equal(driver.Overlay(batch=3).infer(x), swm.run(made.graph, x))
    assert hardware.transfers == [3, 2]


class Pipes:
    """A card behind PCIe: two pipes, and what stands for the accelerator between them."""

    def __init__(self, folder, made, words):
        self.names = [folder / name for name in ("h2c", "c2h")]
        self.made, self.words, self.transfers = made, words, []
        for name in self.names:
            os.mkfifo(name)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        edges = self.made.schedule.input, self.made.schedule.output
        size = edges[0].positions * edges[0].beats * edges[0].vec * containers(edges[0]) // 8
        with self.names[0].open("rb") as source, self.names[1].open("wb", buffering=0) as sink:
            held = b""
            while data := source.read1(1000):  # a stream knows no transfers, and gives what it has
                held += data
                count = len(held) // size
                self.transfers.append(count)  # before the driver has its words and may ask
                if count and self.words is not None:
                    sink.write(to_wire(self.words(from_wire(held[: count * size], edges[0])), edges[1]))
                held = held[count * size :]


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    made = network(board="adm-pcie-ku3", backend="rtl")
    return made, emit_project(made, tmp_path_factory.mktemp("card") / "p")


def test_a_card_behind_pcie_gives_the_same_words(card, tmp_path):
    made, project = card
    driver, pipes = imported(project, "stream"), Pipes(tmp_path, made, engine(made.graph))
    with driver.Stream(*pipes.names, batch=24) as stream:
        x = samples(40)
        assert np.array_equal(stream.infer(x), run_fixed(made.graph, x.reshape(40, -1)).values)
        # whole words of 32 bytes on both sides: 24 and 16 frames, filled up
        assert sum(pipes.transfers) % stream.step == 0 and sum(pipes.transfers) >= 40
        assert stream.frame_bytes("input") * stream.step % 32 == stream.frame_bytes("output") * stream.step % 32 == 0
        assert stream.self_test()[0] == 0


def test_a_card_that_is_silent_or_gone_is_an_error(card, tmp_path):
    made, project = card
    driver, pipes = imported(project, "stream"), Pipes(tmp_path, made, None)
    with driver.Stream(*pipes.names, timeout=0.1) as stream:
        with pytest.raises(driver.StreamError, match=r"answers did not come within 0\.1 s"):
            stream.infer(samples(3))
        with pytest.raises(ValueError, match="samples of 25 values, the network reads 26"):
            stream.infer(np.zeros((4, 25)))
    with pytest.raises(OSError, match="nowhere"):
        driver.Stream(tmp_path / "nowhere", tmp_path / "nowhere")
    assert driver.main(["--device", str(tmp_path / "xdma0")]) == 2


def test_the_host_parts_run_around_the_board(tmp_path):
    graph = load(anomaly(tmp_path / "m.onnx"))
    fixed = swm.quantize(graph, bits=8, calibration=inputs(width=12))
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p")
    hardware = Hardware(project.design, engine(fixed))
    driver = imported(project.path, "overlay", pynq=fake_pynq(hardware))
    x = inputs(20, width=12, seed=8)
    assert np.array_equal(driver.Overlay().infer(x), swm.run(fixed, x))


def test_weights_are_sent_once_with_the_first_frames(tmp_path):
    made = forced("dense")
    project = emit_project(made, tmp_path / "p")
    weights = (project / "weights.bin").read_bytes()
    hardware = Hardware(made, engine(made.graph), weights, parts=("dma", "swm_top", "weights_dma"))
    driver = imported(project, "overlay", pynq=fake_pynq(hardware))
    overlay = driver.Overlay(batch=10)
    assert overlay.self_test()[0] == 0  # 16 vectors: two transfers, the weights with the first
    assert hardware.transfers == [10, 6]
    (project / "weights.bin").write_bytes(weights[:-8])
    hardware = Hardware(made, engine(made.graph), weights, parts=("dma", "swm_top", "weights_dma"), strict=False)
    driver = imported(project, "overlay", pynq=fake_pynq(hardware))
    with pytest.raises(driver.OverlayError, match=r"weights\.bin: too short"):
        driver.Overlay().self_test()


SHIM = """
#include <cstdio>
#include <cstring>
#include <vector>
#include "../board/kernel.cpp"

template <class Word>
std::vector<Word> words(const std::vector<unsigned char>& bytes, int bits) {
  std::vector<Word> out(bytes.size() * 8 / bits);
  for (size_t i = 0; i < out.size(); ++i)
    for (int b = 0; b < bits; b += 8) out[i].range(b + 7, b) = bytes[(i * bits + b) / 8];
  return out;
}

std::vector<unsigned char> all(FILE* file, size_t count) {
  std::vector<unsigned char> out(count);
  if (count && fread(out.data(), 1, count, file) != count) exit(9);
  return out;
}

int main() {  // calls one after the other: frames, load, sizes, bytes in; words seen and bytes out
  int head[5];
  while (fread(head, 4, 5, stdin) == 5) {
    std::vector<in_word> in = words<in_word>(all(stdin, head[2]), IN_BITS);
    std::vector<out_word> out(head[4] * 8 / OUT_BITS);
    unsigned seen[4] = {0, 0, 0, 0};
#ifdef WEIGHTS
    std::vector<weights_word> weights = words<weights_word>(all(stdin, head[3]), 64);
    swm_kernel(in.data(), out.data(), seen, head[0], weights.data(), head[1]);
#else
    swm_kernel(in.data(), out.data(), seen, head[0]);
#endif
    fwrite(seen, 4, 4, stdout);
    for (size_t i = 0; i < out.size(); ++i)
      for (int b = 0; b < OUT_BITS; b += 8) putchar(int(out[i].range(b + 7, b)));
    fflush(stdout);
  }
}
"""


def compiled_kernel(project, made, tmp_path):
    """A process that holds the project's kernel, compiled with the stand-ins of hls/sim: `run` of fake_pyxrt."""
    settings = json.loads((project / "board" / "board.json").read_text())
    sizes = [settings[e]["tokens"] * settings[e]["places"] * settings[e]["container"] // 8 for e in ("input", "output")]
    bits = [
        edge.vec * settings[e]["container"]
        for edge, e in ((made.schedule.input, "input"), (made.schedule.output, "output"))
    ]
    (project / "src" / "shim.cpp").write_text(SHIM)
    flags = ["-std=c++14", "-O0", "-w", "-DSWM_VITIS", "-DSWM_ROM_FILES", "-DSWM_SIM_BOUNDED"]
    flags += [f"-DIN_BITS={bits[0]}", f"-DOUT_BITS={bits[1]}", *(["-DWEIGHTS"] if settings["weights"] else [])]
    subprocess.run(
        ["g++", *flags, "-Iinclude", "-Isrc", "-Isim", "src/shim.cpp", "src/top.cpp", "-o", str(tmp_path / "kernel")],
        cwd=project,
        check=True,
    )
    process = subprocess.Popen([tmp_path / "kernel"], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(sent, frames, weights, load):
        head = np.array([frames, load, frames * sizes[0], len(weights or b""), frames * sizes[1]], "<i4")
        process.stdin.write(head.tobytes() + sent[: frames * sizes[0]] + (weights or b""))
        process.stdin.flush()
        seen = np.frombuffer(process.stdout.read(16), "<u4")
        return process.stdout.read(frames * sizes[1]), seen.tolist()

    return process, run


def test_the_kernel_of_a_card_gives_the_same_words(tmp_path):
    """kernel.cpp around the emitted top, weights loaded by its first call; the driver through a stand-in of pyxrt."""
    made = forced("dense")
    made = replace(made, schedule=replace(made.schedule, board=load_board("alveo-u50")))
    project = emit_project(made, tmp_path / "p")
    process, run = compiled_kernel(project, made, tmp_path)
    with process:
        driver = imported(project, "kernel", pyxrt=fake_pyxrt(run))
        kernel = driver.Kernel(batch=10)
        wrong, line = kernel.self_test()
        assert wrong == 0, line
        assert "16 frames, 96 words, 0 differ" in line
        x = np.random.default_rng(0).normal(size=(5, 20)).astype(np.float32)
        assert np.array_equal(kernel.infer(x), swm.run(made.graph, x))
        process.stdin.close()


def test_a_kernel_that_saw_other_frames_is_an_error(tmp_path):
    made = network("alveo-u250")
    project = emit_project(made, tmp_path / "p")
    edge, back = made.schedule.input, made.schedule.output

    def run(sent, frames, weights, load):
        size = len(sent) // 8  # a batch of 8
        return to_wire(engine(made.graph)(from_wire(sent[: size * frames], edge)), back), [frames, 0, 1]

    driver = imported(project, "kernel", pyxrt=fake_pyxrt(run))
    with pytest.raises(driver.KernelError, match="2 frames were sent, the kernel saw 2, 0 too short, 1 too long"):
        driver.Kernel(batch=8).infer(samples(2))
