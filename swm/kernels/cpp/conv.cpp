// SPDX-License-Identifier: Apache-2.0
// Block-circulant convolution over (output channel, input channel) in float32, for one block size, SWM_K.
//
// Pixels lie in vector lanes. A pixel's channels are transformed block by block, once; then every output pixel sums
// products over taps and input blocks in the frequency domain, and one inverse transform per output block follows.
//
// Strides: the padded input is parted into planes, one for each remainder of the pixel's coordinates by the strides
// (its phase). In its plane a tap is a constant offset from the output pixel, so lanes are neighbours in memory at every
// stride. A plane has `pw` columns, a few more than the output has; what is computed there is not stored.
//
// Spectra of a chunk of samples: [row f][phase][input block j][re, im][pitch], pixels of all its planes in a row.
// Weights, by groups of up to GROUP output blocks: [row f][tap][input block j][output of the group][three parts].

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "pool.h"
#include "transform.h"

extern "C" {

struct SwmConv {
    std::int64_t c, m, p, q;          // input and output channels, output and input blocks
    std::int64_t h, w, oh, ow;        // input and output pixels
    std::int64_t sy, sx, top, left;   // strides, padding in front
    std::int64_t phases, taps;
    std::int64_t ph, pw, pitch;       // a plane's rows and columns; floats from one part of a spectrum to the next
    std::int64_t group;               // samples in a chunk
    const std::int64_t *phase_y, *phase_x;  // first pixel of each phase in the padded input
    const std::int64_t* tap_at;             // floats from an output pixel to what each tap sees
    const float *weights, *bias;            // bias may be null
    std::int64_t relu;                      // whether max(y, 0) follows
};

}  // extern "C"

