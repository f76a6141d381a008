# SPDX-License-Identifier: Apache-2.0
"""Libraries built in the background: nobody waits, short processes leave them to the next, nothing else stays."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from swm.errors import OptionError
from swm.kernels import background, build, builder
from swm.structure import BlockCirculant, default_transforms

try:
    build.compiler()
except Exception:
    pytest.skip("no C++ compiler", allow_module_level=True)
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in for the compiler is a shell script")

ASK = """
from swm.kernels import wanted_library
found = wanted_library("matmul.cpp", 2)
print("found" if found.library else found.reason)
"""


class Compiler:
    """A stand-in that takes as long as it is told to, and hands out a library that was built before."""

    def __init__(self, folder, library):
        self.gate, self.calls = folder / "gate", folder / "calls"
        self.path = folder / "stand-in"
        self.path.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo stand-in && exit 0\necho call >> {self.calls}\n'
            f"while [ ! -e {self.gate} ]; do sleep 0.02; done\n"
            f'[ -s {self.gate} ] && cat {self.gate} >&2 && exit 1\nfor last; do :; done\ncp {library} "$last"\n'
        )
        self.path.chmod(0o755)

    def finish(self, complaint=""):
        self.gate.write_text(complaint)

    def count(self):
        return len(self.calls.read_text().split()) if self.calls.exists() else 0


@pytest.fixture(scope="module")
def library():
    """A library that was built as usual, in the user's cache."""
    build.load_library("matmul.cpp", {"SWM_K": 2})
    return build.library_path(build.SOURCES / "matmul.cpp", {"SWM_K": 2}, build.compiler())


@pytest.fixture
def compiler(monkeypatch, tmp_path, library):
    """An empty cache, a stand-in compiler, and a process that knows of no library."""
    stand_in = Compiler(tmp_path, library)
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("SWM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", str(stand_in.path))
    monkeypatch.delenv("SWM_BUILD", raising=False)
    monkeypatch.setattr(build, "_loaded", {})
    monkeypatch.setattr(background, "_running", {})
    monkeypatch.setattr(background, "_answers", {})
    monkeypatch.setattr(background, "_AGAIN", 0.0)
    yield stand_in
    stand_in.finish()
    for process in background._running.values():
        process.wait(timeout=30)


@pytest.fixture
def cache(compiler, tmp_path):
    return tmp_path / "cache"


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found


def ask_elsewhere():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_nobody_waits_and_the_second_process_has_it_at_once(compiler, cache):
    first = background.wanted_library("matmul.cpp", 2)
    assert first == background.Wanted(None, background.BUILDING, coming=True)
    until(compiler.count)
    assert background.wanted_library("matmul.cpp", 2).coming
    compiler.finish()
    found = until(lambda: background.wanted_library("matmul.cpp", 2).library)
    assert found.swm_lanes() in (4, 8, 16)
    assert compiler.count() == 1
    assert ask_elsewhere() == "found"
    assert compiler.count() == 1
    assert [p.suffix for p in cache.iterdir()] == [".so"]


def test_a_process_that_ends_first_leaves_the_library_and_nothing_else(compiler, cache):
    assert ask_elsewhere() == background.BUILDING
    until(compiler.count)
    compiler.finish()
    until(lambda: list(cache.glob("*.so")))
    until(lambda: [p.suffix for p in cache.iterdir()] == [".so"])
    assert background.wanted_library("matmul.cpp", 2).library


def test_processes_that_want_the_same_build_it_once(compiler):
    for _ in range(2):
        assert ask_elsewhere() == background.BUILDING
    background.wanted_library("matmul.cpp", 2)
    until(compiler.count)
    compiler.finish()
    until(lambda: background.wanted_library("matmul.cpp", 2).library)
    for process in background._running.values():
        process.wait(timeout=30)  # it waited its turn
    assert compiler.count() == 1


def test_a_build_that_fails_is_told_and_not_repeated_for_a_day(compiler, cache, monkeypatch):
    compiler.finish("no space left\nin detail")
    background.wanted_library("matmul.cpp", 2)
    reason = until(lambda: (found := background.wanted_library("matmul.cpp", 2)).coming or found.reason)
    reason = until(lambda: not (found := background.wanted_library("matmul.cpp", 2)).coming and found.reason)
    assert "no space left" in reason
    assert "in detail" not in reason
    assert ask_elsewhere() == reason
    assert compiler.count() == 1
    (note,) = cache.glob("*" + builder.FAILED)
    os.utime(note, (0, 0))
    monkeypatch.setattr(background, "_running", {})
    assert background.wanted_library("matmul.cpp", 2).coming
    until(lambda: compiler.count() == 2)


