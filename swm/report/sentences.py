# SPDX-License-Identifier: Apache-2.0
"""What a report says in words: the verdict, what is lost, the gain, verification. Shared by text and page."""

from __future__ import annotations

from dataclasses import fields

from swm.accelerator.line import line_pace, line_target
from swm.accelerator.saturation import saturation_summary
from swm.layers.registry import kind
from swm.report.chips import chip_verdict
from swm.report.evidence import Accuracy, Loss, fixed_point_cost
from swm.report.explored import Explored
from swm.report.network import network_figures
from swm.report.numbers import NOT_STATED, quantity, share
from swm.report.value import BoardReport, Report

__all__ = [
    "built_sentence",
    "explored_sentence",
    "gain_sentence",
    "loss_sentence",
    "lost_words",
    "network_rows",
    "remark_sentences",
    "remedy_words",
    "unfit_sentence",
    "verdict",
    "verdicts",
    "verified_sentence",
]

_NAMES = {"fixed": "this fixed-point design", "converted_float": "the converted network in float"}
_QUANTITIES = {"agreement": "agrees in", "error": "is off by"}


def verdict(report: Report, row: BoardReport) -> str:
    """One line that answers: does it fit, how fast, how much energy, how much accuracy is lost."""
    return f"{_built(row)}; {_lost(report.loss)}"


def verdicts(report: Report) -> list[str]:
    """The verdict on each board, then the energy on each chip."""
    structured = network_figures(report).structured
    chips = (chip_verdict(row, structured=structured) for row in report.chips)
    return [*(verdict(report, row) for row in report.boards), *chips]


def _built(row: BoardReport) -> str:
    design, board = row.structured, row.board.name
    rate = design.inferences_per_s
    if rate is None:
        return f"DOES NOT FIT {board}: {design.overflow}; no speed, no energy"
    energy = f"{quantity(design.joules.total * 1e6)} uJ each" if design.joules else f"energy {NOT_STATED}"
    return f"Fits {board}: {quantity(rate)} inferences/s, {energy}"


def _lost(found: Loss | None) -> str:
    if found is None or found.after.share is None:
        return "accuracy loss not known"
    early = "" if found.after.network == "fixed" else "float "
    kind = "accuracy " if found.points is not None else ""
    return f"{early}{kind}{lost_words(found)}"


def lost_words(found: Loss) -> str:
    """What is lost in a few words: points of accuracy, or agreement or error where that is all that is known."""
    if found.points is None:
        words = "answers agree" if found.after.quantity == "agreement" else "outputs off by"
        return f"{words} {100 * (found.after.share or 0.0):.1f} %"
    return f"{-found.points + 0.0:+.1f} points"


def loss_sentence(report: Report) -> str:
    """How much is lost, in a sentence or two."""
    found = report.loss
    if found is None:
        structured = network_figures(report).structured
        beside = "the dense original was not measured beside" if structured else "nobody measured"
        return f"How much accuracy is lost is not known: {beside} this network."
    after, before = found.after, found.before
    name, where = _NAMES.get(after.network, after.network), _where(after)
    if before is not None:
        text = f"Accuracy: dense original {share(before)}, {name} {share(after)} {where}."
    else:
        text = f"Against the dense original: {name} {_QUANTITIES[after.quantity]} {share(after)} {where}."
    return text if after.network == "fixed" else f"{text} {_beyond(report)}"


def _beyond(report: Report) -> str:
    cost = fixed_point_cost(report.accuracies)
    if cost is None or cost.points is None:
        return "What fixed point costs beyond that is not known."
    if round(cost.points, 1) <= 0:
        gained = f", but gains {-cost.points:.1f}" if round(cost.points, 1) else ""
        return f"Fixed point takes no points more{gained} {_where(cost.after)}."
    return f"Fixed point takes {cost.points:.1f} points more {_where(cost.after)}."


