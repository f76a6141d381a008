# SPDX-License-Identifier: Apache-2.0
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from swm import package_data
from swm.errors import SwmError

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("templates", "hls", "boards")


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
    (path,) = (copy / "dist").glob("swm-*.whl")
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
        "swm-0.1.0.dist-info/licenses/LICENSE",
        "swm-0.1.0.dist-info/licenses/NOTICE",
    }
    tops = {name.split("/")[0] for name in wheel_names}
    assert tops == {"swm", "swm-0.1.0.dist-info"}


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
