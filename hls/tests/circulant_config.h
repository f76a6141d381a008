// SPDX-License-Identifier: Apache-2.0
/// \file circulant_config.h
/// \brief A block-circulant layer by numbers, and where its spectral words stand in the beats.
#pragma once

#include "swm/circulant.h"
#include "swm/finish.h"

template <int M, int N, int K, int Bits, int WeightBits, int Shifts, int InVec, int OutVec, int FftLanes, int MacBlocks,
          int MacBins, int IfftLanes, int AccShift = 0, int OutBits = 18, int OutShift = 0>
struct config {
  static constexpr int id = 3, m = M, n = N, k = K;
  static constexpr int in_bits = Bits, weight_bits = WeightBits, bias_bits = Bits + 5 + Shifts, out_bits = OutBits;
  static constexpr int fft_shifts = Shifts, acc_shift = AccShift, out_shift = OutShift, act_shift = 0, out_frac = 0;
  static constexpr int in_vec = InVec, out_vec = OutVec, fft_lanes = FftLanes, mac_blocks = MacBlocks, mac_bins = MacBins;
  static constexpr int ifft_lanes = IfftLanes;
  typedef swm::identity activation;
};

/// Place of word w of block column j among the integers that rfft gives.
template <class Cfg>
int spectrum_place(int j, int w) {
  const int k = Cfg::k, lanes = Cfg::fft_lanes, group = j / lanes, lane = j % lanes;
  if (k == 2) return (group * lanes + lane) * 2;
  const int units = k / 4;
  const bool high = w >= units;
  const int unit = !high ? w : w == units ? 0 : k / 2 - w;
  return (((group * units + unit) * lanes + lane) * 2 + high) * 2;
}

/// Place of word w of block row i among the integers that spectral_mac gives.
template <class Cfg>
int sum_place(int i, int w) {
  const int rows = Cfg::mac_blocks, bins = Cfg::mac_bins, groups = Cfg::k / 2 / bins;
  return (((i / rows * groups + w / bins) * rows + i % rows) * bins + w % bins) * 2;
}
