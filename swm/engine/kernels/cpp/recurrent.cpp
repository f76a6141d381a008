// SPDX-License-Identifier: Apache-2.0
// LSTM, GRU and RNN over time with a block-circulant recurrent matrix, in float32, for one block size, SWM_K.
//
// W x is computed beforehand for all steps.
// A step is one product with R (for a GRU that resets before its product, two parts of R one after the other) and one
// pass over the cells, samples in turn, cells in vector lanes. ONNX's equations and order of gates: LSTM i, o, f, c;
// GRU z, r, h.

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

Shape shape_of(const Plan& plan) { return Shape{plan.m, plan.n, plan.p, plan.q, plan.pl}; }

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

Lanes input(const SwmCell& cell, const float* given, Part part, std::int64_t at) {
    return part.load(given + at) + part.load(cell.bias + at);
}

// `given`: W x; `from`: R h; both (gates * hidden). `state` is h, `memory` is c.
void lstm(const SwmCell& cell, const float* given, const float* from, float* state, float* memory) {
    const std::int64_t n = cell.hidden;
    over_cells(n, [&](std::int64_t c, Part part) {
        const auto gate = [&](int at) { return input(cell, given, part, at * n + c) + part.load(from + at * n + c); };
        const auto peephole = [&](int at, Lanes old) { return cell.peepholes ? part.load(cell.peepholes + at * n + c) * old : Lanes{}; };
        const Lanes old = part.load(memory + c);
        const Lanes i = activated<L>(cell.f, clipped(cell, gate(0) + peephole(0, old)));
        const Lanes f = cell.input_forget ? 1.0f - i : activated<L>(cell.f, clipped(cell, gate(2) + peephole(2, old)));
        const Lanes fresh = f * old + i * activated<L>(cell.g, clipped(cell, gate(3)));
        const Lanes o = activated<L>(cell.f, clipped(cell, gate(1) + peephole(1, fresh)));
        part.store(memory + c, fresh);
        part.store(state + c, o * activated<L>(cell.h, fresh));
    });
}

void rnn(const SwmCell& cell, const float* given, const float* from, float* state) {
    over_cells(cell.hidden, [&](std::int64_t c, Part part) {
        part.store(state + c, activated<L>(cell.f, clipped(cell, input(cell, given, part, c) + part.load(from + c))));
    });
}

void gru_after_product(const SwmCell& cell, const float* given, const float* from, float* state) {
    const std::int64_t n = cell.hidden;
    over_cells(n, [&](std::int64_t c, Part part) {
        const auto gate = [&](int at) { return input(cell, given, part, at * n + c) + part.load(from + at * n + c); };
        const Lanes z = activated<L>(cell.f, clipped(cell, gate(0))), r = activated<L>(cell.f, clipped(cell, gate(1)));
        const Lanes inner = r * (part.load(from + 2 * n + c) + part.load(cell.rest_bias + c));
        const Lanes candidate = activated<L>(cell.g, clipped(cell, input(cell, given, part, 2 * n + c) + inner));
        part.store(state + c, (1.0f - z) * candidate + z * part.load(state + c));
    });
}

// First half of a GRU that resets before the product: z replaces the first part of `from`, r * h goes to `reset`.
void gru_gates(const SwmCell& cell, const float* given, float* from, const float* state, float* reset) {
    const std::int64_t n = cell.hidden;
    over_cells(n, [&](std::int64_t c, Part part) {
        const auto gate = [&](int at) { return input(cell, given, part, at * n + c) + part.load(from + at * n + c); };
        const Lanes z = activated<L>(cell.f, clipped(cell, gate(0))), r = activated<L>(cell.f, clipped(cell, gate(1)));
        part.store(from + c, z);
        part.store(reset + c, r * part.load(state + c));
    });
}

void gru_candidate(const SwmCell& cell, const float* given, const float* z_at, const float* product, float* state) {
    const std::int64_t n = cell.hidden;
    over_cells(n, [&](std::int64_t c, Part part) {
        const Lanes z = part.load(z_at + c);
        const Lanes candidate = activated<L>(cell.g, clipped(cell, input(cell, given, part, 2 * n + c) + part.load(product + c)));
        part.store(state + c, (1.0f - z) * candidate + z * part.load(state + c));
    });
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

// given (steps, batch, gates * hidden); lengths (batch), steps after a sample's length leave its state as it is and its
// row of y at zero; state and memory (batch, hidden), initial values in, final ones out, memory null but for LSTM;
// y (steps, batch, hidden), zeros.
void swm_recurrent(const SwmCell* at, const float* given, const std::int64_t* lengths, float* state, float* memory, float* y,
                   std::int64_t steps, std::int64_t batch, std::int64_t threads, float* work) {
    const SwmCell& cell = *at;
    const std::int64_t n = cell.hidden, rows = (cell.kind == 0 ? 4 : cell.kind == 1 ? 3 : 1) * n, m = cell.product.m;
    float* from = work + round_up(product_floats(cell, threads), 16);
    float *reset = from + batch * m, *candidate = reset + batch * n;
    for (std::int64_t t = 0; t < steps; ++t) {
        const float* step = given + t * batch * rows;
        multiply(cell.product, state, from, batch, threads, work, t % 2);
        if (resets_first(cell)) {
            for (std::int64_t b = 0; b < batch; ++b) gru_gates(cell, step + b * rows, from + b * m, state + b * n, reset + b * n);
            multiply(cell.candidate, reset, candidate, batch, threads, work, t % 2);
        }
        for (std::int64_t b = 0; b < batch; ++b) {
            if (t >= lengths[b]) continue;
            const float *own = step + b * rows, *product = from + b * m;
            float* h = state + b * n;
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
