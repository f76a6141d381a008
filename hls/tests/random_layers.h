// SPDX-License-Identifier: Apache-2.0
/// \file random_layers.h
/// \brief Runs layers whose ROMs, biases and samples come from standard input; prints outputs and iterations.
///
/// tests/hls renders a file of many layer configurations on top of this and compares with the integer engine.
#pragma once

#include <iostream>

#include "check.h"
#include "swm/dense.h"
#include "swm/irfft.h"
#include "swm/rfft.h"
#include "swm/scale.h"
#include "swm/spectral_mac.h"

namespace check {

inline words read(int count) {
  words out(count);
  for (long long& v : out) {
    if (!(std::cin >> v)) {
      std::cerr << "standard input is too short\n";
      exit(2);
    }
  }
  return out;
}

inline void print(const words& values, int count) {
  for (int i = 0; i < count; ++i) std::cout << values[i] << ' ';
}

/// ROM, bias and samples of one layer, then `infer` on every sample.
template <class L, class Cfg, class Infer>
void layer(int outputs, Infer infer) {
  static typename L::weight_t rom[L::rom_depth][L::rom_lanes];
  static typename L::bias_t bias[L::bias_words];
  fill(&rom[0][0], read(L::rom_depth * L::rom_lanes));
  fill(bias, read(L::bias_words));
  const int samples = static_cast<int>(read(1)[0]);
  for (int s = 0; s < samples; ++s) {
    channel<typename L::in_t, Cfg::in_vec> in;
    channel<typename L::out_t, Cfg::out_vec> out(L::bias_words);
    in.put(read(Cfg::n));
    infer(rom, bias, in.port, out.port);
    print(out.take(L::bias_words), outputs);
  }
  for (int place = 0; place < 3; ++place) std::cout << ticked(4 * Cfg::id + place) / samples << ' ';
  std::cout << '\n';
}

template <class Cfg>
void circulant() {
  typedef swm::circulant<Cfg> L;
  layer<L, Cfg>(Cfg::m, [](auto& rom, auto& bias, auto& in, auto& out) {
    channel<typename L::spectrum_t, L::x_beat> spectra(L::fft_groups * Cfg::fft_lanes * Cfg::k);
    channel<typename L::rounded_t, L::a_beat> sums(L::mac_groups * Cfg::mac_blocks * Cfg::k);
    swm::rfft<Cfg>(in, spectra.port);
    swm::spectral_mac<Cfg>(rom, spectra.port, sums.port);
    swm::irfft<Cfg>(bias, sums.port, out);
  });
}

template <class Cfg>
void dense() {
  layer<swm::dense_layer<Cfg>, Cfg>(Cfg::m, [](auto& rom, auto& bias, auto& in, auto& out) {
    swm::dense<Cfg>(rom, bias, in, out);
  });
}

template <class Cfg>
void scale() {
  layer<swm::scale_layer<Cfg>, Cfg>(Cfg::n, [](auto& rom, auto& bias, auto& in, auto& out) {
    swm::scale<Cfg>(rom, bias, in, out);
  });
}

}  // namespace check
