// SPDX-License-Identifier: Apache-2.0
// LSTM, GRU and RNN over time with a block-circulant recurrent matrix, in float32, for one block size, SWM_K.
//
// W x is computed beforehand for all steps.
// A step is one product with R (for a GRU that resets before its product, two parts of R one after the other) and one
// pass over the cells, samples in turn, cells in vector lanes. ONNX's equations and order of gates: LSTM i, o, f, c;
// GRU z, r, h.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "gates.h"
#include "product.h"

extern "C" {

struct SwmCell {
    std::int64_t kind;  // 0 LSTM, 1 GRU, 2 RNN
    std::int64_t hidden;
    std::int64_t linear_before_reset, input_forget;
    std::int64_t finite;  // whether all of R is, so that R 0 = 0
    Activation f, g, h;
    float clip;              // infinite for none
    const float* bias;       // (gates * hidden), all that is added before a gate's function
    const float* rest_bias;  // GRU with linear_before_reset: the bias of R's gate h, (hidden), not in `bias`; else null
    const float* peepholes;  // LSTM: i, o, f, (3 * hidden), or null
    Plan product;            // all of R; for a GRU that resets first, its gates z and r
    Plan candidate;          // for such a GRU, rows of R that hold gate h
    std::int64_t candidate_row;  // the row of `candidate` where gate h starts
};

}  // extern "C"

namespace {

constexpr int L = LANES;
typedef V<L> Lanes;

bool resets_first(const SwmCell& cell) { return cell.kind == 1 && !cell.linear_before_reset; }

Shape shape_of(const Plan& plan) { return Shape{plan.m, plan.n, plan.p, plan.q, plan.pl, plan.bias, plan.relu != 0}; }

// One vector of cells, or what is left of one: the lanes behind `count` hold zeros.
struct Part {
    int count;
    Lanes load(const float* at) const { return count == L ? ::load<L>(at) : load_first<L>(at, count); }
    void store(float* at, Lanes value) const {
        if (count == L) return ::store<L>(at, value);
        store_first<L>(at, value, count);
    }
};

template <class Cells>
void over_cells(std::int64_t hidden, const Cells& cells) {
    std::int64_t c = 0;
    for (; c + L <= hidden; c += L) cells(c, Part{L});
    if (c < hidden) cells(c, Part{int(hidden - c)});
}

Lanes clipped(const SwmCell& cell, Lanes x) {
    const Lanes bound = Lanes{} + cell.clip;
    return at_least<L>(at_most<L>(x, bound), -bound);
}

// One gate of all cells, y = function(W x + bias + y [+ peephole * memory]), where y comes as this gate's part of R h.
// Each gate is a loop of its own: the chain of operations of one vector is long, and in a short loop the processor works
// on several vectors at once.
void gate(const SwmCell& cell, int which, const Activation& function, const float* given, float* y,
          const float* peephole = nullptr, const float* memory = nullptr) {
    const float *bias = cell.bias + which * cell.hidden, *x = given + which * cell.hidden;
    with_function<L>(function, [&](const auto& activated) {
        over_cells(cell.hidden, [&](std::int64_t c, Part part) {
            Lanes sum = part.load(x + c) + part.load(bias + c) + part.load(y + c);
            if (peephole) sum += part.load(peephole + c) * part.load(memory + c);
            part.store(y + c, activated(clipped(cell, sum)));
        });
    });
}

// `given`: W x; `from`: R h, overwritten by gates; both (gates * hidden). `state` is h, `memory` is c.
void lstm(const SwmCell& cell, const float* given, float* from, float* state, float* memory) {
    const std::int64_t n = cell.hidden;
    const auto peephole = [&](int at) { return cell.peepholes ? cell.peepholes + at * n : nullptr; };
    float *i = from, *o = from + n, *f = from + 2 * n, *g = from + 3 * n;
    gate(cell, 0, cell.f, given, i, peephole(0), memory);
    if (!cell.input_forget) gate(cell, 2, cell.f, given, f, peephole(2), memory);
    gate(cell, 3, cell.g, given, g);
    over_cells(n, [&](std::int64_t c, Part part) {
        const Lanes taken = part.load(i + c), kept = cell.input_forget ? 1.0f - taken : part.load(f + c);
        part.store(memory + c, kept * part.load(memory + c) + taken * part.load(g + c));
    });
    gate(cell, 1, cell.f, given, o, peephole(1), memory);
    with_function<L>(cell.h, [&](const auto& activated) {
        over_cells(n, [&](std::int64_t c, Part part) {
            part.store(state + c, part.load(o + c) * activated(part.load(memory + c)));
        });
    });
}

void rnn(const SwmCell& cell, const float* given, float* from, float* state) {
    gate(cell, 0, cell.f, given, from);
    std::memcpy(state, from, sizeof(float) * std::size_t(cell.hidden));
}

// (1 - z) candidate + z h
void gru_state(const SwmCell& cell, const float* z, const float* candidate, float* state) {
    over_cells(cell.hidden, [&](std::int64_t c, Part part) {
        const Lanes kept = part.load(z + c);
        part.store(state + c, (1.0f - kept) * part.load(candidate + c) + kept * part.load(state + c));
    });
}

void gru_after_product(const SwmCell& cell, const float* given, float* from, float* state) {
    const std::int64_t n = cell.hidden;
    float *z = from, *r = from + n, *inner = from + 2 * n;
    gate(cell, 0, cell.f, given, z);
    gate(cell, 1, cell.f, given, r);
    over_cells(n, [&](std::int64_t c, Part part) {
        part.store(inner + c, part.load(r + c) * (part.load(inner + c) + part.load(cell.rest_bias + c)));
    });
    gate(cell, 2, cell.g, given, inner);
    gru_state(cell, z, inner, state);
}

// First half of a GRU that resets before the product: z replaces the first part of `from`, r * h goes to `reset`.
void gru_gates(const SwmCell& cell, const float* given, float* from, const float* state, float* reset) {
    const std::int64_t n = cell.hidden;
    float *z = from, *r = from + n;
    gate(cell, 0, cell.f, given, z);
    gate(cell, 1, cell.f, given, r);
    over_cells(n, [&](std::int64_t c, Part part) { part.store(reset + c, part.load(r + c) * part.load(state + c)); });
}

// Second half: `product` is R (r * h), which the candidate replaces.
void gru_candidate(const SwmCell& cell, const float* given, const float* z, float* product, float* state) {
    gate(cell, 2, cell.g, given, product);
    gru_state(cell, z, product, state);
}

std::int64_t product_floats(const SwmCell& cell, std::int64_t threads) {
    std::int64_t each = work_of(shape_of(cell.product));
    if (resets_first(cell)) each = std::max<std::int64_t>(each, work_of(shape_of(cell.candidate)));
    return threads * each;
}

}  // namespace

