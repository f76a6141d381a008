// SPDX-License-Identifier: Apache-2.0
/// \file circulant_config.h
/// \brief A block-circulant layer by numbers, and where its spectral words and weights stand.
#pragma once

#include "swm/circulant.h"
#include "swm/finish.h"

/// The layer itself: shapes, widths, beats.
template <int M, int N, int K, int Bits, int WeightBits, int Shifts, int InVec, int OutVec, int AccShift = 0, int OutBits = 18,
          int OutShift = 0, class Activation = swm::identity>
struct shape {
  static constexpr int tick = 12, m = M, n = N, k = K;
  static constexpr int in_bits = Bits, weight_bits = WeightBits, bias_bits = Bits + 5 + Shifts, out_bits = OutBits;
  static constexpr int fft_shifts = Shifts, acc_shift = AccShift, out_shift = OutShift;
  static constexpr int in_vec = InVec, out_vec = OutVec;
  typedef Activation activation;
};

/// With its multipliers. By default the fewest that the beats allow.
template <class Shape, int Rows = swm::max_of(1, Shape::out_vec / (Shape::k <= 16 ? Shape::k : 4)),
          int Columns = swm::max_of(1, Shape::in_vec / (Shape::k <= 16 ? Shape::k : 4)),
          int Bins = Shape::k <= 16 ? Shape::k / 2 : 2, int Products = Shape::weight_bits == 18 ? 4 : 3, int Banks = 1,
          int FabricRows = 0, int Packed = 0>
struct config : Shape {
  static constexpr int mac_rows = Rows, mac_columns = Columns, mac_bins = Bins, products = Products;
  static constexpr int rom_banks = Banks, rom_lanes = Rows * Columns * Bins * 2 / Banks;
  static constexpr int fabric_rows = FabricRows, packed = Packed;
};

/// With the blocks of several taps in a beat of spectra.
template <class Layer, int Taps>
struct side_by_side : Layer {
  static constexpr int beat_taps = Taps;
};

/// The word that stands at a position: natural order, or unit order from k = 32 on.
template <class Cfg>
int word_at(int position) {
  if (Cfg::k <= 16 || position % 2 == 0) return Cfg::k <= 16 ? position : position / 2;
  return position == 1 ? Cfg::k / 4 : Cfg::k / 2 - position / 2;
}

/// Place of position `at` of block column j among the integers of one token that the forward transform gives.
template <class Cfg>
int spectrum_place(int j, int at) {
  typedef swm::circulant<Cfg> L;
  const int beat = j / L::mac_lanes * (L::words / L::beat_words) + at / L::beat_words;
  return ((beat * L::mac_lanes + j % L::mac_lanes) * L::beat_words + at % L::beat_words) * 2;
}

/// Place of position `at` of block row i among the integers of one token that spectral_mac gives.
template <class Cfg>
int sum_place(int i, int at) {
  typedef swm::circulant<Cfg> L;
  const int group = i / L::mac_rows, row = i % L::mac_rows, f = at / L::drain_words, groups = L::words / L::drain_words;
  int beat = 0;  // of the group of rows and words
  for (int g = 0; g < group; ++g) beat += groups * (L::mac_rows / L::ifft_lanes);
  const int rows = swm::min_of(L::mac_rows, L::p - group * L::mac_rows);
  beat += f * swm::ceil_div(rows, L::ifft_lanes) + row / L::ifft_lanes;
  return ((beat * L::ifft_lanes + row % L::ifft_lanes) * L::drain_words + at % L::drain_words) * 2;
}

/// Beats of a token from spectral_mac.
template <class Cfg>
int sum_beats() {
  typedef swm::circulant<Cfg> L;
  return swm::ceil_div(L::p, L::ifft_lanes) * (L::words / L::drain_words);
}
