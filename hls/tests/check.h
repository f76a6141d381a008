// SPDX-License-Identifier: Apache-2.0
/// \file check.h
/// \brief What the testbenches share: a generator, checks that count, and ports for both flavours.
#pragma once

#include <stdint.h>
#include <stdio.h>

#include <vector>

#ifndef SWM_COUNT_ITERATIONS
#error "compile testbenches with -DSWM_COUNT_ITERATIONS"
#endif
#include "swm/count.h"
#include "swm/ports.h"

namespace check {

__extension__ typedef __int128 wide;
typedef std::vector<long long> words;

inline int& failures() {
  static int count = 0;
  return count;
}

inline void that(bool ok, const char* what, long long a = 0, long long b = 0) {
  if (ok) return;
  if (++failures() <= 20) printf("FAILED: %s (%lld, %lld)\n", what, a, b);
}

/// Exit status of a testbench.
inline int result() {
  printf("%d checks failed\n", failures());
  return failures() == 0 ? 0 : 1;
}

inline uint64_t next() {
  static uint64_t state = 88172645463325252ULL;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

/// A signed value of `bits` bits: the two ends and their neighbours every fourth time.
inline long long value(int bits) {
  const uint64_t r = next();
  const long long high = bits == 64 ? INT64_MAX : static_cast<long long>((1ULL << (bits - 1)) - 1);
  const long long ends[] = {high, -high - 1, high - 1, -high, 0, -1, 1};
  if (r % 4 == 0) return ends[(r >> 8) % 7];
  return static_cast<long long>(next()) >> (64 - bits);
}

inline words values(int count, int bits) {
  words out;
  for (int i = 0; i < count; ++i) out.push_back(value(bits));
  return out;
}

inline wide clip(wide v, int bits) {
  const wide high = (wide(1) << (bits - 1)) - 1;
  return v > high ? high : v < -high - 1 ? -high - 1 : v;
}

/// floor(v / 2^shift + 1/2) by division, not by shifts.
inline wide round_to(wide v, int shift) {
  if (shift <= 0) return v * (wide(1) << -shift);
  const wide one = wide(1) << shift, sum = v + one / 2;
  return sum >= 0 ? sum / one : -((-sum + one - 1) / one);
}

/// Iterations of a process since the last call.
inline long long ticked(int process) {
  const long long count = swm::sim::ticks()[process];
  swm::sim::ticks()[process] = 0;
  return count;
}

/// Beats of N values between a testbench and a kernel.
template <class T, int N>
struct channel {
#ifdef SWM_VITIS
  typedef swm::vec<T, N> beat_t;
  hls::stream<beat_t> port;
  explicit channel(int /*room*/ = 0) {}
  void put(const words& values) {
    for (size_t at = 0; at < values.size(); at += N) {
      beat_t beat;
      for (int i = 0; i < N; ++i) beat.v[i] = T(at + i < values.size() ? values[at + i] : 0);
      port.write(beat);
    }
  }
  words take(int count) {
    words out;
    for (int at = 0; at < count; at += N) {
      const beat_t beat = port.read();
      for (int i = 0; i < N; ++i) out.push_back(static_cast<long long>(beat.v[i]));
    }
    that(port.empty(), "a kernel wrote too many beats");
    return out;
  }
#else
  std::vector<T> memory;
  T* port;
  /// Filled with a value that no kernel leaves behind, so that an unwritten place is seen.
  explicit channel(int room = 0) : memory(room + N, T(77)), port(memory.data()) {}
  void put(const words& values) {
    memory.assign((values.size() + N - 1) / N * N, T(0));
    for (size_t i = 0; i < values.size(); ++i) memory[i] = T(values[i]);
    port = memory.data();
  }
  words take(int count) {
    that(memory[(count + N - 1) / N * N] == T(77), "a kernel wrote behind its output");
    return words(memory.begin(), memory.begin() + (count + N - 1) / N * N);
  }
#endif
};

/// Copies words into a kernel's ROM or bias array.
template <class T>
void fill(T* target, const words& values) {
  for (size_t i = 0; i < values.size(); ++i) target[i] = T(values[i]);
}

}  // namespace check
