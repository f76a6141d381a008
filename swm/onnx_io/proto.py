# SPDX-License-Identifier: Apache-2.0
"""ModelProto: parsed from bytes, checked for legal text, and brought to an opset the handlers know."""

from __future__ import annotations

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import ModelProto, TensorProto

from swm.errors import ModelError
from swm.guard import guarded

__all__ = [
    "DEFAULT_OPSET",
    "MICROSOFT",
    "ML_DOMAIN",
    "OLDEST_OPSET",
    "QONNX_DOMAINS",
    "QONNX_OPERATORS",
    "before_forks",
    "check_graph",
    "check_text",
    "opsets",
    "parse",
    "upgrade",
]

_SECONDS, _MEMORY = 2.5, 1 << 30  # for the converter, and beyond them what the size of the model asks for
OLDEST_OPSET = 7  # since then operators broadcast as numpy does
DEFAULT_OPSET = 21  # for models that use no standard operator and so name no version
_NEWEST_RUN = 26  # of onnxruntime 1.31, which takes its newest where a file imports other domains only
# The quantizers of QONNX and the domains they have lived in; FINN's early exports put them into the standard one.
QONNX_OPERATORS = frozenset({"Quant", "BipolarQuant", "Trunc"})
QONNX_DOMAINS = ("", "finn.custom_op.general", "onnx.brevitas", "qonnx.custom_op.general")
ML_DOMAIN = "ai.onnx.ml"
MICROSOFT = "com.microsoft"
"""Of the operators that onnxruntime's optimizer writes."""
"""Of classical machine learning: what scikit-learn's pipelines export."""


def before_forks() -> None:
    """Fill onnx's table of operators, which takes 10 ms, where children of `swm.guard` are forked from."""
    onnx.defs.has("Relu")


def parse(data: bytes) -> ModelProto:
    """A model from the bytes of its file.

    Raises:
        ModelError: the bytes are not an ONNX model.
    """
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as exc:
        raise ModelError(f"this is not an ONNX file, or a truncated one ({exc}); export or download it again") from exc
    check_graph(model)
    return model


def check_graph(model: ModelProto) -> None:
    """Check that there is a graph at all.

    Raises:
        ModelError: there is none.
    """
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise ModelError("there is no ONNX graph in it; give a model exported to ONNX")


def check_text(message: Message, path: str = "model") -> None:
    """Check that every name and text in a message is UTF-8; protobuf hands out bytes where it is not.

    Raises:
        ModelError: some text is not UTF-8.
    """
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            for text in [value] if isinstance(value, str | bytes) else value:
                if isinstance(text, bytes):
                    raise ModelError(f"{path}.{field.name} is {text!r}, which is not UTF-8; the file is damaged")
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            if isinstance(value, Message):
                _check_inner(value, f"{path}.{field.name}")
            else:
                for i, inner in enumerate(value):
                    _check_inner(inner, f"{path}.{field.name}[{i}]")


def _check_inner(message: Message, path: str) -> None:
    if isinstance(message, TensorProto):  # ListFields would copy all of its data
        texts = [message.name, message.doc_string, *(t for e in message.external_data for t in (e.key, e.value))]
        for text in texts:
            if isinstance(text, bytes):
                raise ModelError(f"{path} holds the text {text!r}, which is not UTF-8; the file is damaged")
    else:
        check_text(message, path)


def opsets(model: ModelProto) -> dict[str, int]:
    """Version of each imported domain; the default domain under the name "".

    Raises:
        ModelError: a domain is imported in two versions, or standard operators in none.
    """
    versions: dict[str, int] = {}
    for entry in model.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if versions.setdefault(domain, entry.version) != entry.version:
            raise ModelError(
                f"the model imports the operators of {domain or 'ai.onnx'!r} in versions {versions[domain]} and "
                f"{entry.version}; keep one"
            )
    if "" not in versions:
        if not model.opset_import and model.ir_version < 3:
            versions[""] = 1  # what the specification says of files from before opset imports
        elif not any(n.domain in ("", "ai.onnx") for n in model.graph.node):
            versions[""] = DEFAULT_OPSET
        elif model.opset_import:
            versions[""] = min(_NEWEST_RUN, int(onnx.defs.onnx_opset_version()))
        else:
            raise ModelError("the model names no version (opset import) of the standard operators; export it again")
    return versions


def upgrade(model: ModelProto) -> tuple[ModelProto, dict[str, int]]:
    """The model at an opset from `OLDEST_OPSET` to the newest that onnx knows, and its opsets.

    Raises:
        ModelError: too new, or too old and not convertible.
    """
    versions = opsets(model)
    newest = onnx.defs.onnx_opset_version()
    version = versions[""]
    if version > newest:
        raise ModelError(
            f"the model has opset {version}, onnx {onnx.__version__} knows up to {newest}; upgrade the onnx package or "
            "export at a lower opset"
        )
    if version >= OLDEST_OPSET:
        if not any(e.domain in ("", "ai.onnx") for e in model.opset_import):
            model.opset_import.add(domain="", version=version)  # shape inference reads it there
        return model, versions
    problem = f"the model has opset {version}, older than {OLDEST_OPSET}, and cannot be converted to it"
    if version < 1:
        raise ModelError(f"{problem}: there is no such opset; the file is damaged")
    # Weights make the conversion slow and take several times their size.
    size = model.ByteSize()
    outcome = guarded(_converted, model, seconds=_SECONDS + size / (50 << 20), memory=_MEMORY + 8 * size)
    if outcome.data is None:
        what = outcome.error or f"onnx's version converter {outcome.fate} on it"
        raise ModelError(f"{problem} ({what}); export it again")
    converted = ModelProto.FromString(outcome.data)
    return converted, opsets(converted)


def _converted(model: ModelProto) -> bytes:
    """A model at `OLDEST_OPSET`, by onnx's converter, which trusts its input and so comes after the checker."""
    onnx.checker.check_model(model)
    return bytes(onnx.version_converter.convert_version(model, OLDEST_OPSET).SerializeToString())
