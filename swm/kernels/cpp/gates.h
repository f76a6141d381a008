// SPDX-License-Identifier: Apache-2.0
// The activations of recurrent gates, on vectors of floats.

#pragma once

#include <cstdint>
#include <cstring>

#include "vectors.h"

namespace {

// What is not a number stays so through all of these, as it does in any runtime.
template <int L>
inline V<L> at_most(V<L> x, V<L> bound) {
#if defined(__AVX512F__)
    if constexpr (L == 16) return V<L>(_mm512_min_ps(__m512(bound), __m512(x)));  // the second of two incomparable ones
#endif
    return x > bound ? bound : x;
}
template <int L>
inline V<L> at_least(V<L> x, V<L> bound) {
#if defined(__AVX512F__)
    if constexpr (L == 16) return V<L>(_mm512_max_ps(__m512(bound), __m512(x)));
#endif
    return x < bound ? bound : x;
}

template <int L>
inline V<L> nearest_integer(V<L> x) {
#if defined(__AVX512F__)
    if constexpr (L == 16) return V<L>(_mm512_roundscale_ps(__m512(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#endif
    return x + 12582912.0f - 12582912.0f;  // 1.5 * 2^23, where floats are integers
}

// e * 2^n for integers n as floats from -126 to 127.
template <int L>
inline V<L> times_power_of_two(V<L> e, V<L> n) {
#if defined(__AVX512F__)
    if constexpr (L == 16) return V<L>(_mm512_scalef_ps(__m512(e), __m512(n)));
#endif
    typedef std::int32_t I __attribute__((vector_size(4 * L)));
    const V<L> shifted = n + 12582912.0f;  // n in the low bits
    I bits, whole;
    std::memcpy(&bits, &e, sizeof e);
    std::memcpy(&whole, &shifted, sizeof whole);
    bits += whole << 23;
    V<L> scaled;
    std::memcpy(&scaled, &bits, sizeof scaled);
    return e == e ? scaled : e;
}

// A power of two taken apart: 2^t = 2^n 2^r with n the nearest integer. Polynomials of r are minimax, fitted by linear
// programming on r from -1/2 to 1/2 with the constant term held.
template <int L>
struct Exponent {
    V<L> n, r;
    explicit Exponent(V<L> t) : n(nearest_integer<L>(t)), r(t - n) {}
};

// 2^t for t from -126 to 127, to 9e-8 before rounding.
template <int L>
inline V<L> power_of_two(V<L> t) {
    const Exponent<L> part(at_most<L>(at_least<L>(t, V<L>{} - 126.0f), V<L>{} + 127.0f));
    const V<L> r = part.r;
    V<L> e = r * 1.32647273e-3f + 9.67151299e-3f;
    e = e * r + 5.55073358e-2f;
    e = e * r + 2.40222424e-1f;
    e = e * r + 6.93147004e-1f;
    e = e * r + 1.0f;
    return times_power_of_two<L>(e, part.n);
}

// 2^t - 1 for t from -32 to 32, to 1e-8 before rounding, near zero too, where 2^r - 1 is the polynomial itself.
template <int L>
inline V<L> power_of_two_less_one(V<L> t) {
    const Exponent<L> part(at_most<L>(at_least<L>(t, V<L>{} - 32.0f), V<L>{} + 32.0f));
    const V<L> r = part.r, scale = times_power_of_two<L>(V<L>{} + 1.0f, part.n);
    V<L> e = r * 1.54035122e-4f + 1.33907353e-3f;
    e = e * r + 9.61823761e-3f;
    e = e * r + 5.55035733e-2f;
    e = e * r + 2.40226492e-1f;
    e = e * r + 6.93147182e-1f;
    return e * r * scale + (scale - 1.0f);
}

// 1 / x for x from 1 to about 2e38: the machine's estimate of 14 bits and one step of Newton's, where it has one.
template <int L>
inline V<L> reciprocal(V<L> x) {
#if defined(__AVX512F__)
    if constexpr (L == 16) {
        const V<L> estimate = V<L>(_mm512_rcp14_ps(__m512(x)));
        return estimate + estimate * (1.0f - x * estimate);
    }
#endif
    return 1.0f / x;
}

constexpr float LOG2_E = 1.44269504f;

// The exponent x log2(e) is rounded, which makes the power as wrong as x is large; but where x is large these functions
// hardly change any more.
template <int L>
inline V<L> sigmoid(V<L> x) {
    return reciprocal<L>(1.0f + power_of_two<L>(x * -LOG2_E));
}

// (e^2x - 1) / (e^2x + 1)
template <int L>
inline V<L> hyperbolic_tangent(V<L> x) {
    const V<L> e = power_of_two_less_one<L>(x * (2 * LOG2_E));
    return e * reciprocal<L>(e + 2.0f);
}

// ONNX's activations with closed forms that need nothing else; the caller runs the rest elsewhere.
enum Function : std::int64_t { SIGMOID, TANH, RELU, AFFINE, LEAKY_RELU, HARD_SIGMOID, SCALED_TANH, SOFTSIGN, THRESHOLDED_RELU };

struct Activation {
    std::int64_t function;
    float alpha, beta;
};

// Calls `use` with the function of one vector, so that a loop over cells is compiled for each.
template <int L, class Use>
inline void with_function(const Activation& f, const Use& use) {
    const V<L> zero{}, one = zero + 1.0f, alpha = zero + f.alpha, beta = zero + f.beta;
    switch (f.function) {
        case SIGMOID: return use([](V<L> x) { return sigmoid<L>(x); });
        case TANH: return use([](V<L> x) { return hyperbolic_tangent<L>(x); });
        case RELU: return use([=](V<L> x) { return at_least<L>(x, zero); });
        case AFFINE: return use([=](V<L> x) { return x * alpha + beta; });
        case LEAKY_RELU: return use([=](V<L> x) { return x < zero ? x * alpha : x; });
        case HARD_SIGMOID: return use([=](V<L> x) { return at_most<L>(at_least<L>(x * alpha + beta, zero), one); });
        case SCALED_TANH: return use([=](V<L> x) { return hyperbolic_tangent<L>(x * beta) * alpha; });
        case SOFTSIGN: return use([=](V<L> x) { return x / (one + at_least<L>(x, -x)); });
        default: return use([=](V<L> x) { return x > alpha ? x : zero; });
    }
}

}  // namespace
