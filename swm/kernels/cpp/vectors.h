// SPDX-License-Identifier: Apache-2.0
// Vectors of floats as wide as the machine has them, and the ways between rows of memory and lanes.
//
// These headers keep their names to one translation unit: every library is one, built for one block size, and several
// libraries live in one process.

#pragma once

#include <cstddef>
#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace {

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

template <int L>
inline V<L> broadcast(float value) {
    return value - V<L>{};  // minus zero changes no number, a negative zero included: compilers leave it out
}

// Keeps a loaded vector in its register. Compilers prefer to name memory in every multiply-add that reads it, and where
// loads are the narrowest way (512 bits a cycle), a second load of a weight costs as much as the first.
template <int L>
inline V<L> in_register(V<L> value) {
#if defined(__AVX__)
    __asm__("" : "+v"(value));
#endif
    return value;
}

// The first `count` (at most L) floats of a vector, without touching memory behind them.
template <int L>
inline void store_first(float* at, V<L> value, int count) {
#if defined(__AVX512F__)
    if constexpr (L == 16) return _mm512_mask_storeu_ps(at, __mmask16((1u << count) - 1), __m512(value));
#endif
    for (int i = 0; i < count; ++i) at[i] = value[i];
}

template <int L>
inline V<L> load_first(const float* at, int count) {
    V<L> value{};
    std::memcpy(&value, at, sizeof(float) * std::size_t(count));
    return value;
}

inline std::ptrdiff_t round_up(std::ptrdiff_t n, std::ptrdiff_t to) { return (n + to - 1) / to * to; }

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

}  // namespace
