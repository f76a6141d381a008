# SPDX-License-Identifier: Apache-2.0
"""The house stays as docs/architecture.md draws it: who may import whom, public names listed, files small."""

import ast
import re
from pathlib import Path

import pytest

import swm

ROOT = Path(__file__).resolve().parents[1]
ROOMS = sorted(p.name for p in (ROOT / "swm").iterdir() if p.is_dir() and (p / "__init__.py").exists())


def allowed() -> dict[str, set[str]]:
    """The table of rooms in docs/architecture.md: room → rooms that it may import."""
    table = {}
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for room, users in re.findall(r"^\| `swm/(\w+)/` \|[^|]*\| ([^|]*)\|", text, re.M):
        table[room] = {u.strip() for u in users.split(",") if u.strip() not in ("", "-", "–")}
    return table


def imported_rooms(file: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("swm"):
            parts = node.module.split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("swm.")}
    return rooms & set(ROOMS)


def test_every_room_stands_in_the_table():
    assert set(allowed()) == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_the_table_allows(room):
    may = allowed()[room]
    if "all" in may:
        return
    for file in (ROOT / "swm" / room).rglob("*.py"):
        extra = imported_rooms(file) - may - {room}
        assert not extra, f"{file.relative_to(ROOT)} imports {sorted(extra)}; docs/architecture.md allows {sorted(may)}"


def test_public_names_are_listed_sorted_and_exist():
    assert swm.__all__ == sorted(swm.__all__)
    assert all(hasattr(swm, name) for name in swm.__all__)


# Rooms, and modules of other rooms, that are being replaced and keep their old names until then.
OLD_NAMES = ("fixed", "hardware", "emit", "report", "engine/_fixed.py", "engine/kernels/_fixed.py")


def test_module_names_carry_no_underscore():
    files = [f.relative_to(ROOT / "swm") for f in (ROOT / "swm").rglob("*.py")]
    private = [
        f
        for f in files
        if not f.name.startswith("__")
        and any(part.startswith("_") for part in f.parts)
        and not f.as_posix().startswith(OLD_NAMES)
    ]
    assert not private


def test_no_module_outgrows_its_reason():
    """Past 400 lines a module probably has two reasons to exist (working rule 2)."""
    sources = [*ROOT.glob("swm/**/*.py"), *ROOT.glob("hls/**/*.h")]
    long = {
        str(f.relative_to(ROOT)): n for f in sources if (n := len(f.read_text(encoding="utf-8").splitlines())) > 420
    }
    assert not long


def test_every_source_file_names_its_licence():
    patterns = ("swm/**/*.py", "tests/**/*.py", "tools/*.py", "benchmarks/**/*.py", "hls/**/*.h", "hls/**/*.cpp")
    files = [f for pattern in patterns for f in ROOT.glob(pattern)]
    missing = [
        str(f.relative_to(ROOT)) for f in files if "SPDX-License-Identifier" not in f.read_text(encoding="utf-8")[:200]
    ]
    assert not missing
