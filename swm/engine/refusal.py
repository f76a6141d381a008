# SPDX-License-Identifier: Apache-2.0
"""What onnxruntime says when it refuses, without the places in its own source."""

from __future__ import annotations

import re

__all__ = ["reason"]

_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_FILE = re.compile(r"Load model from .{0,4096}? failed: ?")
# A source file, line and C++ signature, as its checks print them before their words.
_PLACE = re.compile(
    r"(?:Status Message: )?/onnxruntime_src/\S+:\d+ [^)]*(?:\)(?! )[^)]*)*\) (?:const )?(?:\[with [^\]]*\] )?"
)
_STATUS = re.compile(r"Non-zero status code returned while running (\w+) node\. Name:'([^']*)' ")


def reason(message: str) -> str:
    """One line: which node, and what about it."""
    first = next(iter(message.splitlines()), "no reason given")
    text = _FILE.sub("", _CODE.sub("", first))
    text = _STATUS.sub(r"\1 node '\2': ", _PLACE.sub("", text)).replace("Status Message: ", "")
    return text.strip().rstrip(".") or first
