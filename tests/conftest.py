# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data sets and models, which is larger than a repository should be."""
    path = Path(os.environ.get("SWM_SHARED") or REPOSITORY.parent / "shared")
    if not path.is_dir():
        pytest.skip("needs the shared data folder (SWM_SHARED); not part of the repository")
    return path