def remedy_words(report: Report) -> str:
    """What stands before the command that measures what is missing; empty where nothing is."""
    if not report.evidence.remedy:
        return ""
    return "To measure this very design" + (" beside the original:" if network_figures(report).structured else ":")


def _where(one: Accuracy) -> str:
    return f"on {one.samples:,} samples {one.origin}".strip() if one.samples else one.origin or "as told by the caller"


def gain_sentence(report: Report, row: BoardReport) -> str:
    """The gains of the structure, or why there are none."""
    gain = row.gain
    if not network_figures(report).structured:
        return "Gain over the dense twin: none; no layer has a weight structure, the network is its own dense twin."
    if gain.throughput is None or gain.latency is None:
        text = f"Gain over the dense twin: none, as {gain.reason}."
        if gain.elsewhere:
            text += f" The dense twin fits {gain.elsewhere[0]} (--board {gain.elsewhere[0]})."
        return text
    energy = f"energy {quantity(gain.energy)} x" if gain.energy is not None else f"energy {NOT_STATED}"
    speed = f"throughput {quantity(gain.throughput)} x, latency {quantity(gain.latency)} x"
    return f"Gain over the dense twin: {speed}, {energy}."


def remark_sentences(row: BoardReport) -> tuple[str, ...]:
    """What bounds a design, and what kinds say of layers as they are built; nothing where there is no design."""
    if not row.structured.fits:
        return ()
    plan = row.structured.plan
    found = [kind(layer.spec.kind).remark(layer.built) for layer in plan.layers]
    if plan.sequences > 1:
        frame = f"a frame holds {plan.sequences} sequences that take turns; interval and latency are those of a frame"
        found.insert(0, frame)
    if plan.target is not None:
        asked = "is what the serial line brings" if plan.target == line_target(plan) else "were asked for"
        found.insert(0, f"{plan.target:,} cycles a frame {asked}: the smallest such design that the search finds")
    pace = line_pace(plan)
    if pace is not None and plan.board.link is not None and pace > plan.interval:
        rate = quantity(plan.sequences * plan.board.link.clock_hz / pace)
        found.append(
            f"the serial line brings one frame in {pace:,} cycles at best: {rate} inferences/s at"
            f" {plan.board.link.baud:,} baud"
        )
    return tuple(f"{text[:1].upper()}{text[1:]} (modelled)." for text in found if text)


def unfit_sentence(report: Report, row: BoardReport) -> tuple[str, ...]:
    """Why a design cannot exist, for each that cannot, and what would fit."""
    pairs = [("The design", row.structured), ("Its dense twin", row.dense)]
    if not network_figures(report).structured:
        pairs.pop()
    remedies = (f" {row.remedy[:1].upper()}{row.remedy[1:]}." if row.remedy else "", "")
    return tuple(
        f"{name} does not fit {row.board.name}: {d.overflow}.{remedy}"
        for (name, d), remedy in zip(pairs, remedies, strict=False)
        if not d.fits
    )


def built_sentence(report: Report) -> str:
    """The bitstream of a project: clock and sites as place and route measured them; empty where there is none."""
    if report.evidence.measured.build is None:
        return ""
    found, date, stale = report.evidence.measured.build
    day = f"on {date[:10]} with {', '.join(found.tools)}"
    if stale:
        return f"The last build ({day}) is of other files than lie here now; run swm build again."
    names = {"lut": "ALUT"} if found.available.m10k else {}
    pairs = [
        (names.get(f.name, f.name.upper()), getattr(found.area, f.name), getattr(found.available, f.name))
        for f in fields(found.area)
    ]
    taken = ", ".join(f"{n:,} {name} of {has:,}" for name, n, has in pairs if n)
    whose = "nextpnr" if found.seeds else "Quartus" if found.available.m10k else "Vivado"
    clock = f"{found.fmax_mhz:.1f} MHz by {whose}'s timing analysis, {found.clock_mhz:g} MHz on the board"
    if not found.met:
        return f"Build {day}: the clock is MISSED ({clock}), so there is no bitstream; measured: {taken}."
    rate = _measured_rate(report, found.clock_mhz)
    return f"Built {day}: {found.bitstream}; clock {clock}; measured: {taken}.{rate}"