namespace {

constexpr int L = LANES;
constexpr int PARTS = 3;                   // numbers a weight: the three sums of a complex product in three real ones
constexpr int GROUP = 4;                  // output blocks that share the loaded pixels
constexpr int WIDE = LANES == 16 ? 2 : 1;  // vectors of pixels that share the broadcast weights: as registers allow

typedef V<L> Lanes;

struct Piece {  // lanes of a tile that are pixels of one output row
    int from, count;
    std::ptrdiff_t sample, to;
};

std::int64_t last_pixel(const SwmConv& s, std::int64_t samples) {
    return ((samples - 1) * s.ph + s.oh - 1) * s.pw + s.ow;
}

// Lanes that are no output pixel may look past the last plane: at memory, but at no number that is used.
std::ptrdiff_t spectra_floats(const SwmConv& s) {
    return N * s.phases * s.q * 2 * s.pitch + *std::max_element(s.tap_at, s.tap_at + s.taps) + WIDE * L;
}
std::ptrdiff_t scratch_floats(const SwmConv& s) {
    return round_up(K * s.pitch, L) + (2 * K + 2 * N * GROUP * WIDE + K * WIDE + 1) * L;
}

// One phase of K channels of a chunk: planes with their padding, then a transform at each pixel.
void enter(const SwmConv& s, const float* x, std::int64_t samples, std::int64_t j, std::int64_t phase, float* spectra, float* scratch) {
    float* planes = scratch;
    Lanes* data = reinterpret_cast<Lanes*>(scratch + round_up(K * s.pitch, L));
    std::memset(planes, 0, sizeof(float) * std::size_t(K * s.pitch));
    const std::int64_t dy = s.phase_y[phase] - s.top, dx = s.phase_x[phase] - s.left;
    const std::int64_t first = dx < 0 ? (-dx + s.sx - 1) / s.sx : 0;
    const std::int64_t end = std::min(s.pw, s.w > dx ? (s.w - dx + s.sx - 1) / s.sx : 0);
    const std::int64_t channels = std::min<std::int64_t>(K, s.c - j * K);
    for (std::int64_t channel = 0; channel < channels; ++channel) {
        for (std::int64_t n = 0; n < samples; ++n) {
            const float* image = x + (n * s.c + j * K + channel) * s.h * s.w;
            for (std::int64_t row = 0; row < s.ph; ++row) {
                const std::int64_t iy = row * s.sy + dy;
                if (iy < 0 || iy >= s.h) continue;
                const float* from = image + iy * s.w + dx;
                float* to = planes + channel * s.pitch + (n * s.ph + row) * s.pw;
                if (s.sx == 1) {
                    if (end > first) std::memcpy(to + first, from + first, sizeof(float) * std::size_t(end - first));
                } else {
                    for (std::int64_t col = first; col < end; ++col) to[col] = from[col * s.sx];
                }
            }
        }
    }
    const std::ptrdiff_t step = s.phases * s.q * 2 * s.pitch;
    float* to = spectra + (phase * s.q + j) * 2 * s.pitch;
    for (std::int64_t t = 0; t < s.pitch; t += L) {
        for (int r = 0; r < K; ++r) data[r] = load<L>(planes + r * s.pitch + t);
        forward<L>(data, data + K, to + t, step, s.pitch);
    }
}

// One spectral row of IB output blocks at TB vectors of pixels: sums over taps and input blocks, each complex product in
// three real ones (see product.h).
template <int TB, int IB, bool FIRST>
inline void accumulate(const SwmConv& s, const float* w, const float* x, Lanes* sums) {
    Lanes a[IB][TB], b[IB][TB], c[IB][TB];
    for (int i = 0; i < IB; ++i)
        for (int v = 0; v < TB; ++v) a[i][v] = b[i][v] = c[i][v] = Lanes{};
    for (std::int64_t tap = 0; tap < s.taps; ++tap) {
        const float* at = x + s.tap_at[tap];
        for (std::int64_t j = 0; j < s.q; ++j, at += 2 * s.pitch, w += PARTS * IB) {
            Lanes xr[TB], xi[TB], sum[TB];
            for (int v = 0; v < TB; ++v) {
                xr[v] = load<L>(at + v * L), xi[v] = load<L>(at + s.pitch + v * L);
                if constexpr (!FIRST) sum[v] = xr[v] + xi[v];
            }
            for (int i = 0; i < IB; ++i) {
                for (int v = 0; v < TB; ++v) {
                    if constexpr (FIRST) {
                        a[i][v] += xr[v] * w[PARTS * i], b[i][v] += xi[v] * w[PARTS * i + 1];
                    } else {
                        a[i][v] += sum[v] * w[PARTS * i];
                        b[i][v] += xr[v] * w[PARTS * i + 1];
                        c[i][v] += xi[v] * w[PARTS * i + 2];
                    }
                }
            }
        }
    }
    for (int i = 0; i < IB; ++i) {
        for (int v = 0; v < TB; ++v) {
            sums[2 * i * TB + v] = FIRST ? a[i][v] : a[i][v] - c[i][v];
            sums[(2 * i + 1) * TB + v] = FIRST ? b[i][v] : a[i][v] + b[i][v];
        }
    }
}

// IB output blocks from block i on, at TB vectors of pixels from pixel t on.
template <int TB, int IB>
void outputs(const SwmConv& s, const float* spectra, std::int64_t i, std::int64_t t, const Piece* pieces, int count, float* y, float* scratch) {
    Lanes* data = reinterpret_cast<Lanes*>(scratch + round_up(K * s.pitch, L));
    Lanes* sums = data + 2 * K;
    float* pixels = reinterpret_cast<float*>(sums + 2 * N * GROUP * WIDE);
    const float* w = s.weights + PARTS * i * N * s.taps * s.q;
    const std::ptrdiff_t row = s.phases * s.q * 2 * s.pitch, weights = s.taps * s.q * PARTS * IB;
    accumulate<TB, IB, true>(s, w, spectra + t, sums);
    for (int f = 1; f < N; ++f) accumulate<TB, IB, false>(s, w + f * weights, spectra + f * row + t, sums + f * 2 * IB * TB);
    const std::int64_t area = s.oh * s.ow;
    for (int a = 0; a < IB; ++a) {
        for (int b = 0; b < TB; ++b) {
            const float* from = reinterpret_cast<const float*>(sums + 2 * a * TB + b);
            const Lanes* done = inverse<L>(from, 2 * IB * TB * L, TB * L, data, data + K);
            for (int r = 0; r < K; ++r) store<L>(pixels + (r * TB + b) * L, done[r]);
        }
        const std::int64_t channel = (i + a) * K, channels = std::min<std::int64_t>(K, s.m - channel);
        for (std::int64_t r = 0; r < channels; ++r) {
            const float bias = s.bias ? s.bias[channel + r] : 0.0f;
            for (int n = 0; n < count; ++n) {
                const Piece& piece = pieces[n];
                float* to = y + (piece.sample * s.m + channel + r) * area + piece.to;
                for (int done = 0; done < piece.count; done += L) {
                    Lanes value = load<L>(pixels + r * TB * L + piece.from + done) + bias;
                    if (s.relu) value = value < Lanes{} ? Lanes{} : value;  // NaN stays NaN
                    store_first<L>(to + done, value, std::min(L, piece.count - done));
                }
            }
        }
    }
}

int pieces_of(const SwmConv& s, std::int64_t t, std::int64_t end, Piece* pieces) {
    int count = 0;
    for (std::int64_t at = t; at < end;) {
        const std::int64_t row = at / s.pw, col = at % s.pw, stop = std::min(end, (row + 1) * s.pw);
        const std::int64_t sample = row / s.ph, oy = row % s.ph, last = std::min(stop, row * s.pw + s.ow);
        if (oy < s.oh && at < last) pieces[count++] = {int(at - t), int(last - at), sample, oy * s.ow + col};
        at = stop;
    }
    return count;
}

template <int TB>
void tile_of_group(const SwmConv& s, const float* spectra, std::int64_t i, std::int64_t t, std::int64_t end, float* y, float* scratch) {
    Piece pieces[WIDE * L];
    const int count = pieces_of(s, t, std::min<std::int64_t>(end, t + TB * L), pieces);
    switch (std::min<std::int64_t>(GROUP, s.p - i)) {
        case 1: return outputs<TB, 1>(s, spectra, i, t, pieces, count, y, scratch);
        case 2: return outputs<TB, 2>(s, spectra, i, t, pieces, count, y, scratch);
        case 3: return outputs<TB, 3>(s, spectra, i, t, pieces, count, y, scratch);
        default: return outputs<TB, GROUP>(s, spectra, i, t, pieces, count, y, scratch);
    }
}

struct Chunk {
    const SwmConv& s;
    std::int64_t samples, end, tiles, groups;
    Chunk(const SwmConv& conv, std::int64_t of)
        : s(conv), samples(of), end(last_pixel(conv, of)), tiles((end + WIDE * L - 1) / (WIDE * L)), groups((conv.p + GROUP - 1) / GROUP) {}
    std::int64_t entries() const { return s.q * s.phases; }
    std::int64_t exits() const { return tiles * groups; }
    void entry(std::int64_t at, const float* x, float* spectra, float* scratch) const {
        enter(s, x, samples, at / s.phases, at % s.phases, spectra, scratch);
    }
    void exit(std::int64_t at, const float* spectra, float* y, float* scratch) const {
        const std::int64_t t = at / groups * WIDE * L, i = at % groups * GROUP;
        if (end - t > L) {
            tile_of_group<WIDE>(s, spectra, i, t, end, y, scratch);
        } else {
            tile_of_group<1>(s, spectra, i, t, end, y, scratch);
        }
    }
};

}  // namespace

