// SPDX-License-Identifier: Apache-2.0
// One layer of the fixed-point network (docs/arithmetic.md), bit for bit, for one block size SWM_K (1: dense, scale), and
// convolutions: the same layer on what the kernel sees at each output position.
//
// Integers are kept in float64, samples in vector lanes. That is exact as long as every value stays below 2^53, which
// the caller proves from the layer's widths before it comes here (swm/accelerator/integers_compiled.py): sums and products are
// then exact, fused or not, and round_shift(v, s) = floor(v 2^-s + 1/2) has no rounding in it either.
//
// Values of a layer: [tile][value][LANES]. Weights: circulant [word f][output block][input block][re, im]; dense [m][n];
// depthwise [channel][tap]. The input blocks, and the n values, of a convolution are those of all taps, tap after tap.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#ifndef SWM_K
#error "compile with -DSWM_K=<block size>, or 1 for dense and scale layers"
#endif

namespace {

constexpr int K = SWM_K;
constexpr int WORDS = K > 1 ? K / 2 : 1;
constexpr int STAGES = K == 1 ? 0 : K == 2 ? 1 : K == 4 ? 2 : K == 8 ? 3 : K == 16 ? 4 : K == 32 ? 5 : K == 64 ? 6 : K == 128 ? 7 : 8;
constexpr int QUARTER = K >= 4 ? K / 4 : 1;
constexpr int TWIDDLE_FRAC = 16;

#if defined(__AVX512F__)
constexpr int LANES = 8;
#elif defined(__AVX__)
constexpr int LANES = 4;
#else
constexpr int LANES = 2;
#endif

typedef double V __attribute__((vector_size(8 * LANES)));
typedef long long M __attribute__((vector_size(8 * LANES)));

inline V floored(V v) {
#if defined(__AVX512F__)
    return V(_mm512_maskz_roundscale_pd(0xff, __m512d(v), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
#elif defined(__AVX__)
    return V(_mm256_floor_pd(__m256d(v)));
#else
    for (int l = 0; l < LANES; ++l) v[l] = std::floor(v[l]);
    return v;
#endif
}

// round_shift of the contract: `scale` is 2^-shift. A shift of zero or below multiplies, and floor changes nothing.
struct Round {
    double scale, half;
    explicit Round(int shift) : scale(std::ldexp(1.0, -shift)), half(shift > 0 ? 0.5 : 0.0) {}
    V operator()(V v) const { return floored(v * scale + half); }
};

template <int SHIFT>
inline V shifted(V v) {
    if constexpr (SHIFT == 0) {
        return v;
    } else {
        return floored(v * (1.0 / double(1LL << SHIFT)) + 0.5);
    }
}

struct Saturate {
    double low, high;
    explicit Saturate(int bits) : low(-std::ldexp(1.0, bits - 1)), high(std::ldexp(1.0, bits - 1) - 1) {}
    V operator()(V v, M valid, M& lost) const {
        const V lo = V{} + low, hi = V{} + high;
        lost -= ((v < lo) | (v > hi)) & valid;
        v = v < lo ? lo : v;
        return v > hi ? hi : v;
    }
};

struct Twiddles {
    double c[QUARTER], s[QUARTER];
    Twiddles() {
        for (int t = 0; t < QUARTER; ++t) {
            const double angle = 2 * 3.14159265358979323846 * t / K;
            c[t] = std::floor(std::cos(angle) * (1 << TWIDDLE_FRAC) + 0.5);
            s[t] = std::floor(std::sin(angle) * (1 << TWIDDLE_FRAC) + 0.5);
        }
    }
};
const Twiddles twiddle;

struct Word {
    V re, im;
};

// ---------------------------------------------------------------- section 2: forward transform

template <int N, int SHIFT>
inline void forward_stage(const Word* from, Word* to) {
    for (int u = 0; u < K / 4; ++u) {
        const int i = u % (N / 4), base = 2 * (u - i);
        const Word e = from[u], o = from[u + K / 4];
        if (i == 0) {
            to[base] = {shifted<SHIFT>(e.re + o.re), shifted<SHIFT>(e.re - o.re)};
            to[base + N / 4] = {shifted<SHIFT>(e.im), shifted<SHIFT>(-o.im)};
        } else {
            const double c = twiddle.c[i * (K / N)], s = twiddle.s[i * (K / N)];
            const V re = shifted<TWIDDLE_FRAC>(o.re * c + o.im * s), im = shifted<TWIDDLE_FRAC>(o.im * c - o.re * s);
            to[base + i] = {shifted<SHIFT>(e.re + re), shifted<SHIFT>(e.im + im)};
            to[base + N / 2 - i] = {shifted<SHIFT>(e.re - re), shifted<SHIFT>(im - e.im)};
        }
    }
}

template <int STAGE, int SHIFTS>
inline const Word* forward_stages(Word* data, Word* spare) {
    if constexpr (STAGE > STAGES) {
        return data;
    } else {
        forward_stage<(1 << STAGE), (STAGE > STAGES - SHIFTS)>(data, spare);
        return forward_stages<STAGE + 1, SHIFTS>(spare, data);
    }
}

template <int SHIFTS>
inline const Word* forward(const V* x, Word* data, Word* spare) {
    if constexpr (K == 2) {
        data[0] = {x[0] + x[1], x[0] - x[1]};
        return data;
    } else {
        constexpr int H = std::max(0, 2 - (STAGES - SHIFTS));
        for (int u = 0; u < K / 4; ++u) {
            const V a = x[u] + x[u + K / 2], b = x[u] - x[u + K / 2];
            const V c = x[u + K / 4] + x[u + 3 * K / 4], d = x[u + K / 4] - x[u + 3 * K / 4];
            data[2 * u] = {shifted<H>(a + c), shifted<H>(a - c)};
            data[2 * u + 1] = {shifted<H>(b), shifted<H>(-d)};
        }
        return forward_stages<3, SHIFTS>(data, spare);
    }
}

// ---------------------------------------------------------------- section 4: inverse transform

template <int N, int HALVE>
inline void inverse_stage(const Word* from, Word* to) {
    for (int u = 0; u < K / 4; ++u) {
        const int i = u % (N / 4), base = 2 * (u - i);
        const Word x = from[base + i], y = from[base + (i == 0 ? N / 4 : N / 2 - i)];
        if (i == 0) {
            to[u] = {shifted<HALVE>(x.re + x.im), shifted<HALVE>(2.0 * y.re)};
            to[u + K / 4] = {shifted<HALVE>(x.re - x.im), shifted<HALVE>(-2.0 * y.im)};
        } else {
            const double c = twiddle.c[i * (K / N)], s = twiddle.s[i * (K / N)];
            const V re = x.re - y.re, im = x.im + y.im;
            to[u] = {shifted<HALVE>(x.re + y.re), shifted<HALVE>(x.im - y.im)};
            to[u + K / 4] = {shifted<TWIDDLE_FRAC + HALVE>(re * c - im * s), shifted<TWIDDLE_FRAC + HALVE>(im * c + re * s)};
        }
    }
}

template <int STAGE, int HALVINGS>
inline const Word* inverse_stages(Word* data, Word* spare) {
    if constexpr (STAGE <= 2) {
        return data;
    } else {
        inverse_stage<(1 << STAGE), (STAGES - STAGE < HALVINGS)>(data, spare);
        return inverse_stages<STAGE - 1, HALVINGS>(spare, data);
    }
}

template <int SHIFTS>
inline void inverse(Word* data, Word* spare, V* y) {
    constexpr int HALVINGS = STAGES - SHIFTS;
    if constexpr (K == 2) {
        y[0] = shifted<HALVINGS>(data[0].re + data[0].im);
        y[1] = shifted<HALVINGS>(data[0].re - data[0].im);
    } else {
        constexpr int H = std::min(2, std::max(0, HALVINGS - (STAGES - 2)));
        const Word* z = inverse_stages<STAGES, HALVINGS>(data, spare);
        for (int u = 0; u < K / 4; ++u) {
            const Word a = z[2 * u], b = z[2 * u + 1];
            const V sum = a.re + a.im, difference = a.re - a.im;
            y[u] = shifted<H>(sum + 2.0 * b.re), y[u + K / 4] = shifted<H>(difference - 2.0 * b.im);
            y[u + K / 2] = shifted<H>(sum - 2.0 * b.re), y[u + 3 * K / 4] = shifted<H>(difference + 2.0 * b.im);
        }
    }
}

// ---------------------------------------------------------------- section 3: products; section 5: finish

template <int IB, bool FIRST>
inline void accumulate(const double* w, std::ptrdiff_t q, const Word* x, Word* sums) {
    V re[IB], im[IB];
    for (int i = 0; i < IB; ++i) re[i] = V{}, im[i] = V{};
    for (std::ptrdiff_t j = 0; j < q; ++j) {
        const V xr = x[j].re, xi = x[j].im;
        for (int i = 0; i < IB; ++i) {
            const double wr = w[2 * (i * q + j)], wi = w[2 * (i * q + j) + 1];
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
    for (int i = 0; i < IB; ++i) sums[i] = {re[i], im[i]};
}

// ROWS rows of a dense matrix on TILES tiles, `step` apart: weights are read once for all of them.
template <int ROWS, int TILES>
inline void dot(const double* w, std::ptrdiff_t n, const V* x, std::ptrdiff_t step, V (*sums)[TILES]) {
    V sum[ROWS][TILES];
    for (int i = 0; i < ROWS; ++i)
        for (int t = 0; t < TILES; ++t) sum[i][t] = V{};
    for (std::ptrdiff_t c = 0; c < n; ++c)
        for (int t = 0; t < TILES; ++t) {
            const V value = x[t * step + c];
            for (int i = 0; i < ROWS; ++i) sum[i][t] += value * w[i * n + c];
        }
    for (int i = 0; i < ROWS; ++i)
        for (int t = 0; t < TILES; ++t) sums[i][t] = sum[i][t];
}

}  // namespace

extern "C" {

struct SwmLayer {
    std::int64_t kind;  // 0 circulant, 1 dense, 2 scale, 3 depthwise (n: taps times channels)
    std::int64_t m, n, p, q;
    std::int64_t fft_shifts, acc_shift, rounded_bits;
    std::int64_t activation;  // 0 identity, 1 relu, 2 clip, 3 ramp, 4 leaky, 5 table, 6 steps (swm/layers/curves.py)
    std::int64_t plain_shift, out_bits;
    std::int64_t input_shift, input_bits, out_shift;  // what follows is 0 where the activation has none
    std::int64_t low, high;
    std::int64_t slope, offset;  // the offset at the binary point of the product
    std::int64_t first, last, step_bits, lines, rectified, base_shift;
    std::int64_t width, width_shift;
    const double *weights, *bias, *starts, *rises;
};

}  // extern "C"

namespace {

enum { IDENTITY, RELU, CLIP, RAMP, LEAKY, TABLE, STEPS };

inline V clipped(V v, double low, double high) {
    const V lo = V{} + low, hi = V{} + high;
    v = v < lo ? lo : v;
    return v > hi ? hi : v;
}

class Finish {
  public:
    explicit Finish(const SwmLayer& l)
        : layer_(l), plain_(int(l.plain_shift)), narrow_(int(l.input_shift)), curve_(int(l.out_shift)), saturate_(int(l.out_bits)),
          limit_(std::ldexp(1.0, int(l.input_bits) - 1)), step_(std::ldexp(1.0, l.lines ? int(l.step_bits) : 0)),
          base_(std::ldexp(1.0, int(l.base_shift))), step_width_(int(l.width_shift)) {}

    V operator()(V sum, std::ptrdiff_t row, M valid, M& lost) const {
        return saturate_(activated(sum + layer_.bias[row]), valid, lost);
    }

  private:
    V activated(V v) const {
        switch (layer_.activation) {
            case RELU: return plain_(v < V{} ? V{} : v);
            case CLIP: return clipped(plain_(v), double(layer_.low), double(layer_.high));
            case RAMP: return ramp(v);
            case LEAKY: {
                const V below = ramp(v), above = plain_(v);
                return v < V{} ? below : above;
            }
            case TABLE: return curve_(looked_up(narrowed(v)));
            case STEPS: return step_width_(ramp(v) * double(layer_.width));
            default: return plain_(v);
        }
    }

    V narrowed(V v) const { return clipped(narrow_(v), -limit_, limit_ - 1); }

    V ramp(V v) const {
        return clipped(curve_(narrowed(v) * double(layer_.slope) + double(layer_.offset)), double(layer_.low), double(layer_.high));
    }

    V looked_up(V z) const {
        const std::int64_t mask = layer_.lines ? (std::int64_t(1) << layer_.step_bits) - 1 : 0;
        const V inside = clipped(z, double(layer_.first), double(layer_.last)) - double(layer_.first);
        V value;
        for (int l = 0; l < LANES; ++l) {
            const std::int64_t at = std::int64_t(inside[l]), i = at >> layer_.step_bits;
            value[l] = layer_.starts[i] * step_ + layer_.rises[i] * double(at & mask);
        }
        return layer_.rectified ? value + (z < V{} ? V{} : z) * base_ : value;
    }

    const SwmLayer& layer_;
    Round plain_, narrow_, curve_;
    Saturate saturate_;
    double limit_, step_, base_;
    Round step_width_;
};

#if SWM_K > 1

// n values, zeros behind them to q blocks → spectra [word][q]
template <int SHIFTS>
void transform(const V* x, std::ptrdiff_t n, std::ptrdiff_t q, Word* spectra) {
    Word data[K], spare[K];
    V padded[K];
    for (std::ptrdiff_t j = 0; j < q; ++j) {
        const V* block = x + j * K;
        if ((j + 1) * K > n) {
            for (int c = 0; c < K; ++c) padded[c] = j * K + c < n ? block[c] : V{};
            block = padded;
        }
        const Word* done = forward<SHIFTS>(block, data, spare);
        for (int f = 0; f < WORDS; ++f) spectra[f * q + j] = done[f];
    }
}

// spectra [word][q] → m outputs; room for [word][p] sums behind the spectra
template <int SHIFTS>
void multiply(const SwmLayer& l, Word* inputs, V* y, M valid, M* lost) {
    const std::ptrdiff_t p = l.p, q = l.q;
    Word* sums = inputs + WORDS * q;
    Word data[K], spare[K];
    for (int f = 0; f < WORDS; ++f) {
        std::ptrdiff_t i = 0;
        const double* w = l.weights + 2 * p * q * f;
        for (; i + 4 <= p; i += 4) {
            if (f == 0) {
                accumulate<4, true>(w + 2 * i * q, q, inputs, sums + i);
            } else {
                accumulate<4, false>(w + 2 * i * q, q, inputs + f * q, sums + f * p + i);
            }
        }
        for (; i < p; ++i) {
            if (f == 0) {
                accumulate<1, true>(w + 2 * i * q, q, inputs, sums + i);
            } else {
                accumulate<1, false>(w + 2 * i * q, q, inputs + f * q, sums + f * p + i);
            }
        }
    }
    const Round round(int(l.acc_shift));
    const Saturate saturate(int(l.rounded_bits));
    const Finish finish(l);
    V values[K];
    for (std::ptrdiff_t i = 0; i < p; ++i) {
        for (int f = 0; f < WORDS; ++f) {
            const Word sum = sums[f * p + i];
            data[f] = {saturate(round(sum.re), valid, lost[0]), saturate(round(sum.im), valid, lost[0])};
        }
        inverse<SHIFTS>(data, spare, values);
        const std::ptrdiff_t rows = std::min<std::ptrdiff_t>(K, l.m - i * K);
        for (std::ptrdiff_t r = 0; r < rows; ++r) y[i * K + r] = finish(values[r], i * K + r, valid, lost[1]);
    }
}

template <int SHIFTS>
void circulant(const SwmLayer& l, const V* x, V* y, M valid, Word* work, M* lost) {
    transform<SHIFTS>(x, l.n, l.q, work);
    multiply<SHIFTS>(l, work, y, valid, lost);
}

#endif

#if SWM_K == 1

template <int ROWS, int TILES>
inline void rows_of(const SwmLayer& l, const Finish& finish, std::ptrdiff_t r, const V* x, V* y, const M* valid, M* lost) {
    V sums[ROWS][TILES];
    dot<ROWS, TILES>(l.weights + r * l.n, l.n, x, l.n, sums);
    for (int i = 0; i < ROWS; ++i)
        for (int t = 0; t < TILES; ++t) y[t * l.m + r + i] = finish(sums[i][t], r + i, valid[t], lost[1]);
}

template <int TILES>
void dense(const SwmLayer& l, const V* x, V* y, const M* valid, M* lost) {
    constexpr int ROWS = TILES > 1 ? 4 : 8;
    const Finish finish(l);
    std::ptrdiff_t r = 0;
    for (; r + ROWS <= l.m; r += ROWS) rows_of<ROWS, TILES>(l, finish, r, x, y, valid, lost);
    for (; r < l.m; ++r) rows_of<1, TILES>(l, finish, r, x, y, valid, lost);
}

#endif

// How many tiles a dense layer takes at a time.
constexpr int TILES = K == 1 ? 4 : 1;

void one_tile(const SwmLayer& l, const V* x, V* y, M valid, Word* work, M* lost) {
#if SWM_K > 1
    if (l.fft_shifts == 0) {
        circulant<0>(l, x, y, valid, work, lost);
    } else {
        circulant<STAGES / 2>(l, x, y, valid, work, lost);
    }
#else
    (void)work;
    const Finish finish(l);
    if (l.kind == 2) {
        for (std::ptrdiff_t c = 0; c < l.m; ++c) y[c] = finish(x[c] * l.weights[c], c, valid, lost[1]);
        return;
    }
    if (l.kind == 3) {
        const std::ptrdiff_t taps = l.n / l.m;
        for (std::ptrdiff_t c = 0; c < l.m; ++c) {
            V sum = {};
            for (std::ptrdiff_t t = 0; t < taps; ++t) sum += x[t * l.m + c] * l.weights[c * taps + t];
            y[c] = finish(sum, c, valid, lost[1]);
        }
        return;
    }
    dense<1>(l, x, y, &valid, lost);
#endif
}

// One tile, or TILES of a dense layer.
void several(const SwmLayer& l, int tiles, const V* x, V* y, const M* valid, Word* work, M* lost) {
#if SWM_K == 1
    if (tiles > 1) return dense<TILES>(l, x, y, valid, lost);
#endif
    (void)tiles;
    one_tile(l, x, y, valid[0], work, lost);
}

// ---------------------------------------------------------------- convolutions

// What a position takes in memory between the phases of a convolution, in doubles: its values, or its spectra.
std::ptrdiff_t kept(const SwmLayer& l, std::ptrdiff_t taps) { return K == 1 ? l.n / taps : 2 * WORDS * (l.q / taps); }

#if SWM_K > 1
template <int SHIFTS>
void keep(const SwmLayer& l, const std::int64_t* x, std::ptrdiff_t tokens, std::ptrdiff_t channels, std::ptrdiff_t q, V* lanes, double* to) {
    Word* spectra = reinterpret_cast<Word*>(lanes + channels);
    (void)l;
    for (std::ptrdiff_t s = 0; s < tokens; s += LANES) {
        const std::ptrdiff_t rows = std::min<std::ptrdiff_t>(LANES, tokens - s);
        for (std::ptrdiff_t c = 0; c < channels; ++c)
            for (int i = 0; i < LANES; ++i) lanes[c][i] = i < rows ? double(x[(s + i) * channels + c]) : 0.0;
        transform<SHIFTS>(lanes, channels, q, spectra);
        for (std::ptrdiff_t i = 0; i < rows; ++i)
            for (std::ptrdiff_t w = 0; w < WORDS * q; ++w) {
                *to++ = spectra[w].re[i];
                *to++ = spectra[w].im[i];
            }
    }
}
#endif

// One tile of what the kernel sees, lanes from as many positions.
void gather(const double* const (*from)[LANES], std::ptrdiff_t taps, std::ptrdiff_t each, V* to) {
#if SWM_K == 1
    for (std::ptrdiff_t t = 0; t < taps; ++t)
        for (std::ptrdiff_t c = 0; c < each; ++c, ++to)
            for (int i = 0; i < LANES; ++i) (*to)[i] = from[t][i][c];
#else
    const std::ptrdiff_t q = each / (2 * WORDS);
    for (int f = 0; f < WORDS; ++f)
        for (std::ptrdiff_t t = 0; t < taps; ++t)
            for (std::ptrdiff_t c = 2 * f * q; c < 2 * (f + 1) * q; ++c, ++to)
                for (int i = 0; i < LANES; ++i) (*to)[i] = from[t][i][c];
#endif
}

}  // namespace

extern "C" {

std::int64_t swm_fixed_lanes() { return LANES; }

// Doubles of scratch memory for one call, aligned to 64 bytes.
std::int64_t swm_fixed_work(std::int64_t p, std::int64_t q) { return 2 * LANES * WORDS * (p + q); }

// x (samples, n) int64 → [tile][n][LANES], a rest filled with zeros.
void swm_fixed_enter(const std::int64_t* x, std::int64_t samples, std::int64_t n, double* to) {
    for (std::int64_t s = 0; s < samples; s += LANES) {
        const std::int64_t rows = std::min<std::int64_t>(LANES, samples - s);
        for (std::int64_t c = 0; c < n; ++c)
            for (std::int64_t l = 0; l < LANES; ++l) *to++ = l < rows ? double(x[(s + l) * n + c]) : 0.0;
    }
}

void swm_fixed_leave(const double* from, std::int64_t samples, std::int64_t m, std::int64_t* y) {
    for (std::int64_t s = 0; s < samples; s += LANES, from += m * LANES) {
        const std::int64_t rows = std::min<std::int64_t>(LANES, samples - s);
        for (std::int64_t l = 0; l < rows; ++l)
            for (std::int64_t c = 0; c < m; ++c) y[(s + l) * m + c] = std::int64_t(from[c * LANES + l]);
    }
}

// One layer on samples already in lanes. lost[0] += saturated sums, lost[1] += saturated outputs.
void swm_fixed_layer(const SwmLayer* layer, const double* x, double* y, std::int64_t samples, double* work, std::int64_t* lost) {
    M lanes[2] = {};
    const V* from = reinterpret_cast<const V*>(x);
    V* to = reinterpret_cast<V*>(y);
    for (std::int64_t s = 0; s < samples;) {
        const int tiles = layer->kind == 1 && s + (TILES - 1) * LANES < samples ? TILES : 1;
        M valid[TILES];
        // a comparison gives -1 in a lane, and subtracting it counts one
        for (int t = 0; t < tiles; ++t)
            for (int l = 0; l < LANES; ++l) valid[t][l] = s + t * LANES + l < samples ? -1 : 0;
        several(*layer, tiles, from + s / LANES * layer->n, to + s / LANES * layer->m, valid, reinterpret_cast<Word*>(work), lanes);
        s += tiles * LANES;
    }
    for (int i = 0; i < 2; ++i)
        for (int l = 0; l < LANES; ++l) lost[i] += lanes[i][l];
}

// The same of a convolution over `positions` positions of `channels` channels a frame, with `taps` taps a kernel.
std::int64_t swm_fixed_conv_work(const SwmLayer* l, std::int64_t frames, std::int64_t positions, std::int64_t channels, std::int64_t taps) {
    const std::int64_t each = kept(*l, taps), seen = K == 1 ? TILES * l->n : 2 * WORDS * (l->q + l->p);
    return (frames * positions + 1) * each + 8 + LANES * (std::max(seen, channels + 2 * WORDS * (l->q / taps)) + TILES * l->m) + LANES * taps;
}

// x (frames, positions, channels) → y (frames, outputs, m). index[output][tap]: the position that a tap sees, -1: none, and zeros.
void swm_fixed_conv(const SwmLayer* layer, const std::int64_t* x, std::int64_t frames, std::int64_t positions, std::int64_t channels,
                    const std::int32_t* index, std::int64_t outputs, std::int64_t taps, double* work, std::int64_t* y,
                    std::int64_t* lost) {
    const SwmLayer& l = *layer;
    const std::ptrdiff_t each = kept(l, taps), inputs = frames * positions, tokens = frames * outputs;
    const std::ptrdiff_t seen = K == 1 ? TILES * l.n : 2 * WORDS * (l.q + l.p);
    V* lanes = reinterpret_cast<V*>(work);
    V* out = lanes + std::max<std::ptrdiff_t>(seen, channels + 2 * WORDS * (l.q / taps));
    const double*(*from)[LANES] = reinterpret_cast<const double*(*)[LANES]>(out + TILES * l.m);
    double* memory = reinterpret_cast<double*>(from + taps);
    double* nothing = memory + inputs * each;
    std::fill(nothing, nothing + each, 0.0);
#if SWM_K == 1
    for (std::ptrdiff_t i = 0; i < inputs * channels; ++i) memory[i] = double(x[i]);
#else
    if (l.fft_shifts == 0) {
        keep<0>(l, x, inputs, channels, l.q / taps, lanes, memory);
    } else {
        keep<STAGES / 2>(l, x, inputs, channels, l.q / taps, lanes, memory);
    }
#endif
    M lost_in[2] = {};
    for (std::ptrdiff_t s = 0; s < tokens;) {
        const int tiles = l.kind == 1 && s + (TILES - 1) * LANES < tokens ? TILES : 1;
        M valid[TILES];
        for (int tile = 0; tile < tiles; ++tile) {
            for (int i = 0; i < LANES; ++i) {
                const std::ptrdiff_t place = s + tile * LANES + i, token = std::min<std::ptrdiff_t>(place, tokens - 1);
                const std::ptrdiff_t frame = token / outputs;
                const std::int32_t* at = index + (token - frame * outputs) * taps;
                valid[tile][i] = place < tokens ? -1 : 0;
                for (std::ptrdiff_t t = 0; t < taps; ++t) from[t][i] = at[t] < 0 ? nothing : memory + (frame * positions + at[t]) * each;
            }
            gather(from, taps, each, lanes + tile * l.n);
        }
#if SWM_K == 1
        several(l, tiles, lanes, out, valid, nullptr, lost_in);
#else
        if (l.fft_shifts == 0) {
            multiply<0>(l, reinterpret_cast<Word*>(lanes), out, valid[0], lost_in);
        } else {
            multiply<STAGES / 2>(l, reinterpret_cast<Word*>(lanes), out, valid[0], lost_in);
        }
#endif
        for (int tile = 0; tile < tiles; ++tile)
            for (std::ptrdiff_t i = 0; i < LANES && s + tile * LANES + i < tokens; ++i)
                for (std::ptrdiff_t r = 0; r < l.m; ++r) *y++ = std::int64_t(out[tile * l.m + r][i]);
        s += tiles * LANES;
    }
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < LANES; ++j) lost[i] += lost_in[i][j];
}
}
