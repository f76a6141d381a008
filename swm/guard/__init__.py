# SPDX-License-Identifier: Apache-2.0
"""A guard around C++ that may abort, hang or swallow memory on hostile models: it runs in a child process first.

On Linux the first few children of a process are its forks: they cost some 10 ms, and a command that loads one model
should pay no more. But a fork takes along locks that other threads hold, onnxruntime's and OpenBLAS's among them, and
now and then waits for them for ever. So one that does nothing at all for half a second is given up, and from then on,
or from the ninth call on, children are forked by a server (`server.py`): a process that was started for this, which
has one thread, and has imported what children need (`start.py`). That takes 0.4 s once, then 4 to 8 ms a child. What
a library sets up at its first use, a module does in `before_forks`, once for all children: a child that infers shapes
took 16 ms of the processor without that, and takes 4.
Elsewhere every child is a fresh process, half a second of imports, and its memory is not limited.

Only bytes come back from a child, never pickles: what runs there is not trusted.
"""

from swm.guard.guard import Outcome, guarded, observers

__all__ = ["Outcome", "guarded", "observers"]
