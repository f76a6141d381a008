# SPDX-License-Identifier: Apache-2.0
"""The line buffer: Python's formulas and integers against the kernel, over random kernels, strides and lanes."""

import subprocess

import numpy as np
import pytest
from hls.hls_tools import HLS, WARNINGS, compiler

from swm.accelerator.network import numbers
from swm.device.memories import bram18
from swm.layers.geometry import Geometry
from swm.layers.window import WindowBuilt, seen

FRAMES = 3
MAIN = """
template <class Cfg>
void run() {
  typedef swm::window_layer<Cfg> L;
  const int frames = %d;
  check::words x;
  for (int i = 0; i < frames * L::in_beats * L::words; ++i) {
    long long value;
    if (scanf("%%lld", &value) != 1) return;
    x.push_back(value);
  }
  check::channel<typename L::in_t, L::words> in;
  check::channel<typename L::out_t, L::out_words> out(frames * L::out_beats * L::out_words);
  in.put(x);
  swm::window<Cfg>(frames, in.port, out.port);
  show(out.take(frames * L::out_beats * L::out_words));
  show({check::ticked(Cfg::tick)});
  swm::probe<typename L::in_t> reads(Cfg::tick);
  swm::probe<typename L::out_t> writes(Cfg::tick);
  swm::window<Cfg>(frames, reads, writes);
  show(reads.iterations);
  show(writes.iterations);
  check::ticked(Cfg::tick);
}
"""


def random_windows(count, seed):
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        rank = 1 + (len(found) % 3 > 0)

        def draw(low, high, n=rank):
            return tuple(int(v) for v in rng.integers(low, high, n))

        geometry = Geometry.of(
            draw(1, 11), draw(1, 5), draw(1, 4), draw(1, 3), draw(0, 3, 2 * rank), bool(len(found) % 2)
        )
        if geometry is None:
            continue
        run = int(rng.integers(1, 3))
        side = geometry.side_by_side()
        rows, columns = side[int(rng.integers(len(side)))]
        beats, words, bits = run * int(rng.integers(1, 3)), int(rng.integers(1, 4)), int(rng.integers(4, 19))
        fill = int(rng.choice([0, 0, -(1 << (bits - 1))]))
        found.append(WindowBuilt(geometry, beats, run, words, bits, rows, columns, fill))
    return found


def events(runs, frames, program, first=()):
    """Iterations of a call at which a port is used."""
    found = []
    for frame in range(frames):
        steady = numbers(runs) + program.prologue + frame * program.period
        found.append(numbers(first) if first and frame == 0 else steady)
    return np.concatenate(found).tolist()