def _measured_rate(report: Report, clock_mhz: float) -> str:
    """What measured cycles are at the board's clock."""
    seen = report.evidence.verified
    if seen is None or seen.stale or not seen.ok or not seen.interval_cycles:
        return ""
    rate = quantity(clock_mhz * 1e6 / seen.interval_cycles)
    return f" At the measured interval that is {rate} inferences/s, where the link brings as many."


def verified_sentence(report: Report) -> str:
    """Whether the project was verified, when, and whether it is the one that lies there now; empty for a model."""
    if not report.evidence.project:
        return ""
    found = report.evidence.verified
    if found is None:
        return "Not verified yet: swm verify PROJECT compares its simulation with the integer engine, word by word."
    day = f"on {found.date[:10]} with swm {found.swm} and {found.compiler}"
    if found.stale:
        return f"The last verification ({day}) is of other files than lie here now; run swm verify again."
    if not found.ok:
        return (
            f"Verification FAILED {day}: {found.mismatches:,} of {found.words:,} words differ, or counts of cycles do."
        )
    words = f"all {found.words:,} words of {found.samples:,} samples"
    if found.interval_cycles is None:
        return f"Verified {day}: {words} bit-exact in C simulation."
    cycles = f"interval {found.interval_cycles:,.4g}, latency {found.latency_cycles:,.4g} cycles"
    return f"Verified {day}: {words} bit-exact in RTL simulation, which measured {cycles}."


def explored_sentence(report: Report, found: Explored) -> str:
    """What an exploration in a report is of, and whether that is the network of the report."""
    own = found.model in (report.model, report.evidence.original)
    chips = any(p.joules is not None and p.inferences_per_s is None for p in found.points)
    alone = " Of chips the energy of operations and memory accesses alone; they take more." if chips else ""
    other = "" if own else " Whether it is of this network is not known: names differ."
    original = f", the original in float {100 * found.reference:.2f} %" if found.measure == "accuracy" else ""
    return (
        f"Exploration of {found.model} by swm {found.swm}: {len(found.points):,} points, {found.measure} measured on "
        f"{found.samples:,} samples{original}, all else modelled.{alone}{other}"
    )


def network_rows(report: Report) -> list[tuple[str, str]]:
    """What the network is, and on what its figures rest."""
    counts, known = network_figures(report), report.evidence
    data, weights = ("/".join(map(str, bits)) for bits in (counts.data_bits, counts.weight_bits))
    blocks = ", ".join(f"{_block(block)} in {n} layer{'s' * (n > 1)}" for block, n in counts.blocks.items())
    stored = f"{counts.stored_bits:,} bits, {counts.compression:.1f} x less than float32 dense"
    fewer = less = ""
    if counts.structured:
        fewer = f" dense, {counts.stored_weights:,} stored ({counts.fewer:.2f} x fewer)"
        less = f", {counts.dense_bits / counts.stored_bits:.2f} x less than dense at these bits"
    rows = [
        ("bits", f"{data} data, {weights or '-'} weights"),
        ("blocks", blocks or "no weights"),
        ("weights", f"{counts.dense_weights:,}{fewer}"),
        ("weight storage", f"{stored}{less}"),
    ]
    if known.original:
        rows.append(("dense original", f"{known.original}, SHA-256 {known.original_sha256[:16] or 'not known'}"))
    if known.fitted_samples is not None:
        rows.append(
            ("conversion", f"fitted to {known.fitted_samples:,} samples" if known.fitted_samples else "projected")
        )
    if known.format_samples is not None:
        rows.append(("number formats", f"from {known.format_samples:,} calibration samples"))
    if known.saturated:
        rows.append(("saturation", saturation_summary(known.saturated)))
    return rows


def _block(size: int) -> str:
    return "dense" if size == 1 else f"block {size}"
