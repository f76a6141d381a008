# SPDX-License-Identifier: Apache-2.0
"""A process that does steps of an exploration: a line of JSON in and one out for each.

Run as `python -m swm.explore.worker`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Answer until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not reach those who read the answers
    from swm.errors import SwmError
    from swm.explore.tasks import run

    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"result": run(**json.loads(line))}
        except SwmError as error:
            answer = {"error": str(error)}
        except Exception as error:  # named at its point; the others go on
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
