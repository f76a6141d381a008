# SPDX-License-Identifier: Apache-2.0
"""The house stays as docs/architecture.md draws it: who may import whom, public names listed, files small."""

import ast
import re
from pathlib import Path

import pytest

import swm
from swm.layers import registry

ROOT = Path(__file__).resolve().parents[1]
ROOMS = sorted(p.name for p in (ROOT / "swm").iterdir() if p.is_dir() and (p / "__init__.py").exists())
PAGES = sorted(f.relative_to(ROOT).as_posix() for f in (ROOT / "README.md", *ROOT.glob("docs/*.md")))
MADE = (
    "swm/_data/",
    "verify/",
    "tb/",
    "src/",
    "tcl/",
    "build/",
    "rtl/",
    "sim/",
    "link/",
    "board/",
    "measured/",
    "../",
)  # in a wheel, a project, or outside
TOPS = ("", "swm", "swm/engine", "swm/onnx_io")  # where pages count paths from
MACROS = ("title", "traits", "configuration", "rom_order", "functions", "calls")


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


def test_rooms_form_no_circle():
    table = {room: may for room, may in allowed().items() if "all" not in may}
    while table:
        free = {room for room, may in table.items() if not may & set(table)}
        assert free, f"rooms import each other in a circle among {sorted(table)}"
        table = {room: may for room, may in table.items() if room not in free}


@pytest.mark.parametrize("kind", [k.name for k in registry.kinds()])
def test_a_kind_has_its_file_its_kernel_with_a_testbench_and_its_template(kind):
    one = registry.kind(kind)
    module = type(one).__module__
    assert module == f"swm.layers.{kind}" or module.startswith(f"swm.layers.{kind}.")
    assert one.template == ROOT / "templates" / "layers" / f"{kind}.j2"
    assert all(f"\n{{% macro {name}(" in one.template.read_text(encoding="utf-8") for name in MACROS)
    assert ROOT / "hls" / "swm" / f"{kind}.h" in one.headers
    assert all(header.is_file() for header in one.headers)
    benches = {file.stem.removeprefix("test_") for file in (ROOT / "hls" / "tests").glob("test_*.cpp")}
    assert benches & {header.stem for header in one.headers}


@pytest.mark.parametrize("page", [p for p in PAGES if p != "docs/models.md"])  # which names other people's files
def test_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = {file for file in re.findall(r"`([\w.-]+/[\w./-]+)`", text) if not file.startswith(MADE)}
    assert not [file for file in named if not any((ROOT / top / file).exists() for top in TOPS)]


@pytest.mark.parametrize("page", PAGES)
def test_pages_say_nothing_of_what_is_gone(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not re.findall(
        r"(?<!hls/)swm[./](?:fixed|hardware|frontend)\b|\bflavour|[Qq]uantis|methods\.md|design\.md", text
    )


def test_public_names_are_listed_sorted_and_exist():
    assert swm.__all__ == sorted(swm.__all__)
    assert all(hasattr(swm, name) for name in swm.__all__)


def test_module_names_carry_no_underscore():
    files = [f.relative_to(ROOT / "swm") for f in (ROOT / "swm").rglob("*.py")]
    assert not [f for f in files if not f.name.startswith("__") and any(part.startswith("_") for part in f.parts)]


def test_no_module_outgrows_its_reason():
    """Past 400 lines a module probably has two reasons to exist (working rule 2)."""
    sources = [*ROOT.glob("swm/**/*.py"), *ROOT.glob("hls/**/*.h"), *ROOT.glob("hls/**/*.sv")]
    long = {
        str(f.relative_to(ROOT)): n for f in sources if (n := len(f.read_text(encoding="utf-8").splitlines())) > 420
    }
    assert not long


def test_every_source_file_names_its_licence():
    patterns = (
        "swm/**/*.py",
        "tests/**/*.py",
        "tools/*.py",
        "benchmarks/**/*.py",
        "hls/**/*.h",
        "hls/**/*.cpp",
        "hls/**/*.sv",
    )
    files = [f for pattern in patterns for f in ROOT.glob(pattern)]
    missing = [
        str(f.relative_to(ROOT)) for f in files if "SPDX-License-Identifier" not in f.read_text(encoding="utf-8")[:200]
    ]
    assert not missing
