// SPDX-License-Identifier: Apache-2.0
// Block-circulant product y = x W^T in float32 for one block size, SWM_K (a power of two, 2 to 4096).
//
// A real transform of K points is a complex one of N = K/2 points (even samples real, odd ones imaginary) and one pass
// that separates the two. The half spectrum is N rows: row f holds bin f as (re, im); row 0 holds the two real bins 0
// and N. Every factor 1/2 of the separating passes, and 1/N of the inverse, is folded into the weights (swm_scale).
//
// Two layouts of the same steps:
//   batch:  samples in vector lanes, one tile of LANES samples at a time; weights are broadcast
//   single: blocks in vector lanes (input blocks forward, output blocks after the product); weights are loaded once
// Weights serve both: [row f][vector of PL outputs][input block j][re, im][PL].
//
// The tile's spectra are multiplied in place: inputs of row f lie in buffer row f + 1, outputs are written to row f.
// Rows are padded by one pair of vectors, so that a walk over rows does not hit one set of the L1 cache.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "pool.h"

#ifndef SWM_K
#error "compile with -DSWM_K=<block size>"
#endif

namespace {

constexpr int K = SWM_K;
constexpr int N = K / 2;
static_assert(K >= 2 && K <= 4096 && (K & (K - 1)) == 0, "the block size is a power of two from 2 to 4096");

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

template <int L>
struct Vec {
    typedef float type __attribute__((vector_size(4 * L)));
    typedef float loose __attribute__((vector_size(4 * L), aligned(4), may_alias));
};
template <int L>
using V = typename Vec<L>::type;

template <int L>
inline V<L> load(const float* at) {
    return *reinterpret_cast<const typename Vec<L>::loose*>(at);
}
template <int L>
inline void store(float* at, V<L> value) {
    *reinterpret_cast<typename Vec<L>::loose*>(at) = value;
}

struct Twiddles {  // exp(-2 pi i t / K) = re[t] - i im[t]
    float re[K], im[K];
    Twiddles() {
        for (int t = 0; t < K; ++t) {
            re[t] = float(std::cos(2 * 3.14159265358979323846 * t / K));
            im[t] = float(std::sin(2 * 3.14159265358979323846 * t / K));
        }
    }
};
const Twiddles twiddle;

// ---------------------------------------------------------------- complex transform of N points, Stockham

constexpr int radix(int n) { return n == 2 ? 2 : (n == 4 || n == 16) ? 4 : 8; }

template <int L, int R>
inline void butterfly(V<L>* re, V<L>* im) {
    if constexpr (R == 2) {
        const V<L> r = re[0] - re[1], i = im[0] - im[1];
        re[0] += re[1], im[0] += im[1], re[1] = r, im[1] = i;
    } else if constexpr (R == 4) {
        const V<L> ar = re[0] + re[2], ai = im[0] + im[2], br = re[0] - re[2], bi = im[0] - im[2];
        const V<L> cr = re[1] + re[3], ci = im[1] + im[3], dr = re[1] - re[3], di = im[1] - im[3];
        re[0] = ar + cr, im[0] = ai + ci, re[2] = ar - cr, im[2] = ai - ci;
        re[1] = br + di, im[1] = bi - dr, re[3] = br - di, im[3] = bi + dr;
    } else {
        constexpr float half = 0.70710678118654752440f;
        V<L> er[4] = {re[0], re[2], re[4], re[6]}, ei[4] = {im[0], im[2], im[4], im[6]};
        V<L> odr[4] = {re[1], re[3], re[5], re[7]}, odi[4] = {im[1], im[3], im[5], im[7]};
        butterfly<L, 4>(er, ei);
        butterfly<L, 4>(odr, odi);
        const V<L> tr[4] = {odr[0], (odr[1] + odi[1]) * half, odi[2], (odi[3] - odr[3]) * half};
        const V<L> ti[4] = {odi[0], (odi[1] - odr[1]) * half, -odr[2], (-odi[3] - odr[3]) * half};
        for (int r = 0; r < 4; ++r) {
            re[r] = er[r] + tr[r], im[r] = ei[r] + ti[r];
            re[r + 4] = er[r] - tr[r], im[r + 4] = ei[r] - ti[r];
        }
    }
}

// One pass over n-point transforms at stride S. Complex words are pairs of vectors; SWAP exchanges the parts, which
// turns the forward transform into the (unscaled) inverse.
template <int L, int n, int S, int SWAP>
inline void pass(const V<L>* from, V<L>* to) {
    constexpr int R = radix(n), M = n / R;
    for (int q = 0; q < S; ++q) {
        V<L> re[R], im[R];
        for (int r = 0; r < R; ++r) re[r] = from[2 * (q + S * M * r) + SWAP], im[r] = from[2 * (q + S * M * r) + 1 - SWAP];
        butterfly<L, R>(re, im);
        for (int r = 0; r < R; ++r) to[2 * (q + S * r) + SWAP] = re[r], to[2 * (q + S * r) + 1 - SWAP] = im[r];
    }
    for (int p = 1; p < M; ++p) {
        for (int q = 0; q < S; ++q) {
            V<L> re[R], im[R];
            for (int r = 0; r < R; ++r) {
                re[r] = from[2 * (q + S * (p + M * r)) + SWAP];
                im[r] = from[2 * (q + S * (p + M * r)) + 1 - SWAP];
            }
            butterfly<L, R>(re, im);
            to[2 * (q + S * R * p) + SWAP] = re[0], to[2 * (q + S * R * p) + 1 - SWAP] = im[0];
            for (int r = 1; r < R; ++r) {
                const float c = twiddle.re[p * r * (K / n)], s = twiddle.im[p * r * (K / n)];
                to[2 * (q + S * (R * p + r)) + SWAP] = re[r] * c + im[r] * s;
                to[2 * (q + S * (R * p + r)) + 1 - SWAP] = im[r] * c - re[r] * s;
            }
        }
    }
}

template <int L, int n, int S, int SWAP>
inline V<L>* transform(V<L>* data, V<L>* spare) {
    if constexpr (n == 1) {
        return data;
    } else {
        pass<L, n, S, SWAP>(data, spare);
        return transform<L, n / radix(n), S * radix(n), SWAP>(spare, data);
    }
}

// K real rows in `data` → N spectral rows; row f at to + f * row, imaginary parts `part` floats further.
template <int L>
inline void forward(V<L>* data, V<L>* spare, float* to, std::ptrdiff_t row, std::ptrdiff_t part) {
    const V<L>* z = transform<L, N, 1, 0>(data, spare);
    store<L>(to, z[0] + z[1]);
    store<L>(to + part, z[0] - z[1]);
    if constexpr (N >= 2) {
        store<L>(to + N / 2 * row, z[N]);
        store<L>(to + N / 2 * row + part, -z[N + 1]);
    }
    for (int f = 1; f < N / 2; ++f) {
        const int g = N - f;
        const V<L> er = z[2 * f] + z[2 * g], ei = z[2 * f + 1] - z[2 * g + 1];
        const V<L> dr = z[2 * f] - z[2 * g], di = z[2 * f + 1] + z[2 * g + 1];
        const V<L> tr = di * twiddle.re[f] - dr * twiddle.im[f], ti = dr * twiddle.re[f] + di * twiddle.im[f];
        store<L>(to + f * row, er + tr);
        store<L>(to + f * row + part, ei - ti);
        store<L>(to + g * row, er - tr);
        store<L>(to + g * row + part, -ei - ti);
    }
}

// N spectral rows → K real rows; returns where they are (data or spare).
template <int L>
inline V<L>* inverse(const float* from, std::ptrdiff_t row, std::ptrdiff_t part, V<L>* data, V<L>* spare) {
    const V<L> a = load<L>(from), b = load<L>(from + part);
    data[0] = a + b, data[1] = a - b;
    if constexpr (N >= 2) data[N] = load<L>(from + N / 2 * row), data[N + 1] = -load<L>(from + N / 2 * row + part);
    for (int f = 1; f < N / 2; ++f) {
        const int g = N - f;
        const V<L> ur = load<L>(from + f * row), ui = load<L>(from + f * row + part);
        const V<L> vr = load<L>(from + g * row), vi = load<L>(from + g * row + part);
        const V<L> er = ur + vr, ei = ui - vi, dr = ur - vr, di = ui + vi;
        const V<L> tr = dr * twiddle.re[f] - di * twiddle.im[f], ti = di * twiddle.re[f] + dr * twiddle.im[f];
        data[2 * f] = er - ti, data[2 * f + 1] = ei + tr;
        data[2 * g] = er + ti, data[2 * g + 1] = tr - ei;
    }
    return transform<L, N, 1, 1>(data, spare);
}

// ---------------------------------------------------------------- between rows of memory and lanes

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SWM_SHUFFLE 1
#endif
#endif

template <int L>
inline void transpose(V<L>* r) {
#ifdef SWM_SHUFFLE
    if constexpr (L == 4 || L == 8 || L == 16) {
        V<L> t[L];
        for (int i = 0; i < L; i += 2) {  // pairs of rows interleaved inside every 128 bits
            if constexpr (L == 16) {
                t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
                t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
            } else if constexpr (L == 8) {
                t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
                t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
            } else {
                t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 4, 1, 5);
                t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 6, 3, 7);
            }
        }
        V<L> u[L];  // u[i + c]: column c of each 128-bit part, of rows i .. i+3
        for (int i = 0; i < L; i += 4) {
            for (int h = 0; h < 2; ++h) {
                const V<L> a = t[i + h], b = t[i + 2 + h];
                if constexpr (L == 16) {
                    u[i + 2 * h] = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
                    u[i + 2 * h + 1] = __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
                } else if constexpr (L == 8) {
                    u[i + 2 * h] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
                    u[i + 2 * h + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
                } else {
                    u[i + 2 * h] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
                    u[i + 2 * h + 1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
                }
            }
        }
        if constexpr (L == 4) {
            for (int i = 0; i < 4; ++i) r[i] = u[i];
        } else if constexpr (L == 8) {
            for (int c = 0; c < 4; ++c) {
                r[c] = __builtin_shufflevector(u[c], u[4 + c], 0, 1, 2, 3, 8, 9, 10, 11);
                r[4 + c] = __builtin_shufflevector(u[c], u[4 + c], 4, 5, 6, 7, 12, 13, 14, 15);
            }
        } else {
            for (int c = 0; c < 4; ++c) {
                const V<L> a = __builtin_shufflevector(u[c], u[4 + c], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
                const V<L> b = __builtin_shufflevector(u[c], u[4 + c], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
                const V<L> d = __builtin_shufflevector(u[8 + c], u[12 + c], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
                const V<L> e = __builtin_shufflevector(u[8 + c], u[12 + c], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
                // a: 128-bit parts 0 and 2 of rows 0-3, then of rows 4-7; d: the same of rows 8-15; b and e: parts 1, 3
                r[c] = __builtin_shufflevector(a, d, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
                r[4 + c] = __builtin_shufflevector(b, e, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
                r[8 + c] = __builtin_shufflevector(a, d, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
                r[12 + c] = __builtin_shufflevector(b, e, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
            }
        }
        return;
    }
#endif
    float copy[L][L];
    std::memcpy(copy, r, sizeof copy);
    for (int i = 0; i < L; ++i)
        for (int j = 0; j < L; ++j) r[i][j] = copy[j][i];
}

// `rows` (at most L) rows of `cols` (at most C) floats, `stride` apart → C vectors, padded with zeros.
template <int L, int C>
inline void gather(const float* x, std::ptrdiff_t stride, int rows, int cols, V<L>* to) {
    if constexpr (C >= L) {
        if (cols == C) {
            for (int c = 0; c < C; c += L) {
                if (rows == L) {
                    for (int r = 0; r < L; ++r) to[c + r] = load<L>(x + r * stride + c);
                } else {
                    for (int r = 0; r < L; ++r) to[c + r] = r < rows ? load<L>(x + r * stride + c) : V<L>{};
                }
                transpose<L>(to + c);
            }
            return;
        }
    }
    std::memset(to, 0, sizeof(V<L>) * C);
    float* flat = reinterpret_cast<float*>(to);
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < cols; ++c) flat[c * L + r] = x[r * stride + c];
}

template <int L, int C>
inline void scatter(const V<L>* from, float* y, std::ptrdiff_t stride, int rows, int cols) {
    if constexpr (C >= L) {
        if (cols == C) {
            for (int c = 0; c < C; c += L) {
                V<L> t[L];
                for (int r = 0; r < L; ++r) t[r] = from[c + r];
                transpose<L>(t);
                if (rows == L) {
                    for (int r = 0; r < L; ++r) store<L>(y + r * stride + c, t[r]);
                } else {
                    for (int r = 0; r < rows; ++r) store<L>(y + r * stride + c, t[r]);
                }
            }
            return;
        }
    }
    const float* flat = reinterpret_cast<const float*>(from);
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < cols; ++c) y[r * stride + c] = flat[c * L + r];
}

// ---------------------------------------------------------------- batch in lanes

struct Shape {
    std::ptrdiff_t m, n, p, q, pl;  // outputs, inputs, block rows, block columns, outputs in a weight vector
    std::ptrdiff_t vectors() const { return (p + pl - 1) / pl; }
};

// IB outputs at once: X is loaded once for all of them. `w` points at the first of them in its weight vector.
template <int L, int IB, bool FIRST>
inline void accumulate(const float* w, std::ptrdiff_t pl, const V<L>* x, std::ptrdiff_t q, V<L>* y) {
    V<L> re[IB], im[IB];
    for (int i = 0; i < IB; ++i) re[i] = V<L>{}, im[i] = V<L>{};
    for (std::ptrdiff_t j = 0; j < q; ++j, w += 2 * pl) {
        const V<L> xr = x[2 * j], xi = x[2 * j + 1];
        for (int i = 0; i < IB; ++i) {
            const float wr = w[i], wi = w[pl + i];
            re[i] += xr * wr;
            if constexpr (FIRST) {
                im[i] += xi * wi;
            } else {
                im[i] += xi * wr;
                re[i] -= xi * wi;
                im[i] += xr * wi;
            }
        }
    }
    for (int i = 0; i < IB; ++i) y[2 * i] = re[i], y[2 * i + 1] = im[i];
}

template <int L, bool FIRST>
void product_row(const Shape& s, const float* w, const V<L>* x, V<L>* y) {
    for (std::ptrdiff_t i = 0; i < s.p;) {
        const float* at = w + (i / s.pl) * s.q * 2 * s.pl + i % s.pl;
        const std::ptrdiff_t left = s.p - i;
        if (left >= 8 && s.pl >= 8 && L == 16) {
            accumulate<L, 8, FIRST>(at, s.pl, x, s.q, y + 2 * i), i += 8;
        } else if (left >= 4) {
            accumulate<L, 4, FIRST>(at, s.pl, x, s.q, y + 2 * i), i += 4;
        } else if (left >= 2) {
            accumulate<L, 2, FIRST>(at, s.pl, x, s.q, y + 2 * i), i += 2;
        } else {
            accumulate<L, 1, FIRST>(at, s.pl, x, s.q, y + 2 * i), i += 1;
        }
    }
}

constexpr int UNIT = K > LANES ? K : LANES;  // columns transposed together: one block, or several small ones
constexpr int GROUP = UNIT / K;

std::ptrdiff_t row_vectors(const Shape& s) { return 2 * std::max(s.p, s.q) + 2; }

void tile(const Shape& s, const float* w, const float* x, float* y, int rows, V<LANES>* work) {
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
    const std::ptrdiff_t weights = s.vectors() * s.q * 2 * s.pl;
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

// One row and one vector of outputs for B samples; samples are `apart` floats from each other. Four chains a sample
// and two columns at a time hide the latency of the multiply-add when there is one sample only.
template <int L, int B, bool FIRST>
inline void stream(const float* w, std::ptrdiff_t q, const float* x, std::ptrdiff_t padded_q, std::ptrdiff_t x_apart,
                   float* y, std::ptrdiff_t padded_p, std::ptrdiff_t y_apart) {
    constexpr int C = B == 1 ? 2 : 1;
    V<L> rr[C][B], ii[C][B], ri[C][B], ir[C][B];
    for (int c = 0; c < C; ++c)
        for (int b = 0; b < B; ++b) rr[c][b] = ii[c][b] = ri[c][b] = ir[c][b] = V<L>{};
    auto column = [&](std::ptrdiff_t j, int c) {
        const V<L> wr = load<L>(w + 2 * L * j), wi = load<L>(w + 2 * L * j + L);
        for (int b = 0; b < B; ++b) {
            const float xr = x[b * x_apart + j], xi = x[b * x_apart + padded_q + j];
            rr[c][b] += wr * xr;
            ii[c][b] += wi * xi;
            if constexpr (!FIRST) ri[c][b] += wr * xi, ir[c][b] += wi * xr;
        }
    };
    std::ptrdiff_t j = 0;
    for (; j + C <= q; j += C)
        for (int c = 0; c < C; ++c) column(j + c, c);
    for (; j < q; ++j) column(j, 0);
    for (int b = 0; b < B; ++b) {
        for (int c = 1; c < C; ++c) rr[0][b] += rr[c][b], ii[0][b] += ii[c][b], ri[0][b] += ri[c][b], ir[0][b] += ir[c][b];
        store<L>(y + b * y_apart, FIRST ? rr[0][b] : rr[0][b] - ii[0][b]);
        store<L>(y + b * y_apart + padded_p, FIRST ? ii[0][b] : ri[0][b] + ir[0][b]);
    }
}

std::ptrdiff_t round_up(std::ptrdiff_t n, std::ptrdiff_t to) { return (n + to - 1) / to * to; }

constexpr int MOST = 4;  // samples taken through one reading of the weights

template <int PL, int B>
void few(const Shape& s, const float* w, const float* x, float* y, float* work) {
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
    for (std::ptrdiff_t f = 0; f < N; ++f) {
        for (std::ptrdiff_t i = 0; i < padded_p; i += PL, w += s.q * 2 * PL) {
            const float* at = xs + 2 * f * padded_q;
            float* to = ys + 2 * f * padded_p + i;
            if (f == 0) {
                stream<PL, B, true>(w, s.q, at, padded_q, x_apart, to, padded_p, y_apart);
            } else {
                stream<PL, B, false>(w, s.q, at, padded_q, x_apart, to, padded_p, y_apart);
            }
        }
    }
    for (int b = 0; b < B; ++b) blocks_of_spectra<PL>(s, ys + b * y_apart, padded_p, y + b * s.m, scratch);
}

template <int PL>
void small_batch(const Shape& s, const float* w, const float* x, float* y, std::ptrdiff_t batch, float* work) {
    while (batch > 0) {
        const int b = batch >= 4 ? 4 : batch >= 2 ? 2 : 1;
        if (b == 4) few<PL, 4>(s, w, x, y, work);
        if (b == 2) few<PL, 2>(s, w, x, y, work);
        if (b == 1) few<PL, 1>(s, w, x, y, work);
        x += b * s.n, y += b * s.m, batch -= b;
    }
}

void few_samples(const Shape& s, const float* w, const float* x, float* y, std::ptrdiff_t batch, float* work) {
    if constexpr (LANES >= 16) {
        if (s.pl == 16) return small_batch<16>(s, w, x, y, batch, work);
    }
    if constexpr (LANES >= 8) {
        if (s.pl == 8) return small_batch<8>(s, w, x, y, batch, work);
    }
    small_batch<4>(s, w, x, y, batch, work);
}

}  // namespace

extern "C" {

int swm_lanes() { return LANES; }

// Floats of scratch memory one thread needs, aligned to 64 bytes.
std::int64_t swm_work(std::int64_t p, std::int64_t q, std::int64_t pl) {
    const Shape s{p * K, q * K, p, q, pl};
    const std::ptrdiff_t tiles = (2 * UNIT + (N + 1) * row_vectors(s)) * LANES;
    const std::ptrdiff_t single = 2 * K * LANES + MOST * 2 * N * (round_up(q, LANES) + round_up(p, pl));
    return round_up(std::max(tiles, single), 16);
}

// All that is fixed when a matrix is prepared. A rest of fewer than `few` samples is done with blocks in lanes.
struct SwmPlan {
    std::int64_t m, n, p, q, pl, few;
    const float* weights;
};

// y (batch, m) = x (batch, n) W^T. Whole tiles of samples are shared out among `threads` threads. `work` holds
// swm_work floats for each of them. Returns the number of tiles done with samples in lanes.
std::int64_t swm_matmul(const SwmPlan* plan, const float* x, float* y, std::int64_t batch, std::int64_t threads, float* work) {
    const std::int64_t m = plan->m, n = plan->n, few = plan->few;
    const float* w = plan->weights;
    const Shape s{m, n, plan->p, plan->q, plan->pl};
    const std::int64_t rest = batch % LANES, tiles = batch / LANES + (rest > 0 && rest >= few ? 1 : 0);
    if (tiles > 0) {
        const std::int64_t size = swm_work(s.p, s.q, s.pl);
        std::atomic<std::int64_t> next{0};
        swm::Pool::instance().run(int(std::min(threads, tiles)), [&](int worker) {
            V<LANES>* mine = reinterpret_cast<V<LANES>*>(work + worker * size);
            for (std::int64_t t = next++; t < tiles; t = next++) {
                const int rows = int(std::min<std::int64_t>(LANES, batch - t * LANES));
                tile(s, w, x + t * LANES * n, y + t * LANES * m, rows, mine);
            }
        });
    }
    if (rest > 0 && rest < few) few_samples(s, w, x + (batch - rest) * n, y + (batch - rest) * m, rest, work);
    return tiles;
}
}
