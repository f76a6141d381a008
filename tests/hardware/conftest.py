# SPDX-License-Identifier: Apache-2.0
"""The example network of the hardware tests: an MLP 784-512-512-10 at 12 bits, structured and dense."""

import pytest

from swm.fixed.spec import LayerSpec


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
