// SPDX-License-Identifier: Apache-2.0
// Runs kernels on vectors from standard input and prints every integer that crosses a port, beat after beat.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "swm/count.h"
#include "swm/dense.h"
#include "swm/irfft.h"
#include "swm/rfft.h"
#include "swm/scale.h"
#include "swm/spectral_mac.h"

typedef std::vector<long long> values;

inline values read_values(int count) {
  values out(count);
  for (long long& v : out) {
    if (std::scanf("%lld", &v) != 1) std::exit(4);
  }
  return out;
}

inline void print(const values& all) {
  for (long long v : all) std::printf("%lld ", v);
  std::printf("\n");
}

// A port of T in beats of N: a stream, or an array filled with rubbish so that a place left unwritten shows.
#ifdef SWM_VITIS
template <class T, int N, int Beats>
struct port {
  typedef hls::stream<swm::vec<T, N>> type;
  type stream;

  type& get() { return stream; }
  void fill(const values& all) {
    for (int beat = 0; beat < Beats; ++beat) {
      swm::vec<T, N> word;
      for (int i = 0; i < N; ++i) word.v[i] = T(all[beat * N + i]);
      stream.write(word);
    }
  }
  values drain() {
    values out;
    for (int beat = 0; beat < Beats; ++beat) {
      const swm::vec<T, N> word = stream.read();
      for (int i = 0; i < N; ++i) out.push_back(static_cast<long long>(word.v[i]));
    }
    if (!stream.empty()) std::exit(5);  // a beat too many would stay for the next sample
    return out;
  }
};
#else
template <class T, int N, int Beats>
struct port {
  T array[Beats * N + 1];

  port() {
    for (T& v : array) v = T(85);
  }
  T* get() { return array; }
  void fill(const values& all) {
    for (int i = 0; i < Beats * N; ++i) array[i] = T(all[i]);
  }
  values drain() {
    if (array[Beats * N] != T(85)) std::exit(5);  // written beyond the last beat
    return values(array, array + Beats * N);
  }
};
#endif

inline values padded(values x, int size) {
  x.resize(size, 0);
  return x;
}

inline void check_repeat(const values& once, const values& again) {
  if (once != again) std::exit(3);  // something survived from the run before
}

template <class Cfg, class Weights, class Bias>
void run_circulant(const Weights& weights, const Bias& bias, int samples) {
  typedef swm::circulant<Cfg> L;
  for (int sample = 0; sample < samples; ++sample) {
    const values x = padded(read_values(Cfg::n), L::in_beats * Cfg::in_vec);
    values seen[2][3];
    for (int again = 0; again < 2; ++again) {
      port<typename L::in_t, Cfg::in_vec, L::in_beats> in;
      port<typename L::spectrum_t, L::x_beat, L::fft_groups * L::units> spectra;
      port<typename L::rounded_t, L::a_beat, L::mac_groups * L::word_groups> sums;
      port<typename L::out_t, Cfg::out_vec, L::out_beats> out;
      in.fill(x);
      auto&& i = in.get();
      auto&& f = spectra.get();
      auto&& a = sums.get();
      auto&& y = out.get();
      swm::rfft<Cfg>(i, f);
      seen[again][0] = spectra.drain();
      spectra.fill(seen[again][0]);
      swm::spectral_mac<Cfg>(weights, f, a);
      seen[again][1] = sums.drain();
      sums.fill(seen[again][1]);
      swm::irfft<Cfg>(bias, a, y);
      seen[again][2] = out.drain();
    }
    for (int stage = 0; stage < 3; ++stage) {
      check_repeat(seen[0][stage], seen[1][stage]);
      print(seen[0][stage]);
    }
  }
  const long long* ticks = swm::sim::ticks() + 4 * Cfg::id;
  const long long formulas[3] = {L::rfft_iterations, L::mac_iterations, L::irfft_iterations};
  for (int process = 0; process < 3; ++process) {
    if (ticks[process] != 2 * samples * formulas[process]) std::exit(6);  // the traits promise something else
  }
  print(values{formulas[0], formulas[1], formulas[2]});
}

template <class Cfg, class L, class Kernel>
void run_simple(Kernel kernel, int samples) {
  const int in_beats = swm::ceil_div(Cfg::n, Cfg::in_vec), out_beats = swm::ceil_div(Cfg::m, Cfg::out_vec);
  for (int sample = 0; sample < samples; ++sample) {
    const values x = padded(read_values(Cfg::n), in_beats * Cfg::in_vec);
    values seen[2];
    for (values& y : seen) {
      port<typename L::in_t, Cfg::in_vec, swm::ceil_div(Cfg::n, Cfg::in_vec)> in;
      port<typename L::out_t, Cfg::out_vec, swm::ceil_div(Cfg::m, Cfg::out_vec)> out;
      in.fill(x);
      auto&& i = in.get();
      auto&& o = out.get();
      kernel(i, o);
      y = out.drain();
    }
    check_repeat(seen[0], seen[1]);
    print(seen[0]);
  }
  if (swm::sim::ticks()[4 * Cfg::id] != 2LL * samples * L::iterations) std::exit(6);
  print(values{L::iterations});
  static_cast<void>(out_beats);
}
