// SPDX-License-Identifier: Apache-2.0
// The machine's limits as one thread reaches them: multiply-adds in registers, and reading of memory.

#include <cstddef>
#include <cstdint>

#if defined(__AVX512F__)
#define SWM_BYTES 64
#elif defined(__AVX__)
#define SWM_BYTES 32
#else
#define SWM_BYTES 16
#endif

typedef float V __attribute__((vector_size(SWM_BYTES)));

extern "C" {

// `rounds` times twelve independent chains of multiply-adds; returns how many floating-point operations that was.
double swm_probe_fma(std::int64_t rounds, float* sink) {
    V a[12];
    for (int i = 0; i < 12; ++i) a[i] = V{} + float(i);
    V b = V{} + 0.999f, c = V{} + 0.001f;
    asm volatile("" : "+x"(b), "+x"(c));
    for (std::int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) a[i] = a[i] * b + c;
    }
    V sum{};
    for (int i = 0; i < 12; ++i) sum += a[i];
    *sink = sum[0];
    return double(rounds) * 12 * (sizeof(V) / sizeof(float)) * 2;
}

// Adds up `bytes` (a multiple of 1024) at an aligned address, `rounds` times.
void swm_probe_read(const float* from, std::int64_t bytes, std::int64_t rounds, float* sink) {
    const V* at = reinterpret_cast<const V*>(from);
    const std::int64_t vectors = bytes / std::int64_t(sizeof(V));
    V sum[8] = {};
    for (std::int64_t r = 0; r < rounds; ++r) {
        for (std::int64_t i = 0; i < vectors; i += 8) {
#pragma GCC unroll 8
            for (int j = 0; j < 8; ++j) sum[j] += at[i + j];
        }
        asm volatile("" ::: "memory");
    }
    V total{};
    for (int j = 0; j < 8; ++j) total += sum[j];
    *sink = total[0];
}
}
