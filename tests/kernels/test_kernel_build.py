# SPDX-License-Identifier: Apache-2.0
"""The build cache: concurrent first use, damaged files, missing and broken compilers; fork; the cache folder."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from swm.engine.kernels import BlockMatmul, CompiledEngine, choose
from swm.errors import ToolError
from swm.kernels import build as build
from swm.kernels import cache as cache
from swm.kernels import cache_folder, load_library
from swm.structure import BlockCirculant

needs_compiler = pytest.mark.skipif(CompiledEngine().missing() is not None, reason="no C++ compiler")
PRODUCT = """
import numpy as np
from swm.engine.kernels import CompiledEngine
from swm.structure import BlockCirculant
print(CompiledEngine().prepare(BlockCirculant(np.ones((1, 1, 4), np.float32)))(np.ones((1, 4), np.float32)).tolist())
"""


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """An empty cache folder and a process that has loaded and noted nothing."""
    monkeypatch.setenv("SWM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_loaded", {})
    monkeypatch.setattr(build, "_noted", set())
    return tmp_path / "cache"


@pytest.fixture
def small(tmp_path):
    """A source that compiles at once."""
    path = tmp_path / "small.cpp"
    path.write_text('extern "C" int answer() { return 21 * SWM_K; }')
    return path


@needs_compiler
def test_two_processes_build_the_same_kernel_at_once(fresh):
    environment = {**os.environ, "SWM_CACHE": str(fresh), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    runs = [
        subprocess.Popen([sys.executable, "-c", PRODUCT], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [run.communicate(timeout=120)[0].strip() for run in runs] == ["[[4.0, 4.0, 4.0, 4.0]]"] * 2
    assert [run.returncode for run in runs] == [0, 0]
    assert len(list(fresh.glob("matmul-4-*.so"))) == 1
    assert not list(fresh.glob("*.part"))


@needs_compiler
def test_the_second_use_compiles_nothing(fresh, monkeypatch, small):
    load_library(small.name, {"SWM_K": 2}, small.parent)
    monkeypatch.setattr(build, "_loaded", {})
    monkeypatch.setattr(build, "_compile", lambda *_: pytest.fail("compiled again"))
    load_library(small.name, {"SWM_K": 2}, small.parent)


@needs_compiler
def test_a_damaged_library_is_built_again(fresh, small):
    path = build.library_path(small, {"SWM_K": 2}, build.compiler())
    path.write_bytes(b"half a file")
    assert load_library(small.name, {"SWM_K": 2}, small.parent).answer() == 42


@needs_compiler
def test_source_flags_and_defines_name_the_file(fresh, monkeypatch):
    source = Path(build.__file__).parent / "cpp" / "matmul.cpp"
    names = [build.library_path(source, {"SWM_K": k}, build.compiler()).name for k in (4, 8)]
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-g"))
    names.append(build.library_path(source, {"SWM_K": 4}, build.compiler()).name)
    monkeypatch.setattr(build, "machine_key", lambda: "another machine")
    names.append(build.library_path(source, {"SWM_K": 4}, build.compiler()).name)
    assert len(set(names)) == 4


@needs_compiler
def test_a_source_that_does_not_compile_is_a_tool_error(fresh, tmp_path):
    (tmp_path / "bad.cpp").write_text("int main( {")
    with pytest.raises(ToolError, match=r"could not compile bad\.cpp"):
        load_library("bad.cpp", folder=tmp_path)
    assert not list(fresh.glob("*"))


def test_without_a_compiler_another_engine_runs_in_silence(fresh, monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    x = np.ones((2, 64), np.float32)
    with caplog.at_level(logging.WARNING):
        y = BlockMatmul(BlockCirculant(np.ones((2, 1, 64), np.float32)))(x)
    np.testing.assert_allclose(y, 64)
    assert not caplog.records
    choice = choose(16, 16, 64, 256)
    assert choice.engine == ("pyfftw" if "pyfftw" in choice.seconds else "scipy")
    assert "install g++" in choice.missing["compiled"]
    with pytest.raises(ToolError, match="not found"):
        CompiledEngine().prepare(BlockCirculant(np.ones((1, 1, 4), np.float32)))


def test_a_compiler_that_fails_is_passed_over(fresh, monkeypatch, tmp_path, caplog):
    broken = tmp_path / "broken"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 1.0 && exit 0\necho no space left >&2; exit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with caplog.at_level(logging.WARNING):
        y = BlockMatmul(BlockCirculant(np.ones((16, 16, 64), np.float32)))(np.ones((32, 1024), np.float32))
    np.testing.assert_allclose(y, 1024, rtol=1e-5)
    assert "no space left" in caplog.text


@needs_compiler
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_threads_work_in_a_forked_child():
    columns = np.random.default_rng(0).normal(size=(2, 2, 16)).astype(np.float32)
    product = CompiledEngine().prepare(BlockCirculant(columns), threads=2)
    x = np.random.default_rng(1).normal(size=(64, 32)).astype(np.float32)
    expected = product(x)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(product(x), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SWM_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("SWM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "swm"
    assert cache_folder().is_dir()


def test_a_cache_folder_that_cannot_be_made_is_replaced_with_a_note(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SWM_CACHE", str(tmp_path / "file" / "below"))
    with caplog.at_level(logging.WARNING):
        folder = cache_folder()
    assert folder.is_dir()
    assert "cannot be written" in caplog.text
    folder.rmdir()
    cache._writable.cache_clear()


def test_files_are_replaced_whole(tmp_path):
    cache.replace_file(tmp_path / "a", b"one")
    cache.replace_file(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
