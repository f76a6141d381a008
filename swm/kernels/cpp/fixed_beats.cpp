// SPDX-License-Identifier: Apache-2.0
// Layers of the fixed-point network that need no transform (docs/arithmetic.md section 6), bit for bit, on the 64-bit integers
// that numpy holds: add, concat, prelu, normalisations, pooling, softmax, offset, rotations, products of two streams, and the end of
// every layer (section 5).

#include <limits>
#include <vector>

#include "fixed_words.h"

extern "C" {

struct SwmBeats {
    int64_t kind;  // as the enumeration below
    int64_t m, inputs, out_bits;
    int64_t frac;                               // prelu: of the slopes; normalisation: of z; softmax: of a quotient
    int64_t table_frac, table_step, table_guard;  // of roots or reciprocals; 0 where a softmax divides
    int64_t centred, epsilon;                   // normalisation: whether a mean is taken off
    int64_t power_bits;                         // softmax
    int64_t positions, outputs, taps;           // of a frame that comes, of one that leaves, and of a window; softmax,
                                                // rotation: tokens that share a row of the mask or table
    int64_t before;                             // offset: positions that leave before the first that comes; rotation: how far
                                                // the channels of a pair lie apart
    int64_t held;                               // hadamard: whether a frame has one token of factors; softmax, rotation: rows of it
    int64_t heads, heads_inside, stored_inside, along_inner, shared;  // product, see swm/layers/matmul/spec.py
    int64_t channels[8], shifts[8];             // of each input; offset: of the input and of the table
    SwmCurve end, power;                        // of the layer's end; of the powers of a softmax
    const int64_t *weights, *bias, *table_starts, *table_rises, *factors;
    const std::int32_t* index;  // [output][tap]: the position that a window sees, -1: none
};

}  // extern "C"

namespace {

enum { ADD, CONCAT, PRELU, NORMALIZE, GREATEST, SUM, SOFTMAX, OFFSET, MATMUL, HADAMARD, ROTARY };

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
    return with_word(l.end, [&](const auto& word) { return each(row, l.m, l.out_bits, word); });
}

// A line of the table of roots or reciprocals, at an integer from 2^table_frac on.
inline int64_t from_table(const SwmBeats& l, int64_t m) {
    const int64_t at = m - (int64_t(1) << l.table_frac), i = at >> l.table_step;
    const int64_t line = left(l.table_starts[i], l.table_step) + l.table_rises[i] * (at & ((int64_t(1) << l.table_step) - 1));
    return round_shift(line, l.table_step + l.table_guard);
}

// Which power of two is the largest that is not above v.
inline int64_t magnitude(int64_t v) { return 63 - __builtin_clzll(std::uint64_t(v)); }

