# SPDX-License-Identifier: Apache-2.0
"""What a server or a fresh process runs first, as a script.

All of swm takes most of a second to import, what one child calls a third of that. So packages of swm are only entered:
their modules can be imported, and their own code runs once somebody wants a name of it. Only the standard library may
be imported at the top.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pickle
import sys
from typing import Any

__all__ = ["SCRIPT", "bring"]

SCRIPT = __file__


def bring(name: str) -> None:
    """Import a module, and of the packages of swm that it is in no more than it needs.

    Raises:
        ImportError: there is none.
    """
    parts = name.split(".")
    if parts[0] == "swm":
        for i in range(1, len(parts)):
            package = ".".join(parts[:i])
            if package not in sys.modules:
                _enter(package)
    importlib.import_module(name)


def _enter(name: str) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no package {name}")
    module, loader = importlib.util.module_from_spec(spec), spec.loader

    def more(attribute: str) -> Any:
        if attribute.startswith("__") or "__getattr__" not in vars(module):
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        del module.__getattr__
        loader.exec_module(module)
        return getattr(module, attribute)

    module.__getattr__ = more  # type: ignore[method-assign]  # asked where a name is missing (PEP 562)
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)


def main() -> None:
    """Serve the socket whose number is given, or make the one call that is on the input."""
    if len(sys.argv) > 1:
        import socket

        sys.path[:] = json.loads(sys.argv[2])
        bring("swm.guard.server")
        sys.modules["swm.guard.server"].serve(socket.socket(fileno=int(sys.argv[1])))
    else:
        stream = sys.stdin.buffer
        sys.path[:], _ = pickle.load(stream)
        stream.seek(0)
        bring("swm.guard.child")
        sys.modules["swm.guard.child"].serve_once(stream)


if __name__ == "__main__":
    main()
