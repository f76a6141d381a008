# SPDX-License-Identifier: Apache-2.0
"""What a conversion has to say against itself: the fault, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from swm.compress.hold_out import FEWEST, SHARE
from swm.compress.methods import Freedom
from swm.compress.plan import Planned, possible_blocks
from swm.compress.report import ConversionReport

__all__ = ["conversion_warnings"]

FREE_SHARE = 0.125
"""Effective degrees of freedom a sample beyond which a fit follows its samples: on mnist-net at block 8, 0.10 (800
samples) costs half a point of accuracy, 0.19 (400) seven, 0.44 (160) seventeen."""
LARGE_ERROR = 1.0  # of a layer's outputs: answering zeros would be no worse
LOST_POINTS = 0.05  # of accuracy
SHOWN = 5  # layers named in one warning


def conversion_warnings(
    report: ConversionReport, planned: Sequence[Planned], freedoms: Mapping[str, Freedom], why_none: str, advice: str
) -> tuple[str, ...]:
    """Every warning, one sentence or two each.

    Args:
        report: of the conversion, its accuracy measured.
        planned: what was to become of every weight.
        freedoms: of the layers that were fitted to samples, the worst fit of each.
        why_none: why no sample could be held out; empty where some were, or none were asked for.
        advice: about layers whose weights are not float32; empty where there are none.
    """
    precision = (advice,) if advice else ()
    if all(layer.structure == "dense" for layer in report.layers):
        return (*precision, *_nothing(planned))
    return (*precision, *_calibration(report, freedoms), *_test(report, why_none), *_outcome(report))


def _nothing(planned: Sequence[Planned]) -> Iterator[str]:
    """Of a network that comes back as it went in: the sizes that would convert something, and how the last layer is."""
    most = max((p.block for p in planned), default=0)
    if most < 2:  # as asked for
        return
    smaller = {p.ref.name: max(possible_blocks(p.ref, most), default=1) for p in planned}
    others = [smaller[p.ref.name] for p in planned if not p.last]
    if max(others, default=1) > 1:
        yield (
            f"no layer was converted: blocks of {most} are too large for every one that may be; --block "
            f"{max(others)} is the largest size that converts one"
        )
        return
    for last in (p for p in planned if p.last):
        name, (m, n), block = last.ref.name, last.ref.shape, smaller[last.ref.name]
        why = (
            f"{name!r} ({m} x {n}) is the last layer with weights, and stays dense by rule, because its outputs are "
            "the network's answer"
        )
        if block > 1:
            yield (
                f"{why}; to convert it all the same, name it: --block {shlex.quote(f'{name}={block}')} "
                f"(in Python block={{{name!r}: {block}}})"
            )
        elif len(planned) == 1:
            yield f"{why}; it has fewer than two blocks of any size, so that it cannot be block-circulant anyway"


def _calibration(report: ConversionReport, freedoms: Mapping[str, Freedom]) -> Iterator[str]:
    if not report.calibration_samples:
        yield (
            "no calibration was given: weights are the nearest of their structure, whatever the inputs are, which "
            "costs far more accuracy than a fit; give some hundred to some thousand inputs with --calibration X.npy "
            "(in Python calibration=x)"
        )
    few = {name: f for name, f in freedoms.items() if f.share > FREE_SHARE}
    if few:
        worst = max(few.values(), key=lambda f: f.share)
        # Fitted to too few rows, a system shows no more freedom than it has rows: then all its numbers count.
        wanted = max(
            (f.numbers if f.share > 0.5 else f.effective) / FREE_SHARE * _per_row(report, f) for f in few.values()
        )
        wanted *= SHARE / (SHARE - 1) if report.accuracy.samples == "held out" else 1
        yield (
            f"{report.calibration_samples} fitted samples are too few for these blocks: the fit of "
            f"{_named(list(few))} has up to {worst.effective:.0f} effective degrees of freedom for {worst.rows} rows, "
            f"so it learns the samples rather than the layer; give about {_rounded(wanted)} samples, or larger blocks"
        )


def _per_row(report: ConversionReport, freedom: Freedom) -> float:
    """Samples in a row of a fit: 1 for a product, a fraction for pixels and steps, many of which are one sample."""
    return report.calibration_samples / max(freedom.rows, 1)


def _test(report: ConversionReport, why_none: str) -> Iterator[str]:
    if report.accuracy.test_samples:
        return
    if why_none.startswith("the whole"):
        yield f"what the conversion costs was not measured: {why_none}"
    elif why_none:
        yield (
            f"nothing was held out of the fit ({why_none}), so what it costs was not measured: give at least {FEWEST} "
            "calibration samples, or test inputs with --test X.npy --test-labels Y.npy (in Python test=x, "
            "test_labels=y)"
        )


def _outcome(report: ConversionReport) -> Iterator[str]:
    every = [(layer.name, layer.output_error or layer.fitted_error or 0.0) for layer in report.layers]
    bad = [(name, error) for name, error in every if error > LARGE_ERROR]
    if bad:
        errors = ", ".join(f"{name} {100 * error:.0f} %" for name, error in bad[:SHOWN])
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        block = report.block if isinstance(report.block, int) else 8
        yield (
            f"layers whose outputs are further off than zeros would be: {errors}{more}; give more calibration samples, "
            f"a smaller block for them, or leave them dense (--block {shlex.quote(f'*={block},{bad[0][0]}=1')})"
        )
    found = report.accuracy
    if found.dense is not None and found.test is not None:
        if found.dense - found.test > LOST_POINTS:
            yield (
                f"accuracy falls by {100 * (found.dense - found.test):.1f} points on {found.test_samples} samples that "
                "the fit has not seen; give more calibration samples, a smaller block or a --budget, or retrain the "
                "converted model"
            )
    elif found.agreement is not None and found.agreement < 1 - 2 * LOST_POINTS:
        yield (
            f"the converted network answers {100 * (1 - found.agreement):.1f} % of {found.test_samples} samples that "
            "the fit has not seen unlike the dense one; give more calibration samples, a smaller block or a --budget, "
            "or retrain the converted model"
        )
    elif found.agreement is None and (found.relative_error or 0) > 0.5:
        yield (
            f"the outputs of the converted network are {100 * (found.relative_error or 0):.0f} % off on "
            f"{found.test_samples} samples that the fit has not seen; give more calibration samples or a smaller block"
        )


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _rounded(count: float) -> str:
    """Two digits, upwards: nobody counts samples more exactly than that."""
    step = 10 ** max(0, len(str(int(count))) - 2)
    return f"{-(-int(count + 0.5) // step) * step:,}"