def test_a_build_that_is_ended_takes_its_file_along(compiler, cache):
    background.wanted_library("matmul.cpp", 2)
    until(compiler.count)
    assert [p.suffix for p in cache.iterdir()] == [".part"]
    (process,) = background._running.values()
    process.send_signal(signal.SIGTERM)
    until(lambda: not list(cache.iterdir()))
    found = until(lambda: not (now := background.wanted_library("matmul.cpp", 2)).coming and now)
    assert "ended from outside" in found.reason


def test_old_files_of_builds_that_were_killed_are_swept(compiler, cache):
    old, young = cache / "a.part", cache / "b.part"
    for part in (old, young):
        part.touch()
    os.utime(old, (0, 0))
    compiler.finish()
    build.load_library("matmul.cpp", {"SWM_K": 2})
    assert not old.exists()
    assert young.exists()


def test_without_a_compiler_nothing_is_started_and_the_reason_is_given(compiler, cache, monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = background.wanted_library("matmul.cpp", 2)
    assert found.library is None
    assert not found.coming
    assert "no-such-compiler" in found.reason
    assert not list(cache.iterdir())
    assert not caplog.records


def test_the_environment_says_whether_to_build(compiler, monkeypatch):
    compiler.finish()
    monkeypatch.setenv("SWM_BUILD", "never")
    assert "never" in background.wanted_library("matmul.cpp", 2).reason
    assert not compiler.count()
    monkeypatch.setenv("SWM_BUILD", "wait")
    assert background.wanted_library("matmul.cpp", 2).library
    monkeypatch.setattr(build, "_loaded", {})
    monkeypatch.setenv("SWM_BUILD", "sometimes")
    with pytest.raises(OptionError, match="sometimes"):
        background.wanted_library("matmul.cpp", 2)


def test_products_change_over_to_the_kernel_of_the_benchmark_once_it_is_there(compiler):
    from swm.engine.kernels import BlockMatmul

    columns = np.random.default_rng(0).normal(size=(64, 64, 2)).astype(np.float32)
    matrix, x = BlockCirculant(columns), np.random.default_rng(1).normal(size=(20, 128)).astype(np.float32)
    small = x[:1]
    assert np.array_equal(matrix.matmul(small), matrix.reference(small))
    assert not background._running, "too small a product to have a kernel built for it"
    assert np.array_equal(matrix.matmul(x), matrix.reference(x))
    assert background._running
    compiler.finish()
    until(lambda: background.wanted_library("matmul.cpp", 2).library)
    kernel = BlockMatmul(matrix).prepared("compiled")
    assert np.array_equal(matrix.matmul(x), kernel(x))
    assert matrix._product.tiles == kernel.tiles > 0
    assert np.array_equal(matrix.matmul(x.reshape(2, 10, 128)).reshape(20, -1), kernel(x))
    assert matrix.matmul(x.astype(np.float64)).dtype == np.float64
    with pytest.raises(OptionError, match="128"):
        matrix.matmul(x[:, :-1])
    tiles = matrix._product.tiles
    assert np.array_equal(matrix.reference(x), matrix.matmul(x, default_transforms()))
    assert matrix._product.tiles == tiles, "conversions do not depend on what is built"


def test_matrices_are_copied_without_their_kernels(library):
    import copy
    import pickle

    matrix, x = BlockCirculant(np.ones((64, 64, 2), np.float32)), np.ones((4, 128), np.float32)
    build.load_library("matmul.cpp", {"SWM_K": 2})
    matrix.matmul(x)
    for other in (copy.deepcopy(matrix), pickle.loads(pickle.dumps(matrix))):
        assert np.array_equal(other.matmul(x), matrix.matmul(x))


def test_builder_runs_without_the_package(tmp_path, library):
    """It is run by its path, by an interpreter that sees the standard library only."""
    target = tmp_path / "out.so"
    script = tmp_path / "copy"
    script.write_text(f'#!/bin/sh\ncp {library} "$2"\n')
    script.chmod(0o755)
    command = [sys.executable, "-I", "-S", builder.__file__, str(target), "60", str(script)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert target.read_bytes() == library.read_bytes()