extern "C" {

int swm_conv_lanes() { return L; }

// Floats of memory for a call, aligned to 64 bytes.
std::int64_t swm_conv_work(const SwmConv* s, std::int64_t threads) {
    return threads * (round_up(spectra_floats(*s), 16) + round_up(scratch_floats(*s), 16));
}

// x (batch, c, h, w) → y (batch, m, oh, ow). Chunks are shared out among the threads, or each chunk's work where there
// are fewer chunks than threads.
void swm_conv(const SwmConv* conv, const float* x, float* y, std::int64_t batch, std::int64_t threads, float* work) {
    const SwmConv& s = *conv;
    const std::ptrdiff_t spectra_size = round_up(spectra_floats(s), 16), scratch_size = round_up(scratch_floats(s), 16);
    const std::int64_t chunks = (batch + s.group - 1) / s.group;
    float* scratch = work + threads * spectra_size;
    const auto chunk_at = [&](std::int64_t n) { return Chunk(s, std::min(s.group, batch - n * s.group)); };
    const auto x_at = [&](std::int64_t n) { return x + n * s.group * s.c * s.h * s.w; };
    const auto y_at = [&](std::int64_t n) { return y + n * s.group * s.m * s.oh * s.ow; };
    if (chunks >= threads) {
        std::atomic<std::int64_t> next{0};
        swm::Pool::instance().run(int(threads), [&](int worker) {
            float *spectra = work + worker * spectra_size, *own = scratch + worker * scratch_size;
            for (std::int64_t n = next++; n < chunks; n = next++) {
                const Chunk chunk = chunk_at(n);
                for (std::int64_t e = 0; e < chunk.entries(); ++e) chunk.entry(e, x_at(n), spectra, own);
                for (std::int64_t e = 0; e < chunk.exits(); ++e) chunk.exit(e, spectra, y_at(n), own);
            }
        });
        return;
    }
    for (std::int64_t n = 0; n < chunks; ++n) {
        const Chunk chunk = chunk_at(n);
        std::atomic<std::int64_t> entry{0}, exit{0};
        swm::Pool::instance().run(int(threads), [&](int worker) {
            for (std::int64_t e = entry++; e < chunk.entries(); e = entry++)
                chunk.entry(e, x_at(n), work, scratch + worker * scratch_size);
        });
        swm::Pool::instance().run(int(threads), [&](int worker) {
            for (std::int64_t e = exit++; e < chunk.exits(); e = exit++)
                chunk.exit(e, work, y_at(n), scratch + worker * scratch_size);
        });
    }
}
}
