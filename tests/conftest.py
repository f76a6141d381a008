# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

from swm.fixed.spec import LayerSpec

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data sets and models, which is larger than a repository should be."""
    path = Path(os.environ.get("SWM_SHARED") or REPOSITORY.parent / "shared")
    if not path.is_dir():
        pytest.skip("needs the shared data folder (SWM_SHARED); not part of the repository")
    return path


def layer(name, kind, m, n, block=1, activation="relu", bits=12, bias_bits=16):
    """One layer with the same bits everywhere."""
    return LayerSpec(name, kind, m, n, block, bits, bits, bits, activation, bias_bits)


@pytest.fixture(scope="session")
def make_layer():
    return layer


@pytest.fixture(scope="session")
def structured():
    return (
        layer("fc1", "circulant", 512, 784, 8),
        layer("fc2", "circulant", 512, 512, 8),
        layer("fc3", "dense", 10, 512, activation="identity"),
    )


@pytest.fixture(scope="session")
def dense():
    return (
        layer("fc1", "dense", 512, 784),
        layer("fc2", "dense", 512, 512),
        layer("fc3", "dense", 10, 512, activation="identity"),
    )
