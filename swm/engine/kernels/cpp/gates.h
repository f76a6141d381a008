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

// 2^t = 2^n 2^r with n the nearest integer and 2^r by its Taylor series to r^7 (the next term is below 6e-9 relative).
template <int L>
inline V<L> power_of_two(V<L> t) {
    t = at_most<L>(at_least<L>(t, V<L>{} - 126.0f), V<L>{} + 127.0f);
    const V<L> n = nearest_integer<L>(t), r = t - n;
    V<L> e = r * 1.52527338e-5f + 1.54035304e-4f;
    e = e * r + 1.33335581e-3f;
    e = e * r + 9.61812911e-3f;
    e = e * r + 5.55041087e-2f;
    e = e * r + 2.40226507e-1f;
    e = e * r + 6.93147181e-1f;
    e = e * r + 1.0f;
    return times_power_of_two<L>(e, n);
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

// Near zero, where 1 - 2 / (e^2x + 1) cancels, the odd polynomial of Cephes' tanhf (Moshier, 1989).
template <int L>
inline V<L> hyperbolic_tangent(V<L> x) {
    const V<L> far = 1.0f - 2.0f * reciprocal<L>(power_of_two<L>(x * (2 * LOG2_E)) + 1.0f);
    const V<L> z = x * x;
    V<L> p = z * -5.70498872745e-3f + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const V<L> near = x + x * z * p;
    return z < V<L>{} + 0.390625f ? near : far;  // |x| < 0.625
}

// ONNX's activations with closed forms that need nothing else; the caller runs the rest elsewhere.
enum Function : std::int64_t { SIGMOID, TANH, RELU, AFFINE, LEAKY_RELU, HARD_SIGMOID, SCALED_TANH, SOFTSIGN, THRESHOLDED_RELU };

struct Activation {
    std::int64_t function;
    float alpha, beta;
};

template <int L>
inline V<L> activated(const Activation& f, V<L> x) {
    const V<L> zero{}, one = zero + 1.0f;
    switch (f.function) {
        case SIGMOID: return sigmoid<L>(x);
        case TANH: return hyperbolic_tangent<L>(x);
        case RELU: return at_least<L>(x, zero);
        case AFFINE: return x * f.alpha + f.beta;
        case LEAKY_RELU: return x < zero ? x * f.alpha : x;
        case HARD_SIGMOID: return at_most<L>(at_least<L>(x * f.alpha + f.beta, zero), one);
        case SCALED_TANH: return hyperbolic_tangent<L>(x * f.beta) * f.alpha;
        case SOFTSIGN: return x / (one + at_least<L>(x, -x));
        default: return x > zero + f.alpha ? x : zero;
    }
}

}  // namespace
