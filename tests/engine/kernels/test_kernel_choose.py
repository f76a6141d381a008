# SPDX-License-Identifier: Apache-2.0
"""The cost model and the choice: counts, overrides, explanations, constants kept and read back."""

import json

import numpy as np
import pytest

from swm.engine import measure as measuring
from swm.engine.kernels import ENGINES, BlockMatmul, CompiledEngine, choose, explain
from swm.engine.kernels import cost as cost
from swm.errors import OptionError
from swm.structure import BlockCirculant


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SWM_CACHE", str(tmp_path))
    monkeypatch.delenv("SWM_ENGINE", raising=False)


def test_features_are_the_counts_of_the_kernels():
    assert cost.features("dense", cost.Shape(2, 3, 4, 5)) == (1, 2 * 3 * 16 * 5, 2 * 3 * 16, 0)
    assert cost.features("scipy", cost.Shape(2, 3, 4, 5)) == (1, 5 * 5 * 4 * 2, 5 * 2 * 3 * 4, 2 * 3 * 4)
    tiled = cost.features("compiled", cost.Shape(16, 16, 64, 256))
    assert tiled == (1, 256 * 32 * 64 * 6, 256 * 256 * 64, 256 * 64)
    shared = cost.features("compiled", cost.Shape(16, 16, 64, 256, threads=2))
    assert shared[1:3] == (tiled[1] / 2, tiled[2] / 2)


def test_tiny_products_run_dense_and_large_ones_do_not():
    assert choose(1, 1, 8, 1).engine == "dense"
    assert "too small" in choose(1, 1, 8, 1).reason
    assert choose(32, 32, 128, 256).engine != "dense"
    if not CompiledEngine().missing():
        assert choose(32, 32, 128, 256).engine == "compiled"
        assert choose(16, 16, 64, 1).engine == "compiled"


def test_explain_names_every_engine_and_the_reason():
    text = explain(16, 16, 64, 1)
    assert all(name in text for name in ENGINES)
    assert "built-in constants" in text
    assert "asked for by the caller" in explain(16, 16, 64, 1, engine="scipy")


def test_argument_goes_before_environment_before_model(monkeypatch):
    monkeypatch.setenv("SWM_ENGINE", "scipy")
    assert choose(16, 16, 64, 1).engine == "scipy"
    assert "SWM_ENGINE" in choose(16, 16, 64, 1).reason
    assert choose(16, 16, 64, 1, engine="dense").engine == "dense"
    assert choose(1, 1, 8, 1, engine="auto").engine == "dense"
    monkeypatch.setenv("SWM_ENGINE", "nonsense")
    with pytest.raises(OptionError, match="nonsense"):
        choose(16, 16, 64, 1)
    with pytest.raises(OptionError, match="other"):
        BlockMatmul(BlockCirculant(np.ones((1, 1, 2), np.float32)), engine="other")


def test_each_batch_gets_its_engine_and_matrices_are_prepared_once(monkeypatch):
    prepared = []
    for engine in ENGINES.values():
        original = engine.prepare
        monkeypatch.setattr(
            engine, "prepare", lambda *a, o=original, n=engine.name, **kw: prepared.append(n) or o(*a, **kw)
        )
    product = BlockMatmul(BlockCirculant(np.ones((2, 2, 8), np.float32)))
    names = {batch: product.choice(batch).engine for batch in (1, 2, 4096)}
    for _ in range(3):
        for batch in names:
            np.testing.assert_allclose(product(np.ones((batch, 16), np.float32)), 16, rtol=1e-6)
    assert sorted(prepared) == sorted(set(names.values()))


def test_constants_are_measured_kept_and_read_back(monkeypatch, tmp_path):
    few = ((1, 1, 8, 1), (2, 2, 8, 4), (4, 4, 8, 64), (1, 4, 8, 2), (4, 1, 8, 16))
    monkeypatch.setattr(measuring, "_PRODUCTS", few)
    monkeypatch.setattr(measuring, "_CONVOLUTIONS", ((3, 1, 1, 8, 4, 1), (1, 2, 1, 8, 5, 2)))
    monkeypatch.setattr(measuring, "_CELLS", ((8, 8, 8, 2, 1), (16, 8, 8, 3, 2)))
    monkeypatch.setattr(measuring, "_REPEATS", 1)
    measured = measuring.measure_constants()
    assert set(measured.seconds) == {"matmul", "conv", "recurrent"}
    assert all(set(engines) == set(ENGINES) for engines in measured.seconds.values())
    assert all(v >= 0 for engines in measured.seconds.values() for values in engines.values() for v in values)
    assert cost.stored_constants() == measured
    assert "measured on" in explain(1, 1, 8, 1)
    (path,) = tmp_path.glob("constants-*.json")
    assert json.loads(path.read_text())["source"] == measured.source


@pytest.mark.parametrize("text", ["", "{", '{"seconds": {}}', '{"source": "x", "seconds": 3}'])
def test_unusable_constants_fall_back_to_the_built_in_ones(text):
    cost._path().write_text(text)
    cost._stored.cache_clear()
    assert cost.stored_constants() is cost.DEFAULTS
    cost._stored.cache_clear()
