# SPDX-License-Identifier: Apache-2.0
import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import swm
from swm import package_data
from swm.errors import SwmError

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("templates", "hls", "boards")
INFO = f"swm_fpga-{swm.__version__}.dist-info"
PROVIDES = {"google": "protobuf"}  # packages whose distribution has another name


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_of_the_checkout_is_found(name):
    folder = getattr(package_data, f"{name}_dir")()
    assert folder == REPOSITORY / name
    assert any(path.is_file() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_inside_the_wheel_is_found_before_one_beside_the_package(name, tmp_path, monkeypatch):
    inside = tmp_path / "swm" / "_data" / name
    inside.mkdir(parents=True)
    (tmp_path / name).mkdir()
    monkeypatch.setattr(package_data, "_PACKAGE", tmp_path / "swm")
    assert getattr(package_data, f"{name}_dir")() == inside


def test_missing_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(package_data, "_PACKAGE", tmp_path / "swm")
    with pytest.raises(SwmError, match="'boards' is missing"):
        package_data.boards_dir()


def test_every_dependency_says_why_it_is_there():
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines()]
    for dependency in tomllib.loads(text)["project"]["dependencies"]:
        assert lines[lines.index(f'"{dependency}",') - 1].startswith("# "), dependency


def project():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_whatever_the_package_imports_is_a_dependency():
    """`swm bench` and its plots, too: an ordinary install runs every command."""
    imported = set()
    for file in (REPOSITORY / "swm").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    assert {"matplotlib", "threadpoolctl"} <= imported  # what benchmarks import is among them
    names = {PROVIDES.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"swm"}}
    extras = {"distributed": "cluster", "optuna": "search", "torch": "torch"}  # what uses them says how to install them
    for name, extra in extras.items():
        assert name in {re.split(r"[<>=~]", d)[0] for d in project()["optional-dependencies"][extra]}
    assert names - set(extras) == {re.split(r"[<>=~]", dependency)[0] for dependency in project()["dependencies"]}


def test_the_distribution_is_never_called_by_the_name_of_another_project():
    assert project()["name"] == "swm-fpga"
    texts = [
        *(REPOSITORY / name for name in ("README.md", "Makefile", "pyproject.toml", ".ci/run")),
        *(f for folder in ("swm", "docs", "benchmarks", "tools", *FOLDERS) for f in (REPOSITORY / folder).rglob("*")),
    ]
    wrong = re.compile(r"""pip install[^\n#]*\bswm(?![-\w])|\bswm\[\w+[\],]['"]|version\(["']swm["']\)""")
    for text in texts:
        if text.suffix in {".md", ".py", ".toml", ".j2", ".h", ".tcl", ".html", ""} and text.is_file():
            assert not wrong.findall(text.read_text(encoding="utf-8")), text
    assert wrong.search("pip install 'swm[bench]'") and wrong.search("pip install swm")
    assert not wrong.search("pip install swm-fpga")


def test_the_version_is_known_without_an_installation(tmp_path):
    """A checkout that nobody installed, with another distribution called swm beside it."""
    (tmp_path / "swm").symlink_to(REPOSITORY / "swm")
    (tmp_path / "swm-9.9.dist-info").mkdir()
    (tmp_path / "swm-9.9.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: swm\nVersion: 9.9\n")
    done = subprocess.run(
        [sys.executable, "-m", "swm", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"swm, version {swm.__version__}\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built by way of the sdist, in a copy: building must not write into the checkout."""
    for module in ("build", "hatchling"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"building a wheel offline needs the package {module} (extra: test)")
    copy = tmp_path_factory.mktemp("wheel") / "swm"
    heavy = shutil.ignore_patterns(".git", ".venv", "build", "dist", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(REPOSITORY, copy, ignore=heavy)
    # Without --wheel or --sdist, `build` makes the sdist and then the wheel from it.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."]
    result = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = (copy / "dist").glob("swm_fpga-*.whl")
    return path


@pytest.fixture(scope="module")
def wheel_names(wheel):
    with zipfile.ZipFile(wheel) as file:
        return set(file.namelist())


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_wheel_holds_every_file_of_the_folder(name, wheel_names):
    files = {
        f"swm/_data/{path.relative_to(REPOSITORY).as_posix()}"
        for path in (REPOSITORY / name).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert files
    assert files <= wheel_names


@pytest.mark.slow
def test_wheel_holds_the_package_its_data_and_the_licences(wheel_names):
    assert wheel_names >= {
        "swm/__init__.py",
        "swm/py.typed",
        "swm/bundled/LICENSE.md",
        "swm/bundled/mnist_calibration.npz",
        "swm/bundled/mnist_mlp.onnx",
        "swm/bundled/mnist_test.npz",
        f"{INFO}/licenses/LICENSE",
        f"{INFO}/licenses/NOTICE",
    }
    tops = {name.split("/")[0] for name in wheel_names}
    assert tops == {"swm", INFO}


@pytest.mark.slow
def test_unpacked_wheel_finds_its_folders(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path)
    program = "from swm.package_data import *; print(templates_dir(), hls_dir(), boards_dir(), sep='\\n')"
    # -P and the folder: the wheel's package, not the checkout's.
    found = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.splitlines()
    assert [Path(line) for line in found] == [tmp_path / "swm" / "_data" / name for name in FOLDERS]
