# SPDX-License-Identifier: Apache-2.0
"""What a converted file remembers of its conversion: the original's hash, and what it cost on unseen samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.compress.evaluation import TestAccuracy
from swm.compress.report import ConversionReport
from swm.graph import Graph
from swm.version import __version__

__all__ = ["CONVERSION", "ConversionRecord", "LayerRecord", "parse_record", "remembering", "retrained", "sample_hashes"]

CONVERSION = "swm.conversion"
"""Key of the metadata property."""
FIRST = 100
_MOST_NAME = 1000
_MOST_TEXT = 4 << 20  # characters; a row a layer takes some hundred


@dataclass(frozen=True)
class LayerRecord:
    """A weighted layer: its block (1: dense), weights before and after, relative error of its outputs (or None)."""

    name: str
    structure: str
    block: int
    words_before: int
    words_after: int
    output_error: float | None


@dataclass(frozen=True)
class ConversionRecord:
    """One conversion, as the converted file remembers it.

    Attributes:
        swm: version that converted.
        original: file name of the network that was converted; empty where it came from memory.
        sha256: of that file; empty where it came from memory.
        method: how weights were found.
        fitted_samples: samples that the fit saw.
        fitted_hashes: `sample_hashes` of the calibration inputs, those held out included; empty without calibration.
        accuracy: of both networks on samples that the fit did not see.
        layers: one by one.
    """

    swm: str
    original: str
    sha256: str
    method: str
    fitted_samples: int
    fitted_hashes: tuple[str, ...]
    accuracy: TestAccuracy
    layers: tuple[LayerRecord, ...]

    @property
    def words(self) -> tuple[int, int]:
        """Weights of all weighted layers before and after."""
        return sum(la.words_before for la in self.layers), sum(la.words_after for la in self.layers)


def sample_hashes(samples: Mapping[str, NDArray[Any]] | NDArray[Any]) -> tuple[str, ...]:
    """By which samples are known again: SHA-256 of all, and of the first hundred, as float32 of any shape.

    `swm emit` keeps the first hundred calibration samples as vectors where no others are given.
    """
    arrays = [samples] if isinstance(samples, np.ndarray) else [samples[name] for name in sorted(samples)]
    return tuple(dict.fromkeys(_hash([a[:most] if a.ndim else a for a in arrays]) for most in (None, FIRST)))


def _hash(arrays: Iterable[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, np.float32).tobytes())
    return digest.hexdigest()


def remembering(graph: Graph, original: Graph, report: ConversionReport, hashes: tuple[str, ...]) -> Graph:
    """The converted graph with the record among its metadata."""
    record = ConversionRecord(
        swm=__version__,
        original=Path(original.source).name,
        sha256=original.sha256,
        method=report.method,
        fitted_samples=report.calibration_samples,
        fitted_hashes=hashes,
        accuracy=report.accuracy,
        layers=tuple(
            LayerRecord(la.name, la.structure, la.block, la.words_before, la.words_after, la.output_error)
            for la in report.layers
        ),
    )
    text = json.dumps(asdict(record))
    metadata = {**graph.metadata, CONVERSION: text} if len(text) <= _MOST_TEXT else dict(graph.metadata)
    return replace(graph, metadata=metadata)


def retrained(graph: Graph, how: str, samples: int, hashes: tuple[str, ...], accuracy: TestAccuracy) -> Graph:
    """A graph whose weights were trained after a conversion, with its record brought up to date.

    Errors of layers no longer hold; samples that were seen add up. Where there is no record, none is made.

    Args:
        graph: with the metadata of the conversion.
        how: what was done since, for `method`.
        samples: trained on.
        hashes: `sample_hashes` of these.
        accuracy: measured now.
    """
    record = parse_record(graph.metadata.get(CONVERSION, ""))
    if record is None:
        return graph
    now = replace(
        record,
        swm=__version__,
        method=f"{record.method.partition(', fine-tuned')[0]}, {how}",
        fitted_samples=max(samples, record.fitted_samples),
        fitted_hashes=tuple(dict.fromkeys((*record.fitted_hashes, *hashes))),
        accuracy=accuracy,
        layers=tuple(replace(layer, output_error=None) for layer in record.layers),
    )
    text = json.dumps(asdict(now))
    metadata = dict(graph.metadata)
    metadata.pop(CONVERSION)
    return replace(graph, metadata={**metadata, CONVERSION: text} if len(text) <= _MOST_TEXT else metadata)


def parse_record(text: str) -> ConversionRecord | None:
    """The record of a metadata property, which any program may have written; None where it makes no sense."""
    from pydantic import TypeAdapter, ValidationError  # only what reads records needs it

    if not text or len(text) > _MOST_TEXT:
        return None
    try:
        record: ConversionRecord = TypeAdapter(ConversionRecord).validate_json(text)
    except ValidationError:
        return None
    if any(len(text) > _MOST_NAME for text in (record.swm, record.original, record.sha256, record.method)):
        return None
    found = record.accuracy
    pairs = (found.test_interval, found.dense_interval, found.agreement_interval)
    shares = [found.test, found.dense, found.agreement, *(end for pair in pairs if pair for end in pair)]
    errors = [found.relative_error, *(layer.output_error for layer in record.layers)]
    counts = [found.test_samples, record.fitted_samples]
    counts += [n for la in record.layers for n in (la.block, la.words_before, la.words_after)]
    right = all(s is None or 0 <= s <= 1 for s in shares) and all(n >= 0 for n in counts)
    return record if right and all(e is None or (isfinite(e) and e >= 0) for e in errors) else None
