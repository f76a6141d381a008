// SPDX-License-Identifier: Apache-2.0
// Roundings and activations of the fixed-point network (docs/arithmetic.md section 5) on the 64-bit integers that numpy
// holds. Every expression is the one of swm/layers/ on int64; what would overflow there overflows here the same way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

extern "C" {

// An activation (swm/layers/curves.py), as swm/accelerator/compiled_curves.py fills it; 0 for all that it has not.
struct SwmCurve {
    std::int64_t activation;  // 0 identity, 1 relu, 2 clip, 3 ramp, 4 leaky, 5 table, 6 steps
    std::int64_t plain_shift, input_shift, input_bits, out_shift, low, high, slope;
    std::int64_t offset;  // at the binary point of the product
    std::int64_t first, last, step_bits, lines, rectified, base_shift, width, width_shift;
    const std::int64_t *starts, *rises;
};

}  // extern "C"

namespace {

using std::int64_t;
using std::ptrdiff_t;

inline int64_t left(int64_t v, int64_t shift) { return int64_t(std::uint64_t(v) << shift); }

inline int64_t round_shift(int64_t v, int64_t shift) {
    if (shift > 62) return 0;
    return shift > 0 ? (v + (int64_t(1) << (shift - 1))) >> shift : left(v, -shift);
}

inline int64_t clip(int64_t v, int64_t low, int64_t high) { return std::min(std::max(v, low), high); }

inline int64_t saturated(int64_t v, int64_t bits) {
    const int64_t top = int64_t(1) << (bits - 1);
    return clip(v, -top, top - 1);
}

enum { IDENTITY, RELU, CLIP, RAMP, LEAKY, TABLE, STEPS };  // `activation` of a curve (swm/layers/curves.py)

inline int64_t narrowed(const SwmCurve& l, int64_t v) {
    return saturated(round_shift(v, l.input_shift), l.input_bits);
}

inline int64_t ramp(const SwmCurve& l, int64_t v) {
    return clip(round_shift(narrowed(l, v) * l.slope + l.offset, l.out_shift), l.low, l.high);
}

inline int64_t looked_up(const SwmCurve& l, int64_t z) {
    const int64_t at = clip(z, l.first, l.last) - l.first, i = at >> l.step_bits;
    int64_t value = l.starts[i];
    if (l.lines) value = left(value, l.step_bits) + l.rises[i] * (at & ((int64_t(1) << l.step_bits) - 1));
    return l.rectified ? value + left(std::max<int64_t>(z, 0), l.base_shift) : value;
}

// Calls run(word) with what takes a sum to its word, not yet saturated.
template <class Run>
inline auto with_word(const SwmCurve& l, const Run& run) {
    const int64_t shift = l.plain_shift;
    switch (l.activation) {
        case RELU: return run([=](int64_t v) { return round_shift(std::max<int64_t>(v, 0), shift); });
        case CLIP: return run([=, &l](int64_t v) { return clip(round_shift(v, shift), l.low, l.high); });
        case RAMP: return run([&](int64_t v) { return ramp(l, v); });
        case LEAKY: return run([=, &l](int64_t v) { return v < 0 ? ramp(l, v) : round_shift(v, shift); });
        case TABLE: return run([&](int64_t v) { return round_shift(looked_up(l, narrowed(l, v)), l.out_shift); });
        case STEPS: return run([&](int64_t v) { return round_shift(ramp(l, v) * l.width, l.width_shift); });
        default: return run([=](int64_t v) { return round_shift(v, shift); });
    }
}

}  // namespace
