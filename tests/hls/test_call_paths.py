# SPDX-License-Identifier: Apache-2.0
"""Paths of the call graph: an open HLS compiler (PandA Bambu 2024.10) walks every one of them."""

import re
import subprocess
from pathlib import Path

from hls_tools import HLS, compiler

SOURCE = Path(__file__).with_name("call_paths.cpp")
EDGE = re.compile(r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"')


def call_sites(folder: Path) -> dict[str, list[str]]:
    """Callees of every function, one entry for each place that calls."""
    command = [compiler("g++"), "-std=c++14", "-O0", "-fcallgraph-info", "-I", HLS, "-c", SOURCE, "-o", "top.o"]
    subprocess.run(command, cwd=folder, check=True)
    graph: dict[str, list[str]] = {}
    for caller, callee in EDGE.findall(next(folder.glob("*.ci")).read_text(encoding="utf-8")):
        graph.setdefault(caller, []).append(callee)
    return graph


def paths(graph: dict[str, list[str]], name: str, above: tuple[str, ...] = ()) -> int:
    """Ways from a function to its leaves, walked one by one as that compiler does."""
    assert name not in above, f"{name} is called again below itself"
    return sum(paths(graph, callee, (*above, name)) for callee in graph.get(name, ())) or 1


def test_a_compiler_that_walks_every_path_of_the_call_graph_gets_done(tmp_path):
    graph = call_sites(tmp_path)
    found = paths(graph, "top")
    print(f"{found} paths in the call graph of three layers")
    assert 100 < found < 10_000
