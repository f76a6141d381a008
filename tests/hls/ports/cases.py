# SPDX-License-Identifier: Apache-2.0
"""Layers that exercise every shape, width, lane setting and activation of the kernels, and their C++ driver."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ports import model
from ports.model import Ints, Policy, Streams

ACTIVATIONS = ("identity", "curve", "leaky", "relu", "curve", "clip", "ramp")
BITS = (8, 12, 16, 18)
TICKS = 16  # a layer has at most 15 processes (k = 256)


@dataclass(frozen=True, eq=False)
class Case:
    """One layer, its constants, its input vectors (tokens), and what its ports must show."""

    cfg: Any
    x: tuple[Ints, ...]
    weights: Any = None
    bias: Ints | None = None

    @property
    def kind(self) -> str:
        return type(self.cfg).__name__.lower()

    @property
    def tokens(self) -> int:
        return len(self.x[0])

    def __str__(self) -> str:
        cfg = self.cfg
        return f"{self.kind}-{getattr(cfg, 'k', '')}-{getattr(cfg, 'in_bits', getattr(cfg, 'bits', ''))}"

    def expected(self) -> Streams:
        """What every port of the layer shows, a row a token."""
        cfg, (x, *rest) = self.cfg, self.x
        if self.kind == "width":
            return [model.in_beats(x, cfg.out_vec)]
        if self.kind == "fork":
            return [model.in_beats(x, cfg.vec)] * cfg.copies
        run: Callable[..., Streams] = getattr(model, self.kind)
        return run(cfg, x, *rest) if self.kind in {"add", "concat"} else run(cfg, self.weights, self.bias, x)


def limits(bits: int) -> tuple[int, int]:
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def vectors(rng: np.random.Generator, n: int, bits: int) -> Ints:
    """Random words, small ones, and the extremes: all lowest, all highest, and both in the worst alternations."""
    low, high = limits(bits)
    t = np.arange(n)
    extremes = [np.full(n, low), np.full(n, high), np.where(t % 2, low, high), np.where(t % 4 < 2, low, high)]
    extremes += [np.where(rng.random(n) < 0.5, low, high)]
    return np.array([rng.integers(low, high + 1, n), rng.integers(low // 16, high // 16 + 1, n), *extremes], np.int64)


def beats(rng: np.random.Generator, largest: int) -> int:
    return 1 << int(rng.integers(largest.bit_length()))


def banks(rng: np.random.Generator, lanes: int) -> int:
    return int(rng.choice([d for d in range(1, min(lanes, 8) + 1) if lanes % d == 0]))


def circulant_case(number: int, k: int, bits: int, *, scaled: bool, packed: bool, rng: np.random.Generator) -> Case:
    stages = model.clog2(k)
    shifts = stages // 2 if scaled else 0
    weight_bits = bits if packed else int(rng.choice([4, 8, 12, 16, 17, 18]))
    while True:
        p, q = int(rng.integers(1, 6)), int(rng.integers(1, 6))
        m, n = (p - 1) * k + int(rng.integers(1, k + 1)), (q - 1) * k + int(rng.integers(1, k + 1))
        in_vec, out_vec = (beats(rng, min(4 * k, 32) if k <= 16 else 16) for _ in range(2))
        busy = number % 2  # more products than loads
        ahead, behind = (max(1, v // (k if k <= 16 else 4)) for v in (in_vec, out_vec))
        rows = int(rng.choice([behind, 2 * behind] if busy else [behind, 3 * behind, p]))
        columns, bins = ahead * int(rng.integers(1, 2 if busy else 4)), beats(rng, min(k // 2, 2 if busy else 8))
        lanes = rows * columns * bins * 2
        split = banks(rng, lanes)
        value = bits + 2 + shifts - stages // 2  # log2 of the typical pre-activation value
        cfg = model.Circulant(
            m=m,
            n=n,
            k=k,
            in_bits=bits,
            weight_bits=weight_bits,
            out_bits=int(rng.choice(BITS)),
            bias_bits=bits + 4,
            fft_shifts=shifts,
            acc_shift=max(0, weight_bits - 5 + (stages + model.clog2(q)) // 2 - shifts),
            out_shift=int(rng.integers(-1, 5)),
            activation=policy(number, value, rng),
            in_vec=in_vec,
            out_vec=out_vec,
            mac_rows=rows,
            mac_columns=columns,
            mac_bins=bins,
            products=4 if packed or weight_bits == 18 else 3,
            rom_banks=split,
            rom_lanes=lanes // split,
            fabric_rows=int(rng.integers(rows + 1)) if number % 3 == 0 else 0,
            packed=int(packed),
        )
        if cfg.legal and lanes <= 64 and (not busy or cfg.loop.products >= cfg.loop.loads):
            break
    low, high = limits(weight_bits)
    shape = (2, cfg.p, cfg.q, cfg.words)
    w = rng.integers(low, high + 1, shape) if number % 3 else np.where(rng.random(shape) < 0.5, low, high)
    if number % 6 == 0:
        w[:, 0] = low  # with the lowest inputs the largest sum there is
    bias = rng.integers(*limits(cfg.bias_bits), cfg.m)
    return Case(cfg, (vectors(rng, n, bits),), (w[0], w[1]), bias)


def policy(number: int, width: int, rng: np.random.Generator) -> Policy:
    """An activation of random numbers for values of `width` bits; tables of lines and of constants, short and long."""
    kind = ACTIVATIONS[number % len(ACTIVATIONS)]
    if kind in {"identity", "relu"}:
        return Policy(kind)
    low, high = sorted(int(v) for v in rng.integers(-3000, 3000, 2))
    if kind == "clip":
        return Policy(kind, (("low", low), ("high", high)))
    bits = int(rng.integers(6, 20))
    numbers = {"input_shift": max(0, width - bits), "input_bits": bits}
    if kind in {"ramp", "leaky"}:
        slope, offset = (int(v) for v in rng.integers(-4000, 4000, 2))
        numbers |= {"slope": slope, "slope_bits": 13, "offset": offset, "offset_bits": 13, "offset_shift": number % 9}
        return Policy(kind, tuple({**numbers, "out_shift": bits - 2, "low": low, "high": high}.items()))
    step, lines = int(rng.integers(0, bits - 4)), bool(rng.integers(2))
    room = 1 << (bits - step)
    entries = int(rng.integers(1, min(room, 40)))
    first = int(rng.integers(0, room - entries + 1) << step) - (1 << (bits - 1))
    start_bits, rise_bits = (int(b) for b in rng.integers(4, 16, 2))
    starts, rises = (rng.integers(*limits(b), entries).tolist() for b in (start_bits, rise_bits))
    numbers |= {"first": first, "step_bits": step, "start_bits": start_bits, "rise_bits": rise_bits if lines else 0}
    numbers |= {"base_shift": int(rng.integers(0, 5)), "out_shift": int(rng.integers(-2, 6)) + lines * step}
    numbers |= {"entries": entries, "rectified": int(rng.integers(2))}
    return Policy(kind, tuple(numbers.items()), tuple(starts), tuple(rises) if lines else ())


def ending(number: int, width: int, rng: np.random.Generator) -> dict[str, Any]:
    """The end of a layer whose values fill `width` bits."""
    return {
        "out_bits": int(rng.choice(BITS)),
        "activation": policy(number, width, rng),
    }


def dense_case(number: int, rng: np.random.Generator, *, packed: bool) -> Case:
    while True:
        bits, weight_bits = (int(rng.choice((4, 8) if packed else (4, *BITS))) for _ in range(2))
        m, n = int(rng.integers(1, 40)), int(rng.integers(1, 70))
        out_vec, columns = beats(rng, 8), beats(rng, 16)
        rows = out_vec * int(rng.integers(1, 4))
        split = banks(rng, rows * columns)
        cfg = model.Dense(
            m=m,
            n=n,
            in_bits=bits,
            weight_bits=weight_bits,
            bias_bits=int(rng.integers(8, 31)),
            out_shift=weight_bits - int(rng.integers(0, 4)),
            in_vec=beats(rng, columns),
            out_vec=out_vec,
            rows=rows,
            columns=columns,
            rom_banks=split,
            rom_lanes=rows * columns // split,
            fabric_rows=2 * int(rng.integers(rows // 2 + 1)) if number % 2 else 0,
            packed=int(packed),
            **ending(number, bits + weight_bits, rng),
        )
        if cfg.legal and rows * columns <= 64:
            break
    low, high = limits(weight_bits)
    w = rng.integers(low, high + 1, (m, n)) if number % 3 else np.full((m, n), low)
    return Case(cfg, (vectors(rng, n, bits),), w, rng.integers(*limits(cfg.bias_bits), m))


def scale_case(number: int, rng: np.random.Generator) -> Case:
    bits, weight_bits, n, vec = int(rng.choice(BITS)), int(rng.choice(BITS)), int(rng.integers(1, 40)), beats(rng, 16)
    split = banks(rng, vec)
    cfg = model.Scale(
        n=n,
        in_bits=bits,
        weight_bits=weight_bits,
        bias_bits=int(rng.integers(8, 31)),
        out_shift=weight_bits - int(rng.integers(0, 4)),
        in_vec=vec,
        out_vec=vec,
        rom_banks=split,
        rom_lanes=vec // split,
        **ending(number, bits + weight_bits, rng),
    )
    low, high = limits(weight_bits)
    gains = rng.integers(low, high + 1, n) if number % 3 else np.full(n, low)
    return Case(cfg, (vectors(rng, n, bits),), gains, rng.integers(*limits(cfg.bias_bits), n))


def prelu_case(number: int, rng: np.random.Generator) -> Case:
    bits, weight_bits, n, vec = int(rng.choice(BITS)), int(rng.choice(BITS)), int(rng.integers(1, 40)), beats(rng, 16)
    split, frac = banks(rng, vec), int(rng.choice([0, 3, weight_bits + 4]))
    shift = frac + int(rng.integers(0, 3))
    cfg = model.Prelu(n, bits, weight_bits, frac, int(rng.choice(BITS)), shift, vec, split, vec // split)
    return Case(cfg, (vectors(rng, n, bits),), rng.integers(*limits(weight_bits), n))


def add_case(number: int, rng: np.random.Generator) -> Case:
    a, b, n = int(rng.choice(BITS)), int(rng.choice(BITS)), int(rng.integers(1, 40))
    shifts = [int(rng.choice([0, 1, 5, 17])), 0]
    rng.shuffle(shifts)
    width = max(a + shifts[0], b + shifts[1])
    cfg = model.Add(
        n=n,
        a_bits=a,
        b_bits=b,
        a_shift=shifts[0],
        b_shift=shifts[1],
        out_shift=int(rng.integers(-2, 8)),
        vec=beats(rng, 16),
        **ending(number, width, rng),
    )
    second = vectors(rng, n, b)
    return Case(cfg, (vectors(rng, n, a), second if number % 2 else second[[0, 1, 3, 2, 4, 6, 5]]))


def concat_case(inputs: int, rng: np.random.Generator) -> Case:
    vec = beats(rng, 8)
    channels = [vec * int(rng.integers(1, 4)) for _ in range(inputs - 1)] + [int(rng.integers(1, 20))]
    bits = [int(rng.choice([4, *BITS])) for _ in range(inputs)]
    shifts = [int(rng.choice([-40, -3, 0, 2, 9, 40])) for _ in range(inputs)]
    cfg = model.Concat(vec, int(rng.choice(BITS)), tuple(channels), tuple(bits), tuple(shifts))
    return Case(cfg, tuple(vectors(rng, n, b) for n, b in zip(channels, bits, strict=True)))


def all_cases() -> list[Case]:
    """Every block size with every width and both scalings, packed pairs, then every other kind."""
    rng = np.random.default_rng(20261136)
    out: list[Case] = []
    for k in (2, 4, 8, 16, 32, 64, 128, 256):
        for i, bits in enumerate(BITS):
            # Growing spectra as long as they fit a DSP port; the other half of the cases scaled.
            scaled = (i + model.clog2(k)) % 2 == 0 or bits + model.clog2(k) > 25
            out.append(circulant_case(len(out), k, bits, scaled=scaled and k > 2, packed=False, rng=rng))
    for k, bits in ((2, 4), (8, 4), (16, 5), (32, 4), (64, 6)):
        out.append(circulant_case(len(out), k, bits, scaled=False, packed=True, rng=rng))
    out += [dense_case(i, rng, packed=i >= 8) for i in range(11)]
    out += [scale_case(i, rng) for i in range(7)]
    out += [add_case(i, rng) for i in range(5)]
    out += [prelu_case(i, rng) for i in range(4)]
    out += [concat_case(inputs, rng) for inputs in (1, 2, 3, 8)]
    for n, bits, ahead, behind in ((13, 8, 1, 4), (16, 18, 2, 16), (37, 12, 8, 2), (5, 16, 16, 1), (9, 4, 4, 4)):
        out.append(Case(model.Width(n, bits, ahead, behind), (vectors(rng, n, bits),)))
    for n, bits, vec, copies in ((13, 12, 4, 2), (7, 18, 1, 3)):
        out.append(Case(model.Fork(n, bits, vec, copies), (vectors(rng, n, bits),)))
    return out


def rom_text(values: Any) -> str:
    return "{" + ",".join(map(rom_text, values)) + "}" if isinstance(values, list) else str(values)


def activation(name: str, given: Policy) -> tuple[list[str], str]:
    """C++ declarations that an activation needs, and its type."""
    if given.kind == "clip":
        return [], f"clip<{', '.join(str(value) for _, value in given.numbers)}>"
    if not given.numbers:
        return [], given.kind
    ints = ", ".join(f"{key} = {value}" for key, value in given.numbers)
    tables = ""
    for table, values in (("start", given.starts), ("rise", given.rises)):
        if values:
            element = f"swm::int_t<{dict(given.numbers)[f'{table}_bits']}>"
            rom = f"static const {element} rom[{len(values)}] = {rom_text(list(values))};"
            tables += f" static {element} {table}(int i) {{ {rom} return rom[i]; }}"
    return [f"struct {name} {{ static constexpr int {ints};{tables} }};"], f"{given.kind}<{name}>"


def pieces(number: int, case: Case) -> tuple[list[str], str]:
    """C++ declarations of a layer, and the call that runs it."""
    cfg, name, tokens = case.cfg, f"layer{number}", case.tokens
    fields = {"tick": number * TICKS, **dataclasses.asdict(cfg)}
    types, structs = [], []
    if fields.pop("activation", None):
        structs, policy_type = activation(f"{name}_activation", cfg.activation)
        types = [f"typedef swm::{policy_type} activation;"]
    lists = {key: fields.pop(key) for key, value in list(fields.items()) if isinstance(value, tuple)}
    types += [f"typedef swm::ints<{', '.join(map(str, values))}> {key};" for key, values in lists.items()]
    ints = ", ".join(f"{key} = {value}" for key, value in fields.items())
    parts = [*structs, f"struct {name} {{ static constexpr int {ints}; {' '.join(types)} }};"]
    if case.kind == "add":
        return parts, f"run_add<{name}>({tokens});"
    if case.kind == "concat":
        return parts, f"run_concat<{name}>({tokens}, {{{', '.join(map(str, cfg.channels))}}});"
    if case.kind == "fork":
        return parts, f"run_fork<{name}>({tokens});"
    traits = "circulant" if case.kind == "circulant" else f"{case.kind}_layer"
    parts.append(f"typedef swm::{traits}<{name}> {name}_traits;")
    roms = ""
    if case.weights is not None:
        rom = getattr(model, f"{case.kind}_rom")(cfg, case.weights)
        # The sizes are the model's: a kernel that expects others does not compile or reads beyond (sanitiser).
        parts.append(f'static_assert({name}_traits::rom_depth == {rom.shape[1]}, "");')
        shape = "".join(f"[{size}]" for size in rom.shape)
        parts.append(f"const {name}_traits::weight_t {name}_weights{shape} = {rom_text(rom.tolist())};")
        roms = f", {name}_weights"
    if case.bias is not None:
        bias = np.pad(case.bias, (0, -len(case.bias) % cfg.out_vec)).tolist()
        parts.append(f"const {name}_traits::bias_t {name}_bias[{len(bias)}] = {rom_text(bias)};")
        roms += f", {name}_bias"
    if case.kind == "circulant":
        return parts, f"run_circulant<{name}>({name}_weights, {name}_bias, {tokens});"
    run = f"[](int tokens, auto& in, auto& out) {{ swm::{case.kind}<{name}>(tokens{roms}, in, out); }}"
    vec = fields.get("vec", 0)
    sizes = f"{fields['n']}, {vec or fields['in_vec']}, {name}_traits::out_beats, {vec or fields['out_vec']}"
    return parts, f"run_simple<{name}_traits, {name}::tick, {sizes}>({tokens}, {run});"


def render(cases: list[tuple[int, Case]]) -> str:
    """A C++ file that runs some numbered cases."""
    parts, calls = ["// SPDX-License-Identifier: Apache-2.0", '#include "driver.h"', "namespace net {"], []
    for number, case in cases:
        declarations, call = pieces(number, case)
        parts += declarations
        calls.append(call)
    parts += ["}  // namespace net", "using namespace net;", "int main() {", *calls, "return 0;", "}", ""]
    return "\n".join(parts)


def stdin(cases: list[tuple[int, Case]]) -> str:
    return "\n".join(" ".join(map(str, row)) for _, case in cases for x in case.x for row in x.tolist())
