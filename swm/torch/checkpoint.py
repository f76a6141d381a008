# SPDX-License-Identifier: Apache-2.0
"""The file that an interrupted training goes on from: written whole or not at all, read as numbers only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from swm.errors import OptionError, OutputError

__all__ = ["opened", "write"]


def opened(path: Path, settings: Mapping[str, object], device: torch.device | None = None) -> dict[str, Any]:
    """What a checkpoint holds, of a run with these settings.

    Args:
        path: of the file.
        settings: of the run that is to go on, by name.
        device: of torch, for the tensors; None: the CPU.

    Raises:
        OptionError: there is none, it is no checkpoint, or it is of a run with other settings.
    """
    if not path.exists():
        raise OptionError(f"there is no checkpoint {str(path)!r} to resume from; run without --resume")
    try:
        state: dict[str, Any] = torch.load(path, map_location=device or "cpu", weights_only=True)  # no code
        before, _ = dict(state["settings"]), state["identity"]
    except Exception as error:  # torch raises what pickle, zip and its own reader raise
        raise OptionError(f"{str(path)!r} is no checkpoint of swm finetune: {type(error).__name__}") from error
    differ = [
        f"{name} {before.get(name)} there, {now} here" for name, now in settings.items() if before.get(name) != now
    ]
    if differ:
        raise OptionError(
            f"the checkpoint {str(path)!r} is of another run: {'; '.join(differ)}; give the same options, or run "
            "without --resume"
        )
    return state


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all; `state` has `settings` and `identity` beside what it is of.

    Raises:
        OutputError: the file cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        torch.save(dict(state), temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"cannot write the checkpoint {str(path)!r}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
