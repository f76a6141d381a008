# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests."""

import os
import tempfile

# Before numpy is imported, here, in workers and in commands that tests start. OpenBLAS has a thread for each processor,
# which wait for each other in a loop; where two workers share two processors, small products wait most of the time (a
# conversion of the bundled network took 12 to 16 s of the processor, and takes 1 s with one thread).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Which xdist gives its workers: tables of commands would break where a narrow terminal breaks them.
os.environ.pop("COLUMNS", None)
# A calibration of a board by the user of this machine would change what tests compare with.
os.environ["SWM_CONFIG"] = os.path.join(tempfile.gettempdir(), "swm-tests-without-configuration")

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