extern "C" {

int swm_recurrent_lanes() { return L; }

// Floats of memory for a run, aligned to 64 bytes.
std::int64_t swm_recurrent_work(const SwmCell* cell, std::int64_t batch, std::int64_t threads) {
    std::int64_t rows = cell->product.m;
    if (resets_first(*cell)) rows += cell->hidden + cell->candidate.m;
    return round_up(product_floats(*cell, threads), 16) + round_up(batch * rows, 16);
}

// given (steps, batch, gates * hidden); lengths (batch), steps after a sample's length leave its state and its row of y
// as they are, null if all steps count; state and memory (batch, hidden), initial values in, final ones out, memory null
// but for LSTM; y (steps, batch, hidden).
void swm_recurrent(const SwmCell* at, const float* given, const std::int64_t* lengths, float* state, float* memory, float* y,
                   std::int64_t steps, std::int64_t batch, std::int64_t threads, float* work) {
    const SwmCell& cell = *at;
    const std::int64_t n = cell.hidden, rows = (cell.kind == 0 ? 4 : cell.kind == 1 ? 3 : 1) * n, m = cell.product.m;
    float* from = work + round_up(product_floats(cell, threads), 16);
    float *reset = from + batch * m, *candidate = reset + batch * n;
    // Most sequences start from zeros, and R 0 is known: 2 % of a run over 50 steps.
    const auto recur = [&](const Plan& product, const float* x, float* y, std::int64_t t) {
        if (t == 0 && cell.finite && std::all_of(x, x + batch * n, [](float h) { return h == 0.0f; })) {
            std::fill(y, y + batch * product.m, 0.0f);
        } else {
            multiply(product, x, y, batch, threads, work, t % 2);
        }
    };
    for (std::int64_t t = 0; t < steps; ++t) {
        const float* step = given + t * batch * rows;
        recur(cell.product, state, from, t);
        if (resets_first(cell)) {
            for (std::int64_t b = 0; b < batch; ++b) gru_gates(cell, step + b * rows, from + b * m, state + b * n, reset + b * n);
            recur(cell.candidate, reset, candidate, t);
        }
        for (std::int64_t b = 0; b < batch; ++b) {
            if (lengths && t >= lengths[b]) continue;
            const float* own = step + b * rows;
            float *product = from + b * m, *h = state + b * n;
            if (cell.kind == 0) {
                lstm(cell, own, product, h, memory + b * n);
            } else if (cell.kind == 2) {
                rnn(cell, own, product, h);
            } else if (cell.linear_before_reset) {
                gru_after_product(cell, own, product, h);
            } else {
                gru_candidate(cell, own, product, candidate + b * cell.candidate.m + cell.candidate_row, h);
            }
            std::memcpy(y + (t * batch + b) * n, h, sizeof(float) * std::size_t(n));
        }
    }
}
}