def in_order(values, built):
    """What the kernel writes of what it sees, (samples, rows, columns, taps, words of a position)."""
    g = built.geometry
    groups = [(k // t, t) for k, t in zip(g.kernel, (built.tap_rows, built.tap_columns), strict=True)]
    axes = (*groups[0], *groups[1], built.beats // built.run, built.run, built.words)
    return values.reshape(-1, *axes).transpose(0, 5, 1, 3, 6, 2, 4, 7).reshape(-1)


def test_words_and_iterations_are_those_of_the_kernel(tmp_path):
    windows = random_windows(24, 5)
    rng = np.random.default_rng(6)
    text = '#include "swm/window.h"\n#include "tests/probe.h"\n'
    text += 'void show(const check::words& v) { for (long long i : v) printf("%lld ", i); printf("\\n"); }\n'
    text += MAIN % FRAMES
    given, wanted, calls = [], [], ""
    for number, built in enumerate(windows):
        members = ", ".join(f"{name} = {value}" for name, value in built.configuration().items())
        text += f"struct c{number} {{ static constexpr int tick = {number}, {members}; }};\n"
        calls += f"run<c{number}>(); "
        half = 1 << (built.bits - 1)
        shape = (FRAMES, *built.geometry.grid, built.beats * built.words)
        x = rng.integers(-half, half, shape)
        given.append(x)
        program = built.program("in0", "out0")
        (read,), (write,) = program.reads, program.writes
        wanted += [
            in_order(seen(x, built.geometry, built.fill), built).tolist(),
            [program.iterations(FRAMES)],
            events(read.steady, FRAMES, program, read.first),
            events(write.steady, FRAMES, program),
        ]
        assert program.period >= max(built.out_beats, np.prod(built.geometry.grid) * built.beats)
    source, binary = tmp_path / "main.cpp", tmp_path / "main"
    source.write_text(text + f"int main() {{ {calls} return 0; }}\n")
    command = [compiler("g++"), *WARNINGS, "-O0", "-I", HLS, "-I", HLS / "tests", source, "-o", binary]
    built_text = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built_text.returncode == 0, built_text.stderr[:3000]
    stdin = "\n".join(" ".join(map(str, x.reshape(-1).tolist())) for x in given)
    out = subprocess.run([binary], input=stdin, capture_output=True, text=True, check=True, timeout=60).stdout
    got = [[int(v) for v in line.split()] for line in out.splitlines()]
    for number in range(len(windows)):
        for what, place in (("words", 0), ("iterations", 1), ("reads", 2), ("writes", 3)):
            assert got[4 * number + place] == wanted[4 * number + place], (what, windows[number])


def test_the_windows_cover_what_they_should():
    windows = random_windows(24, 5)
    geometries = [w.geometry for w in windows]
    assert any(w.tap_rows > 1 and w.tap_columns > 1 for w in windows)
    assert any(w.used < w.geometry.grid[0] for w in windows)  # rows that nobody sees
    assert any(w.kept < w.geometry.grid[0] for w in windows)
    assert any(w.run > 1 and w.beats > w.run for w in windows)
    assert any(g.out[0] == 1 for g in geometries)
    assert any(g.grid[1] == 1 and g.grid[0] > 1 for g in geometries)
    assert any(max(g.dilations) > 1 and max(g.strides) > 1 for g in geometries)


def test_what_is_seen_is_what_a_convolution_multiplies():
    rng = np.random.default_rng(1)
    x = rng.integers(-9, 9, (2, 7, 6, 3))
    geometry = Geometry.of((7, 6), (3, 2), (2, 1), (1, 2), (1, 0, 2, 1))
    assert geometry.out == (4, 5)
    got = seen(x, geometry)
    padded = np.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)))
    for oy in range(4):
        for ox in range(5):
            taps = [padded[:, 2 * oy + i, ox + 2 * j] for i in range(3) for j in range(2)]
            assert np.array_equal(got[:, oy, ox], np.stack(taps, 1))


def test_a_kernel_larger_than_the_padded_grid_is_none():
    assert Geometry.of((4, 4), (5, 3), (1, 1), (1, 1), (0, 0, 0, 0)) is None
    assert Geometry.of((4, 4), (5, 3), (1, 1), (1, 1), (0, 0, 1, 0)) is not None


@pytest.mark.parametrize(("ceil", "out"), [(False, (3, 3)), (True, (4, 4))])
def test_ceil_counts_an_output_that_sees_the_end_of_the_grid(ceil, out):
    assert Geometry.of((7, 7), (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), ceil).out == out


def test_the_ring_holds_the_rows_of_one_output_and_the_next():
    """3 x 3 over 32 x 32 positions of 64 channels of 8 bits: three rows that are seen and one that is loaded."""
    geometry = Geometry.of((32, 32), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1))
    built = WindowBuilt(geometry, 8, 8, 8, 8)
    assert built.kept == 4
    assert built.cost().bram18 == bram18(4 * 32 * 8, 64)
    assert built.program("a", "b").period == 32 * 32 * 9 * 8  # a beat an iteration, without a break


@pytest.mark.parametrize("pad", [0, 2])
def test_all_taps_side_by_side_take_an_output_a_cycle(pad):
    """With padding, too: rows of the next frame come while the last rows of outputs need none of this one."""
    geometry = Geometry.of((28, 28), (5, 5), (1, 1), (1, 1), (pad,) * 4)
    built = WindowBuilt(geometry, 1, 1, 1, 8, 5, 5)
    assert built.kept == (6 if pad else 10)  # without, all five that a frame begins with come in the last row
    assert built.program("a", "b").period == 28 * 28  # as many as positions come in
    assert built.cost().bram18 == 0
