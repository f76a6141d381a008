# SPDX-License-Identifier: Apache-2.0
"""A layer kind from outside the package: its class, its kernel and its template, and it is emitted and verified."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import pytest
from designs import Sketch, design

from swm.emit import emit_project, verify_project
from swm.layers import registry
from swm.layers.scale import Scale, ScaleSpec
from swm.layers.values import TensorShape

KERNEL = """// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "swm/scale.h"
namespace swm {
/// A scale under another name.
template <class Cfg, class Weights, class Bias, class In, class Out>
void stretch(int tokens, const Weights& gain, const Bias& bias, In& in, Out& out) {
  scale<Cfg>(tokens, gain, bias, in, out);
}
}  // namespace swm
"""


@dataclass(frozen=True)
class StretchSpec(ScaleSpec):
    kind: ClassVar[str] = "stretch"


class Stretch(Scale):
    """What a user would write: everything of a scale, but names, kernel and template of its own."""

    name: ClassVar[str] = "stretch"
    folder: ClassVar[Path] = Path()

    @property
    def headers(self):
        return (*Scale().headers, self.folder / "stretch.h")

    @property
    def template(self):
        return self.folder / "stretch.j2"

    def spec(self, layer, bits):
        scale = super().spec(layer, bits)
        return StretchSpec(**{field.name: getattr(scale, field.name) for field in fields(scale)})

    def processes(self, built, ports):
        (process,) = super().processes(built, ports)
        return (type(process)(**{**vars(process), "name": "stretch", "kernel": "stretch"}),)


@pytest.fixture
def stretch(tmp_path):
    Stretch.folder = tmp_path
    (tmp_path / "stretch.h").write_text(KERNEL)
    template = Scale().template.read_text(encoding="utf-8").replace("scale, {{", "stretched, {{")
    (tmp_path / "stretch.j2").write_text(template)
    registry.register(Stretch())
    yield
    registry.unregister("stretch")


@pytest.mark.usefixtures("stretch")
@pytest.mark.parametrize("backend", ["vitis", "generic"])
def test_a_kind_from_outside_is_emitted_and_verified(tmp_path, backend):
    sketch = Sketch(6).product("x", "a", 8)
    sketch.scale("a", "y", kind_name="stretch")
    made = design(sketch.graph(), backend)
    assert [p.spec.kind for p in made.schedule.layers] == ["dense", "stretch"]
    assert made.graph.specs[-1].output == TensorShape(8, 12)
    project = emit_project(made, tmp_path / "p")
    assert (project / "include" / "swm" / "stretch.h").read_text() == KERNEL
    assert '#include "swm/stretch.h"' in (project / "src" / "layers.h").read_text()
    assert "stretched, 8 channels" in (project / "src" / "top.cpp").read_text()
    assert verify_project(project).ok
