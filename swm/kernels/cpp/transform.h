// SPDX-License-Identifier: Apache-2.0
// Real Fourier transforms of K points, one in each vector lane; K is SWM_K, a power of two from 2 to 4096.
//
// A real transform of K points is a complex one of N = K/2 points (even samples real, odd ones imaginary) and one pass
// that separates the two. The half spectrum is N rows: row f holds bin f as (re, im); row 0 holds the two real bins 0
// and N. Every factor 1/2 of the separating passes, and 1/N of the inverse, is folded into the weights
// (packed_spectra in compiled.py).

#pragma once

#include <cmath>
#include <cstddef>

#include "vectors.h"

#ifndef SWM_K
#error "compile with -DSWM_K=<block size>"
#endif

namespace {

constexpr int K = SWM_K;
constexpr int N = K / 2;
static_assert(K >= 2 && K <= 4096 && (K & (K - 1)) == 0, "the block size is a power of two from 2 to 4096");
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

}  // namespace
