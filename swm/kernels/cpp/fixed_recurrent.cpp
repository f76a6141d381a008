// SPDX-License-Identifier: Apache-2.0
// An LSTM, GRU or RNN of the fixed-point network (docs/arithmetic.md section 8), bit for bit: all steps of many sequences.
//
// Its products are layers of fixed.cpp, whose function comes as a pointer: rows gate after gate over the columns [x; h], and
// of the second phase over [x; middle] (a GRU that resets first) or [middle] (a projection). What is between them, cell by
// cell, runs on the 64-bit integers that numpy holds.
//
// Lanes hold sequences: [tile][value][lanes], as fixed.cpp has them.

#include "fixed_words.h"

extern "C" {

typedef void (*SwmProduct)(const void* layer, const double* x, double* y, int64_t samples, double* work, int64_t* lost);

struct SwmRecurrent {
    int64_t cell;  // 0 RNN, 1 LSTM, 2 GRU that resets before the product, 3 GRU that resets after it
    int64_t n, hidden, m, steps, last_only, lanes;
    int64_t x_columns, h_columns, middle_columns;  // padded to blocks; the last is 0 without a second phase
    int64_t bits, state_bits, value_bits, bound, peephole;
    int64_t peephole_shift, state_shift, kept_shift, new_shift, unit_shift, result_shift, inner_shift, reset_shift;
    SwmCurve f, g, h;
    const int64_t *peepholes, *initial;  // 3 x hidden; hidden, or null
    SwmProduct product;
    const void *first, *first_second;  // layers of step 0
    const void *rest, *rest_second;    // of all others
};

}  // extern "C"

namespace {

enum { RNN, LSTM, GRU, GRU_AFTER };

inline int64_t activated(const SwmCurve& c, int64_t v, int64_t bits) {
    return saturated(with_word(c, [=](const auto& word) { return word(v); }), bits);
}

struct Run {
    const SwmRecurrent& r;
    int64_t* lost;  // of sums, states, outputs
    const int64_t top = int64_t(1) << (r.bits - 1), state_top = int64_t(1) << (r.state_bits - 1);

    int64_t bounded(int64_t v) const { return r.bound >= 0 ? clip(v, -r.bound, r.bound) : v; }
    int64_t f(int64_t v) const { return activated(r.f, bounded(v), r.bits); }
    int64_t g(int64_t v) const { return activated(r.g, bounded(v), r.bits); }
    int64_t seen(int64_t place, int64_t j, int64_t c) const {
        if (!r.peephole) return 0;
        return saturated(round_shift(r.peepholes[place * r.hidden + j] * c, r.peephole_shift), r.value_bits);
    }
    int64_t result(int64_t product, bool counts) const {
        const int64_t v = round_shift(product, r.result_shift), cut = clip(v, -top, top - 1);
        lost[2] += counts && v != cut;
        return cut;
    }
    int64_t kept(int64_t v, bool counts) const {
        const int64_t cut = clip(v, -state_top, state_top - 1);
        lost[1] += counts && v != cut;
        return cut;
    }
    int64_t blend(int64_t z, int64_t n, int64_t& s, bool counts) const {
        const int64_t fresh = left(n, r.new_shift), old = left(s, r.kept_shift);
        s = kept(round_shift(left(fresh, r.unit_shift) + z * (old - fresh), r.state_shift), counts);
        return result(s, counts);
    }

    // Cell j of a sequence: v are its sums. Gives the new output, or what the second phase reads.
    int64_t step(int64_t j, const int64_t* v, int64_t& c, int64_t& z, bool counts) const {
        if (r.cell == RNN) return f(v[0]);
        if (r.cell == LSTM) {
            const int64_t forget = f(v[2] + seen(2, j, c)), in = f(v[0] + seen(0, j, c));
            const int64_t sum = left(forget * c, r.kept_shift) + left(in * g(v[3]), r.new_shift);
            c = kept(round_shift(sum, r.state_shift), counts);
            return result(f(v[1] + seen(1, j, c)) * activated(r.h, c, r.bits), counts);
        }
        z = f(v[0]);
        const int64_t reset = f(v[1]);
        if (r.cell == GRU) return saturated(round_shift(reset * c, r.reset_shift), r.bits);
        const int64_t inner = saturated(round_shift(v[2], r.inner_shift), r.state_bits);
        return blend(z, g(v[3] + round_shift(reset * inner, r.reset_shift)), c, counts);
    }
};

}  // namespace

