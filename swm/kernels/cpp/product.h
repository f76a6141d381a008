// SPDX-License-Identifier: Apache-2.0
// Block-circulant product y = act(x W^T + bias) in float32, in two layouts of the same steps:
//   batch:  samples in vector lanes, one tile of LANES samples at a time; weights are broadcast
//   single: blocks in vector lanes (input blocks forward, output blocks after the product); weights are loaded once
// Weights of the single layout, which is bound by reading them: [row f][vector of PL outputs][input block j][re, im][PL].
// Weights of the batch layout, which is bound by arithmetic, hold three sums of re and im:
// [row f][group of outputs][input block j][part][output of the group], groups of TOGETHER and then of 4, 2 and 1.
//
// The tile's spectra are multiplied in place: inputs of row f lie in buffer row f + 1, outputs are written to row f.
// Rows are padded by one pair of vectors, so that a walk over rows does not hit one set of the L1 cache.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "pool.h"
#include "transform.h"

namespace {

// ---------------------------------------------------------------- batch in lanes

// A complex product in three real ones, since weights are known beforehand and sums can wait for the end (Gauss):
//   a = wr (xr + xi), b = (wi - wr) xr, c = (wr + wi) xi;  re = a - c, im = a + b
constexpr int PARTS = 3;

struct Shape {
    std::ptrdiff_t m, n, p, q, pl;  // outputs, inputs, block rows, block columns, outputs in a weight vector
    const float* bias;              // m, added to the outputs, or nothing
    bool relu;                      // max(y, 0) at the end; NaN stays NaN
};

template <class T>
inline T rectified(T value) {
    return value < T{} ? T{} : value;
}

// IB outputs at once: X is loaded once for all of them.
template <int L, int IB, bool FIRST>
inline void accumulate(const float* w, const V<L>* x, std::ptrdiff_t q, V<L>* y) {
    V<L> a[IB], b[IB], c[IB];
    for (int i = 0; i < IB; ++i) a[i] = b[i] = c[i] = V<L>{};
    for (std::ptrdiff_t j = 0; j < q; ++j, w += PARTS * IB) {
        const V<L> xr = x[2 * j], xi = x[2 * j + 1];
        if constexpr (FIRST) {
            for (int i = 0; i < IB; ++i) a[i] += xr * w[i], b[i] += xi * w[IB + i];
        } else {
            const V<L> sum = xr + xi;
            for (int i = 0; i < IB; ++i) a[i] += sum * w[i], b[i] += xr * w[IB + i], c[i] += xi * w[2 * IB + i];
        }
    }
    for (int i = 0; i < IB; ++i) y[2 * i] = FIRST ? a[i] : a[i] - c[i], y[2 * i + 1] = FIRST ? b[i] : a[i] + b[i];
}

constexpr int TOGETHER = LANES == 16 ? 8 : 4;  // outputs at once: as many as registers allow

template <int L, bool FIRST>
void product_row(const Shape& s, const float* w, const V<L>* x, V<L>* y) {
    std::ptrdiff_t i = 0;
    const auto group = [&](auto size) {
        constexpr int IB = decltype(size)::value;
        accumulate<L, IB, FIRST>(w + i * s.q * PARTS, x, s.q, y + 2 * i), i += IB;
    };
    while (s.p - i >= TOGETHER) group(std::integral_constant<int, TOGETHER>());
    if (TOGETHER > 4 && s.p - i >= 4) group(std::integral_constant<int, 4>());
    if (s.p - i >= 2) group(std::integral_constant<int, 2>());
    if (s.p - i >= 1) group(std::integral_constant<int, 1>());
}

constexpr int UNIT = K > LANES ? K : LANES;  // columns transposed together: one block, or several small ones
constexpr int GROUP = UNIT / K;

inline std::ptrdiff_t row_vectors(const Shape& s) { return 2 * std::max(s.p, s.q) + 2; }

inline void tile(const Shape& s, const float* w, const float* x, float* y, int rows, V<LANES>* work) {
    constexpr int L = LANES;
    V<L>* data = work;
    V<L>* spare = data + UNIT;
    V<L>* rows_at = spare + UNIT;
    const std::ptrdiff_t row = row_vectors(s), step = row * L;
    for (std::ptrdiff_t j = 0; j < s.q; j += GROUP) {
        gather<L, UNIT>(x + j * K, s.n, rows, int(std::min<std::ptrdiff_t>(UNIT, s.n - j * K)), data);
        for (std::ptrdiff_t g = 0; g < GROUP && j + g < s.q; ++g)
            forward<L>(data + g * K, spare, reinterpret_cast<float*>(rows_at + row + 2 * (j + g)), step, L);
    }
    const std::ptrdiff_t weights = s.p * s.q * PARTS;
    product_row<L, true>(s, w, rows_at + row, rows_at);
    for (std::ptrdiff_t f = 1; f < N; ++f) product_row<L, false>(s, w + f * weights, rows_at + (f + 1) * row, rows_at + f * row);
    for (std::ptrdiff_t i = 0; i < s.p; i += GROUP) {
        V<L>* done = data;
        for (std::ptrdiff_t g = 0; g < GROUP && i + g < s.p; ++g) {
            V<L>* at = inverse<L>(reinterpret_cast<const float*>(rows_at + 2 * (i + g)), step, L, data + g * K, spare + g * K);
            if (GROUP == 1) {
                done = at;
            } else if (at != data + g * K) {
                std::memcpy(data + g * K, at, sizeof(V<L>) * K);
            }
        }
        if (s.bias || s.relu) {
            for (std::ptrdiff_t c = 0, end = std::min<std::ptrdiff_t>(UNIT, s.m - i * K); c < end; ++c) {
                if (s.bias) done[c] += broadcast<L>(s.bias[i * K + c]);
                if (s.relu) done[c] = rectified(done[c]);
            }
        }
        scatter<L, UNIT>(done, y + i * K, s.m, rows, int(std::min<std::ptrdiff_t>(UNIT, s.m - i * K)));
    }
}

// ---------------------------------------------------------------- blocks in lanes: one or a few samples

template <int L>
void spectra_of_blocks(const Shape& s, const float* x, float* to, std::ptrdiff_t padded, float* scratch) {
    V<L>* data = reinterpret_cast<V<L>*>(scratch);
    for (std::ptrdiff_t j = 0; j < s.q; j += L) {
        const int blocks = int(std::min<std::ptrdiff_t>(L, s.q - j));
        const std::ptrdiff_t left = s.n - j * K;
        if (left >= std::ptrdiff_t(blocks) * K) {
            gather<L, K>(x + j * K, K, blocks, K, data);
        } else {  // the last block is short
            gather<L, K>(x + j * K, K, blocks - 1, K, data);
            float* flat = reinterpret_cast<float*>(data);
            const std::ptrdiff_t whole = std::ptrdiff_t(blocks - 1) * K;
            for (std::ptrdiff_t c = whole; c < left; ++c) flat[(c - whole) * L + blocks - 1] = x[j * K + c];
        }
        forward<L>(data, data + K, to + j, 2 * padded, padded);
    }
}

template <int L>
void blocks_of_spectra(const Shape& s, const float* from, std::ptrdiff_t padded, float* y, float* scratch) {
    V<L>* data = reinterpret_cast<V<L>*>(scratch);
    for (std::ptrdiff_t i = 0; i < s.p; i += L) {
        const int blocks = int(std::min<std::ptrdiff_t>(L, s.p - i));
        const V<L>* done = inverse<L>(from + i, 2 * padded, padded, data, data + K);
        const std::ptrdiff_t left = s.m - i * K;
        if (left >= std::ptrdiff_t(blocks) * K) {
            scatter<L, K>(done, y + i * K, K, blocks, K);
        } else {
            scatter<L, K>(done, y + i * K, K, blocks - 1, K);
            const float* flat = reinterpret_cast<const float*>(done);
            const std::ptrdiff_t whole = std::ptrdiff_t(blocks - 1) * K;
            for (std::ptrdiff_t c = whole; c < left; ++c) y[i * K + c] = flat[(c - whole) * L + blocks - 1];
        }
    }
}

// One row and U vectors of outputs for B samples; samples are `apart` floats from each other. Several vectors of
// outputs share the broadcast inputs when there is one sample only, as many as registers allow; four chains each hide
// the multiply-add's latency.
template <int L, int B, int U, bool FIRST>
inline void stream(const float* w, std::ptrdiff_t q, const float* x, std::ptrdiff_t padded_q, std::ptrdiff_t x_apart,
                   float* y, std::ptrdiff_t padded_p, std::ptrdiff_t y_apart) {
    V<L> rr[U][B], ii[U][B], ri[U][B], ir[U][B];
    for (int u = 0; u < U; ++u)
        for (int b = 0; b < B; ++b) rr[u][b] = ii[u][b] = ri[u][b] = ir[u][b] = V<L>{};
    for (std::ptrdiff_t j = 0; j < q; ++j) {
        V<L> xr[B], xi[B];
        for (int b = 0; b < B; ++b) {
            xr[b] = in_register<L>(broadcast<L>(x[b * x_apart + j]));
            xi[b] = in_register<L>(broadcast<L>(x[b * x_apart + padded_q + j]));
        }
        for (int u = 0; u < U; ++u) {
            const float* at = w + (u * q + j) * 2 * L;
            const V<L> wr = in_register<L>(load<L>(at)), wi = in_register<L>(load<L>(at + L));
            for (int b = 0; b < B; ++b) {
                rr[u][b] += wr * xr[b];
                ii[u][b] += wi * xi[b];
                if constexpr (!FIRST) ri[u][b] += wr * xi[b], ir[u][b] += wi * xr[b];
            }
        }
    }
    for (int u = 0; u < U; ++u) {
        for (int b = 0; b < B; ++b) {
            float* to = y + b * y_apart + u * L;
            store<L>(to, FIRST ? rr[u][b] : rr[u][b] - ii[u][b]);
            store<L>(to + padded_p, FIRST ? ii[u][b] : ri[u][b] + ir[u][b]);
        }
    }
}

template <int PL, int B, int U>
inline void stream_row(std::ptrdiff_t f, const float* w, std::ptrdiff_t q, const float* xs, std::ptrdiff_t padded_q,
                       std::ptrdiff_t x_apart, float* ys, std::ptrdiff_t padded_p, std::ptrdiff_t y_apart) {
    const float* x = xs + 2 * f * padded_q;
    float* y = ys + 2 * f * padded_p;
    if (f == 0) {
        stream<PL, B, U, true>(w, q, x, padded_q, x_apart, y, padded_p, y_apart);
    } else {
        stream<PL, B, U, false>(w, q, x, padded_q, x_apart, y, padded_p, y_apart);
    }
}

constexpr int MOST = 4;  // samples taken through one reading of the weights

struct Turn {  // how a small batch is to be done
    std::int64_t threads;
    bool backwards;
};

constexpr std::ptrdiff_t SHARED_WORDS = 1 << 18;  // with fewer weights than this a second thread gains nothing

template <int PL, int B>
void few(const Shape& s, const float* w, const float* x, float* y, float* work, Turn turn) {
    const std::ptrdiff_t padded_q = round_up(s.q, LANES), padded_p = round_up(s.p, PL);
    const std::ptrdiff_t x_apart = 2 * N * padded_q, y_apart = 2 * N * padded_p;
    float* scratch = work;  // 2 K vectors
    float* xs = scratch + 2 * K * LANES;
    float* ys = xs + B * x_apart;
    for (int b = 0; b < B; ++b) {
        if (s.q > LANES / 2 || LANES == 4) {
            spectra_of_blocks<LANES>(s, x + b * s.n, xs + b * x_apart, padded_q, scratch);
        } else {
            spectra_of_blocks<LANES == 16 ? 8 : 4>(s, x + b * s.n, xs + b * x_apart, padded_q, scratch);
        }
    }
    // Rows and vectors of outputs, in order of the weights, cut into at most 64 pieces.
    constexpr int U = B > 1 ? 1 : LANES == 16 ? 4 : 2;
    const std::ptrdiff_t vectors = padded_p / PL, steps = (vectors + U - 1) / U, all = N * steps;
    const std::ptrdiff_t piece = (all + 63) / 64;
    const bool shared = turn.threads > 1 && N * padded_p * s.q >= SHARED_WORDS / 2;
    swm::each_once(shared ? int(turn.threads) : 1, int((all + piece - 1) / piece), turn.backwards, [&](int unit) {
        std::ptrdiff_t at = unit * piece, f = at / steps, v = at % steps * U;
        for (const std::ptrdiff_t end = std::min(all, at + piece); at < end; ++at) {
            const float* row = w + (f * vectors + v) * s.q * 2 * PL;
            if (v + U <= vectors) {
                stream_row<PL, B, U>(f, row, s.q, xs, padded_q, x_apart, ys + v * PL, padded_p, y_apart);
            } else {
                for (std::ptrdiff_t u = 0; v + u < vectors; ++u)
                    stream_row<PL, B, 1>(f, row + u * s.q * 2 * PL, s.q, xs, padded_q, x_apart, ys + (v + u) * PL, padded_p, y_apart);
            }
            v += U;
            if (v >= vectors) v = 0, ++f;
        }
    });
    for (int b = 0; b < B; ++b) {
        float* to = y + b * s.m;
        blocks_of_spectra<PL>(s, ys + b * y_apart, padded_p, to, scratch);
        if (s.bias)
            for (std::ptrdiff_t c = 0; c < s.m; ++c) to[c] += s.bias[c];
        if (s.relu)
            for (std::ptrdiff_t c = 0; c < s.m; ++c) to[c] = rectified(to[c]);
    }
}

template <int PL>
void small_batch(const Shape& s, const float* w, const float* x, float* y, std::ptrdiff_t batch, float* work, Turn turn) {
    while (batch > 0) {
        const int b = batch >= 4 ? 4 : batch >= 2 ? 2 : 1;
        if (b == 4) few<PL, 4>(s, w, x, y, work, turn);
        if (b == 2) few<PL, 2>(s, w, x, y, work, turn);
        if (b == 1) few<PL, 1>(s, w, x, y, work, turn);
        x += b * s.n, y += b * s.m, batch -= b;
        turn.backwards = !turn.backwards;
    }
}

inline void few_samples(const Shape& s, const float* w, const float* x, float* y, std::ptrdiff_t batch, float* work, Turn turn) {
    if constexpr (LANES >= 16) {
        if (s.pl == 16) return small_batch<16>(s, w, x, y, batch, work, turn);
    }
    if constexpr (LANES >= 8) {
        if (s.pl == 8) return small_batch<8>(s, w, x, y, batch, work, turn);
    }
    small_batch<4>(s, w, x, y, batch, work, turn);
}

// All that is fixed when a matrix is prepared. A rest of fewer than `few` samples is done with blocks in lanes.
struct Plan {
    std::int64_t m, n, p, q, pl, few;
    const float *weights, *tile_weights;
    const float* bias;  // or nothing
    std::int64_t relu;
};

// Floats of scratch memory one thread needs, aligned to 64 bytes.
inline std::ptrdiff_t work_of(const Shape& s) {
    const std::ptrdiff_t tiles = (2 * UNIT + (N + 1) * row_vectors(s)) * LANES;
    const std::ptrdiff_t single = 2 * K * LANES + MOST * 2 * N * (round_up(s.q, LANES) + round_up(s.p, s.pl));
    return round_up(std::max(tiles, single), 16);
}

// y (batch, m) = act(x (batch, n) W^T + bias). Whole tiles of samples are shared out among `threads` threads. `work` holds
// work_of floats for each of them. Callers that multiply by one matrix again and again alternate `backwards`. Returns the number of tiles done with samples in lanes.
inline std::int64_t multiply(const Plan& plan, const float* x, float* y, std::int64_t batch, std::int64_t threads, float* work,
                             bool backwards = false) {
    const std::int64_t m = plan.m, n = plan.n, few = plan.few;
    const Shape s{m, n, plan.p, plan.q, plan.pl, plan.bias, plan.relu != 0};
    const std::int64_t rest = batch % LANES, tiles = batch / LANES + (rest > 0 && rest >= few ? 1 : 0);
    if (tiles > 0) {
        const std::int64_t size = work_of(s);
        std::atomic<std::int64_t> next{0};
        swm::Pool::instance().run(int(std::min(threads, tiles)), [&](int worker) {
            V<LANES>* mine = reinterpret_cast<V<LANES>*>(work + worker * size);
            for (std::int64_t t = next++; t < tiles; t = next++) {
                const int rows = int(std::min<std::int64_t>(LANES, batch - t * LANES));
                tile(s, plan.tile_weights, x + t * LANES * n, y + t * LANES * m, rows, mine);
            }
        });
    }
    if (rest > 0 && rest < few) few_samples(s, plan.weights, x + (batch - rest) * n, y + (batch - rest) * m, rest, work, Turn{threads, backwards});
    return tiles;
}

}  // namespace
