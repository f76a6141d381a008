# SPDX-License-Identifier: Apache-2.0
"""A generic project of the bundled network: what an open HLS compiler (PandA Bambu 2024.10) refuses is not in it."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest
from hls_tools import compiler
from random_networks import draw_lively, integers, joins
from test_call_paths import EDGE, paths

from swm.accelerator.backend import GENERIC
from swm.accelerator.design import Design
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.schedule import make_schedule
from swm.device.board import load_board
from swm.emit import emit_project
from swm.layers.circulant import CirculantSpec
from swm.layers.dense import DenseSpec
from swm.layers.values import FixedLayer, Format, TensorShape

SHAPES = ((784, 512, 8, "relu"), (512, 512, 8, "relu"), (512, 10, None, "identity"))  # of the bundled network
PASSES = ((100, 70, 32, "sigmoid"), (70, 64, 64, "tanh"), (64, 10, None, "relu"))

# Words of C++ that may not stand in what that compiler reads, comments and strings taken out.
REFUSED = {
    "vendor types and streams": r"\b(ap_u?int|ap_u?fixed|ap_axiu|hls)\b",
    "pragmas but once": r"#\s*pragma (?!once\b|GCC diagnostic ignored \"-Wunused-label\")",
    "dynamic memory": r"\b(new|delete|malloc|calloc|realloc|free)\b",
    "dispatch at run time": r"\b(virtual|dynamic_cast|typeid)\b",
    "exceptions": r"\b(throw|try|catch)\b",
    "the standard library": r"\bstd\s*::",
    "calls into the system": r"\b(printf|fprintf|exit|abort|assert|setjmp|longjmp)\b",
    "threads and statics with a guard": r"\b(thread_local|mutable|volatile|asm|goto)\b",
    "floating point": r"\b(float|double)\b",
    "pointers to functions": r"\(\s*\*\s*\w*\s*\)\s*\(",
}


def chain(shapes):
    """A chain of these layers with random weights, of 12 bits."""
    rng, layers, tensor = np.random.default_rng(0), [], "x"
    form = Format(12, 8)
    for index, (n, m, block, activation) in enumerate(shapes):
        ends = (TensorShape(n, 12),), TensorShape(m, 12)
        if block is None:
            spec = DenseSpec(f"l{index}", *ends, activation, 12)
            weights, acc_shift = integers(rng, 12, (m, n)), 0
        else:
            spec = CirculantSpec(f"l{index}", *ends, activation, block, 12)
            weights = integers(rng, 12, (spec.p, spec.q, block // 2, 2))
            acc_shift = spec.accumulator_bits - spec.rounded_bits
        arrays = {"weights": weights, "bias": integers(rng, spec.bias_bits, m) >> 4}
        layers.append(FixedLayer(spec, "", (tensor,), f"t{index}", (form,), form, arrays, 8 + acc_shift, acc_shift))
        tensor = f"t{index}"
    return FixedGraph("mlp", tuple(layers), None, None, 12, "x", "y", tensor, {})


def generic(graph):
    """What the generic back end makes of it."""
    return Design(graph, make_schedule(graph.shape, load_board("pynq-z2"), backend=GENERIC))


def joined():
    """A random network with a residual, tensors side by side and several tokens."""
    graphs = (draw_lively(seed).graph for seed in range(100))
    return next(g for g in graphs if {"add", "concat", "scale", "tokens"} <= joins(g))


NETWORKS = {"bundled": lambda: chain(SHAPES), "passes": lambda: chain(PASSES), "joined": joined}


@pytest.fixture(scope="module", params=NETWORKS)
def project(request, tmp_path_factory):
    return emit_project(generic(NETWORKS[request.param]()), tmp_path_factory.mktemp("generic") / "p")


def test_the_bundled_network_has_these_shapes():
    import swm
    from swm import bundled

    graph = swm.load(bundled.model_path())
    found = [node.weight.shape for node in graph.nodes if hasattr(node, "weight")]
    assert found == [(m, n) for n, m, _, _ in SHAPES]


@pytest.fixture(scope="module")
def call_sites(project, tmp_path_factory):
    """Callees of every function, one entry for each place that calls."""
    command = [compiler("g++"), "-std=c++14", "-O0", "-fcallgraph-info", "-Iinclude", "-Isrc", "-c", "src/top.cpp"]
    folder = tmp_path_factory.mktemp("calls")
    subprocess.run([*command, "-o", folder / "top.o"], cwd=project, check=True)
    graph = {}
    for caller, callee in EDGE.findall(next(folder.glob("*.ci")).read_text(encoding="utf-8")):
        graph.setdefault(caller, []).append(callee)
    return graph


def test_a_compiler_that_walks_every_path_of_the_call_graph_gets_done(call_sites):
    """`paths` fails where a function is called again below itself."""
    found = paths(call_sites, "swm_top")
    print(f"{found} paths from swm_top")
    assert 50 < found < 10_000


def test_calls_lead_to_functions_of_the_project_only(call_sites):
    """No call through a pointer, none into a library but for the copies that g++ makes of initializers."""
    callees = {callee for sites in call_sites.values() for callee in sites}
    assert "__indirect_call" not in callees
    outside = {c for c in callees if c not in call_sites and ":" not in c and not c.startswith("_ZN3swm")}
    assert {c for c in outside if not re.fullmatch(r"(l\d+|x)_\w+", c)} <= {"memset", "memcpy"}


def code(file):
    """A source without comments and strings."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", file.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r'(?<!ignored )"(\\.|[^"\\\n])*"', '""', text)


def test_sources_hold_nothing_that_the_compiler_refuses(project):
    """What the compiler sees: the project's own sources, and the library as a generic project preprocesses it."""
    command = [compiler("g++"), "-std=c++14", "-E", "-Iinclude", "-Isrc", "src/top.cpp"]
    text = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout
    seen, keep, files = [], False, set()
    for line in text.splitlines():  # lines of system headers left out
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            keep = not marker[1].startswith(("/", "<"))
            files.add(marker[1])
        elif keep:
            seen.append(line)
    assert {"src/top.cpp", "include/swm/fixed.h", "include/swm/dense.h"} <= files
    body = "\n".join(seen)
    assert len(body) > 50_000
    sources = [body, *(code(file) for file in (project / "src").iterdir())]
    found = {what for what, pattern in REFUSED.items() for source in sources if re.search(pattern, source)}
    assert not found
    assert not [name for name in files if "/c++/" in name]  # <stdint.h> of C is all


@pytest.mark.parametrize(
    "word", ["ap_int<3>", "#pragma HLS INLINE", "new int", "std::vector<int>", "int (*f)(int)", "try {"]
)
def test_the_scan_finds_what_it_looks_for(word):
    assert any(re.search(pattern, word) for pattern in REFUSED.values())