extern "C" {

// Doubles of scratch memory, and of states, for one call.
int64_t swm_fixed_recurrent_size(const SwmRecurrent* l, int64_t sequences) {
    const SwmRecurrent& r = *l;
    const int64_t tiles = (sequences + r.lanes - 1) / r.lanes;
    return tiles * r.lanes * (2 * r.x_columns + r.h_columns + r.middle_columns + 4 * r.hidden + std::max(r.hidden, r.m));
}

// x (sequences, steps, n) → y (sequences, steps or 1, m); lost: saturated sums, states, outputs. `h0` (sequences, m) and `c0`
// (sequences, hidden) are what each sequence begins with, or null. `lanes` and `work` are aligned as fixed.cpp wants them;
// `states` has 2 * hidden numbers a lane.
void swm_fixed_recurrent(const SwmRecurrent* l, const int64_t* x, const int64_t* h0, const int64_t* c0, int64_t sequences,
                         double* lanes, double* work, int64_t* states, int64_t* y, int64_t* lost) {
    const SwmRecurrent& r = *l;
    const int64_t L = r.lanes, tiles = (sequences + L - 1) / L, whole = tiles * L;
    const int64_t rows = r.cell == RNN ? 1 : r.cell == GRU ? 2 : 4, columns = r.x_columns + r.h_columns;
    const bool resets = r.cell == GRU, two = r.middle_columns > 0;
    const int64_t second_columns = resets ? r.x_columns + r.middle_columns : r.middle_columns;
    double *const in = lanes, *const middle = in + whole * columns, *const sums = middle + whole * second_columns;
    double* const found = sums + whole * rows * r.hidden;
    std::fill(lanes, sums, 0.0);
    const Run run{r, lost};
    int64_t *const cells = states, *const updates = states + whole * r.hidden;
    for (int64_t t = 0; t < tiles; ++t)
        for (int64_t j = 0; j < r.hidden; ++j)
            std::fill_n(cells + (t * r.hidden + j) * L, L, r.initial ? r.initial[j] : 0);
    for (int64_t s = 0; h0 && s < sequences; ++s) {
        for (int64_t j = 0; j < r.m; ++j) in[(s / L * columns + r.x_columns + j) * L + s % L] = double(h0[s * r.m + j]);
        for (int64_t j = 0; j < r.hidden; ++j) cells[(s / L * r.hidden + j) * L + s % L] = c0[s * r.hidden + j];
    }
    int64_t lost_in[2] = {0, 0};
    for (int64_t step = 0; step < r.steps; ++step) {
        for (int64_t s = 0; s < sequences; ++s) {
            const int64_t* const from = x + (s * r.steps + step) * r.n;
            double* const to = in + s / L * columns * L + s % L;
            double* const again = middle + s / L * second_columns * L + s % L;
            for (int64_t c = 0; c < r.n; ++c) to[c * L] = double(from[c]);
            if (resets)
                for (int64_t c = 0; c < r.n; ++c) again[c * L] = double(from[c]);
        }
        r.product(step ? r.rest : r.first, in, sums, sequences, work, lost_in);
        for (int64_t t = 0; t < tiles; ++t) {
            const int64_t here = std::min(L, sequences - t * L);
            double* const to = two ? middle + (t * second_columns + (resets ? r.x_columns : 0)) * L : in + (t * columns + r.x_columns) * L;
            for (int64_t j = 0; j < r.hidden; ++j)
                for (int64_t i = 0; i < here; ++i) {
                    int64_t v[4] = {0, 0, 0, 0};
                    for (int64_t g = 0; g < rows; ++g) v[g] = int64_t(sums[(t * rows * r.hidden + g * r.hidden + j) * L + i]);
                    const int64_t at = (t * r.hidden + j) * L + i;
                    to[j * L + i] = double(run.step(j, v, cells[at], updates[at], true));
                }
        }
        if (two) {
            int64_t lost_second[2] = {0, 0};
            r.product(step ? r.rest_second : r.first_second, middle, found, sequences, work, lost_second);
            lost[0] += lost_second[0];
            if (!resets) lost[2] += lost_second[1];
            const int64_t count = resets ? r.hidden : r.m;
            for (int64_t t = 0; t < tiles; ++t)
                for (int64_t j = 0; j < count; ++j)
                    for (int64_t i = 0; i < std::min(L, sequences - t * L); ++i) {
                        const int64_t at = (t * r.hidden + j) * L + i;
                        int64_t v = int64_t(found[(t * count + j) * L + i]);
                        if (resets) v = run.blend(updates[at], run.g(v), cells[at], true);
                        in[(t * columns + r.x_columns + j) * L + i] = double(v);
                    }
        }
        if (r.last_only && step + 1 < r.steps) continue;
        for (int64_t s = 0; s < sequences; ++s) {
            int64_t* const to = y + (r.last_only ? s : s * r.steps + step) * r.m;
            const double* const from = in + (s / L * columns + r.x_columns) * L + s % L;
            for (int64_t j = 0; j < r.m; ++j) to[j] = int64_t(from[j * L]);
        }
    }
    lost[0] += lost_in[0];
}

}  // extern "C"
