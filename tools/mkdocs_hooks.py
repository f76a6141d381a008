# SPDX-License-Identifier: Apache-2.0
"""What the documentation shows from outside its folder: the plots of `benchmarks/results/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

RESULTS = "benchmarks/results"


def on_files(files: Files, config: Any) -> Files:
    """Add the plots to the site."""
    root = Path(config["config_file_path"]).parent
    for plot in sorted((root / RESULTS).glob("*.svg")):
        found = File.generated(config, f"{RESULTS}/{plot.name}", abs_src_path=str(plot))
        files.append(found)
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to plots as they are in the site; in the repository they start above `docs/`."""
    return markdown.replace(f"](../{RESULTS}/", f"]({RESULTS}/")