void normalize(const SwmBeats& l, const int64_t* x, int64_t* row) {
    const ptrdiff_t n = l.m;
    int64_t total = 0, squares = 0;
    for (ptrdiff_t c = 0; c < n; ++c) total += x[c], squares += x[c] * x[c];
    if (!l.centred) total = 0;
    const int64_t spread = n * squares - total * total + l.epsilon;
    const int64_t half = magnitude(std::max<int64_t>(spread, 1)) / 2, down = 2 * half - l.table_frac;
    const int64_t root = from_table(l, down >= 0 ? spread >> down : left(spread, -down)), nudge = (int64_t(1) << half) >> 1;
    for (ptrdiff_t c = 0; c < n; ++c) {
        const int64_t narrow = (left(n * x[c] - total, l.frac) + nudge) >> half;
        row[c] = round_shift(narrow * root, l.table_frac) * l.weights[c] + l.bias[c];
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

// Token `place` of all; what its row of the mask hides, where there is one, has no power.
void soften(const SwmBeats& l, const int64_t* x, ptrdiff_t place, int64_t* row) {
    const int64_t* const hidden = l.weights ? l.weights + place / l.taps % l.held * l.m : nullptr;
    const int64_t highest = (int64_t(1) << (l.power_bits - 1)) - 1;
    int64_t top = std::numeric_limits<int64_t>::min();
    for (ptrdiff_t c = 0; c < l.m; ++c)
        if (!hidden || !hidden[c]) top = std::max(top, x[c]);
    const int64_t total = with_word(l.power, [&](const auto& word) {
        int64_t sum = 0;
        for (ptrdiff_t c = 0; c < l.m; ++c) sum += row[c] = hidden && hidden[c] ? 0 : clip(word(x[c] - top), 0, highest);
        return sum;
    });
    if (!l.table_frac) {
        for (ptrdiff_t c = 0; c < l.m; ++c) row[c] = (left(row[c], l.frac) + (total >> 1)) / total;
        return;
    }
    const int64_t length = magnitude(total), cut = length - l.table_frac, down = l.table_frac + length - l.frac;
    const int64_t factor = from_table(l, cut >= 0 ? total >> cut : left(total, -cut)), half = (int64_t(1) << down) >> 1;
    for (ptrdiff_t c = 0; c < l.m; ++c) row[c] = (row[c] * factor + half) >> down;
}

// Token `place` of a frame that leaves.
void add_table(const SwmBeats& l, const int64_t* frame, ptrdiff_t place, int64_t* row) {
    const int64_t* const table = l.weights + place * l.m;
    for (ptrdiff_t c = 0; c < l.m; ++c) row[c] = left(table[c], l.shifts[1]);
    if (place < l.before || place >= l.before + l.positions) return;
    const int64_t* const x = frame + (place - l.before) * l.m;
    for (ptrdiff_t c = 0; c < l.m; ++c) row[c] += left(x[c], l.shifts[0]);
}

// Token `s`: its channels times cosines, plus their partners times sines.
void turn(const SwmBeats& l, const int64_t* x, ptrdiff_t s, int64_t* row) {
    const ptrdiff_t at = s / l.taps % l.held * l.m;
    for (ptrdiff_t c = 0; c < l.m; ++c) {
        const ptrdiff_t partner = c / l.before % 2 ? c - l.before : c + l.before;
        row[c] = x[c] * l.weights[at + c] + x[partner] * l.bias[at + c];
    }
}

// Products of the tokens of a frame with a second operand. Sums stay below 2^53, so float64 has no rounding.
class Products {
  public:
    explicit Products(const SwmBeats& l)
        : l_(l),
          inner_(l.kind == MATMUL ? l.channels[0] : 0),
          heads_(l.kind == MATMUL ? l.heads / l.shared : 0),
          stored_(std::size_t(heads_ * inner_ * l.m)),
          sums_(std::size_t(l.m)) {}

    // The lines of B of a frame of all → [head][inner][m]
    void store(const int64_t* b, ptrdiff_t frame) {
        const ptrdiff_t words = l_.channels[1], lines = l_.along_inner ? l_.m : inner_;
        b += frame * lines * heads_ * words;
        for (ptrdiff_t at = 0; at < lines * heads_; ++at, b += words) {
            const ptrdiff_t head = l_.stored_inside ? at % heads_ : at / lines;
            const ptrdiff_t line = l_.stored_inside ? at / heads_ : at % lines;
            double* const to = stored_.data() + head * inner_ * l_.m + (l_.along_inner ? line : line * l_.m);
            for (ptrdiff_t i = 0; i < words; ++i) to[l_.along_inner ? i * l_.m : i] = double(b[i]);
        }
    }

    // Token `place` of A times the matrix of its head.
    void multiply(const int64_t* x, ptrdiff_t place, int64_t* row) {
        const ptrdiff_t head = l_.heads_inside ? place % l_.heads : place / (l_.positions / l_.heads);
        const double* b = stored_.data() + head / l_.shared * inner_ * l_.m;
        double* const sums = sums_.data();
        std::fill(sums, sums + l_.m, 0.0);
        for (ptrdiff_t k = 0; k < inner_; ++k, b += l_.m) {
            const double a = double(x[k]);
            for (ptrdiff_t c = 0; c < l_.m; ++c) sums[c] += a * b[c];
        }
        for (ptrdiff_t c = 0; c < l_.m; ++c) row[c] = int64_t(sums[c]);
    }

  private:
    const SwmBeats& l_;
    const ptrdiff_t inner_, heads_;  // of what is stored
    std::vector<double> stored_, sums_;
};

}  // namespace

// Inputs (tokens, channels of each) → y (tokens, m); gives how many values saturate.
extern "C" std::int64_t swm_fixed_beats(const SwmBeats* layer, const std::int64_t* const* inputs, std::int64_t tokens, std::int64_t* y) {
    const SwmBeats& l = *layer;
    Products products(l);
    int64_t lost = 0;
    for (ptrdiff_t s = 0; s < tokens; ++s, y += l.m) {
        const ptrdiff_t frame = s / l.outputs, place = s % l.outputs;
        const int64_t *const x = inputs[0] + s * l.channels[0], *const whole = inputs[0] + frame * l.positions * l.channels[0];
        switch (l.kind) {
            case ADD: {
                const int64_t* const b = inputs[1] + s * l.channels[1];
                for (ptrdiff_t c = 0; c < l.m; ++c) y[c] = left(x[c], l.shifts[0]) + left(b[c], l.shifts[1]);
                break;
            }
            case HADAMARD: {
                const int64_t* const b = inputs[1] + (l.held ? frame : s) * l.m;
                for (ptrdiff_t c = 0; c < l.m; ++c) y[c] = x[c] * b[c];
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
            case NORMALIZE: normalize(l, x, y); break;
            case SOFTMAX: soften(l, x, s, y); break;
            case ROTARY: turn(l, x, s, y); break;
            case OFFSET: add_table(l, whole, place, y); break;
            case MATMUL:
                if (place == 0) products.store(inputs[1], frame);
                products.multiply(x, place, y);
                break;
            default: pool(l, whole, place, y);
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
