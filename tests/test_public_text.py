# SPDX-License-Identifier: Apache-2.0
"""Nothing that a user reads points to folders that only its authors have."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = re.compile(r"\.\./shared|/work/|/tmp/w|the shared folder|not in shared", re.IGNORECASE)
FOLDERS = ("swm", "boards", "templates", "hls", "docs", "benchmarks", "README.md")


def texts(folder):
    root = ROOT / folder
    if not root.exists():
        pytest.skip(f"no {folder} beside the tests")
    for path in [root] if root.is_file() else sorted(root.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".toml", ".j2", ".h", ".cpp", ".md", ".html", ".txt", ".json"):
            yield path, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_text_points_to_our_folders(folder):
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path, text in texts(folder) for match in OURS.finditer(text)]
    assert not found
