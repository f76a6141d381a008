// SPDX-License-Identifier: Apache-2.0
// Layers of the fixed-point network that take a value or two an output (docs/arithmetic.md section 6), bit for bit, on the
// 64-bit integers that numpy holds: add, concat, prelu, layer normalisation, pooling, and the end of every layer (section 5).

#include "fixed_words.h"

extern "C" {

struct SwmBeats {
    int64_t kind;  // 0 add, 1 concat, 2 prelu, 3 layer normalisation, 4 greatest value of a window, 5 sum of a window
    int64_t m, inputs;
    int64_t activation;  // 0 identity, 1 relu, 2 clip, 3 ramp, 4 leaky, 5 table, 6 steps (swm/layers/curves.py)
    int64_t plain_shift, out_bits;
    int64_t input_shift, input_bits, out_shift;  // what follows is 0 where the activation has none
    int64_t low, high, slope, offset;            // the offset at the binary point of the product
    int64_t first, last, step_bits, lines, rectified, base_shift, width, width_shift;
    int64_t frac, epsilon, root_frac, root_step, root_guard;  // prelu: frac of the slopes; normalisation: of z, and its table
    int64_t positions, outputs, taps;                         // of a frame, and of a window
    int64_t channels[8], shifts[8];                           // of each input
    const int64_t *weights, *bias, *starts, *rises, *root_starts, *root_rises, *factors;
    const std::int32_t* index;  // [output][tap]: the position that a window sees, -1: none
};

}  // extern "C"

namespace {

enum { ADD, CONCAT, PRELU, LAYERNORM, GREATEST, SUM };

template <class Word>
inline int64_t each(int64_t* row, ptrdiff_t m, int64_t bits, const Word& word) {
    const int64_t top = int64_t(1) << (bits - 1);
    int64_t lost = 0;
    for (ptrdiff_t c = 0; c < m; ++c) {
        const int64_t v = word(row[c]), cut = clip(v, -top, top - 1);
        lost += v != cut;
        row[c] = cut;
    }
    return lost;
}

// Activation, one rounding, saturation of a token's sums, in place; how many saturate.
int64_t finish(const SwmBeats& l, int64_t* row) {
    return with_word(l, [&](const auto& word) { return each(row, l.m, l.out_bits, word); });
}

void normalize(const SwmBeats& l, const int64_t* x, int64_t* row) {
    const ptrdiff_t n = l.m;
    int64_t total = 0, squares = 0;
    for (ptrdiff_t c = 0; c < n; ++c) total += x[c], squares += x[c] * x[c];
    const int64_t spread = n * squares - total * total + l.epsilon;
    const int64_t half = (64 - __builtin_clzll(std::uint64_t(std::max<int64_t>(spread, 1))) + 1) / 2 - 1;
    const int64_t down = 2 * half - l.root_frac;
    const int64_t mantissa = down >= 0 ? spread >> down : left(spread, -down);
    const int64_t at = mantissa - (int64_t(1) << l.root_frac), i = at >> l.root_step;
    const int64_t line = left(l.root_starts[i], l.root_step) + l.root_rises[i] * (at & ((int64_t(1) << l.root_step) - 1));
    const int64_t root = round_shift(line, l.root_step + l.root_guard), nudge = (int64_t(1) << half) >> 1;
    for (ptrdiff_t c = 0; c < n; ++c) {
        const int64_t narrow = (left(n * x[c] - total, l.frac) + nudge) >> half;
        row[c] = round_shift(narrow * root, l.root_frac) * l.weights[c] + l.bias[c];
    }
}

// What a window sees of its frame: the greatest value, or the sum times a factor of the output.
void pool(const SwmBeats& l, const int64_t* frame, ptrdiff_t output, int64_t* row) {
    const bool sum = l.kind == SUM;
    std::fill(row, row + l.m, sum ? 0 : -(int64_t(1) << 62));
    for (ptrdiff_t t = 0; t < l.taps; ++t) {
        const std::int32_t at = l.index[output * l.taps + t];
        if (at < 0) continue;
        const int64_t* const x = frame + at * l.m;
        if (sum) {
            for (ptrdiff_t c = 0; c < l.m; ++c) row[c] += x[c];
        } else {
            for (ptrdiff_t c = 0; c < l.m; ++c) row[c] = std::max(row[c], x[c]);
        }
    }
    if (sum)
        for (ptrdiff_t c = 0; c < l.m; ++c) row[c] *= l.factors[output];
}

}  // namespace

// Inputs (tokens, channels of each) → y (tokens, m); gives how many values saturate.
extern "C" std::int64_t swm_fixed_beats(const SwmBeats* layer, const std::int64_t* const* inputs, std::int64_t tokens, std::int64_t* y) {
    const SwmBeats& l = *layer;
    int64_t lost = 0;
    for (ptrdiff_t s = 0; s < tokens; ++s, y += l.m) {
        const int64_t* const x = inputs[0] + (l.taps > 0 ? s / l.outputs * l.positions : s) * l.channels[0];
        switch (l.kind) {
            case ADD: {
                const int64_t* const b = inputs[1] + s * l.channels[1];
                for (ptrdiff_t c = 0; c < l.m; ++c) y[c] = left(x[c], l.shifts[0]) + left(b[c], l.shifts[1]);
                break;
            }
            case CONCAT: {
                int64_t* to = y;
                for (ptrdiff_t i = 0; i < l.inputs; ++i)
                    for (ptrdiff_t c = 0; c < l.channels[i]; ++c) *to++ = round_shift(inputs[i][s * l.channels[i] + c], l.shifts[i]);
                break;
            }
            case PRELU:
                for (ptrdiff_t c = 0; c < l.m; ++c) y[c] = x[c] < 0 ? x[c] * l.weights[c] : left(x[c], l.frac);
                break;
            case LAYERNORM: normalize(l, x, y); break;
            default: pool(l, x, s % l.outputs, y);
        }
        lost += finish(l, y);
    }
    return lost;
}

// Frames of `from` runs of `width` values → frames of `to` runs: run o is run index[o] of its frame, -1: all `fill`.
extern "C" void swm_fixed_moved(const std::int64_t* x, std::int64_t frames, std::int64_t from, const std::int32_t* index, std::int64_t to,
                                std::int64_t width, std::int64_t fill, std::int64_t* y) {
    for (ptrdiff_t s = 0; s < frames; ++s, x += from * width) {
        if (width == 1) {
            for (ptrdiff_t o = 0; o < to; ++o) *y++ = index[o] < 0 ? fill : x[index[o]];
            continue;
        }
        for (ptrdiff_t o = 0; o < to; ++o, y += width) {
            if (index[o] < 0) {
                std::fill_n(y, width, fill);
            } else {
                std::copy_n(x + index[o] * width, width, y);
            }
        }
    }
}
