// SPDX-License-Identifier: Apache-2.0
/// \file circulant.h
/// \brief Constants of a block-circulant layer, derived from its configuration and checked.
///
/// The layer computes y = activation(C x + b), C made of p x q circulant blocks of k: three processes in a row,
/// rfft (q forward transforms), spectral_mac (p q spectral products, summed), irfft (p inverse transforms, bias,
/// activation). See docs/arithmetic.md for every bit.
///
/// \tparam Cfg what a project supplies, all `static constexpr int` but the last:
///   id            number of the layer, for counting
///   m, n, k       outputs, inputs, block size
///   in_bits, weight_bits, bias_bits, out_bits
///   fft_shifts    halving stages of the forward transform
///   acc_shift     right shift of the one rounding of a spectral sum
///   out_shift, act_shift, out_frac   see finish.h
///   in_vec, out_vec                  values a beat at the input and the output, powers of two
///   fft_lanes     blocks transformed side by side
///   mac_blocks    block rows accumulated side by side
///   mac_bins      spectral words of a block multiplied side by side
///   ifft_lanes    blocks transformed back side by side
///   activation    identity, relu, sigmoid or tanh_
#pragma once

#include "fixed.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct circulant {
  enum {
    k = Cfg::k,
    stages = clog2(k),
    p = ceil_div(Cfg::m, k),
    q = ceil_div(Cfg::n, k),
    weight_width = Cfg::weight_bits,
    words = k / 2,                           // packed half spectrum of a block
    points = k == 2 ? 2 : 4,                 // real values of one unit of the first (or last) pass
    units = k / points,                      // units of every pass over a block
    unit_words = points / 2,                 // spectral words that a unit yields
    passes = max_of(1, stages - 1),          // the first two stages are one pass
    spectrum_bits = Cfg::in_bits + stages - Cfg::fft_shifts,
    acc_bits = Cfg::weight_bits + spectrum_bits + 1 + clog2(q),
    rounded_bits = Cfg::in_bits + 4,
    inverse_bits = rounded_bits + 1 + Cfg::fft_shifts,
    // Only the last fft_shifts stages of the inverse grow, and the last two of those do not rotate: words between passes
    // stay two bits narrower, and what a multiplier of the last rotation takes one bit narrower still.
    inverse_pass_bits = rounded_bits + 1 + max_of(0, Cfg::fft_shifts - 2),
    inverse_turn_bits = rounded_bits + 2 + max_of(0, Cfg::fft_shifts - 3),
    value_bits = max_of(inverse_bits, Cfg::bias_bits) + 1,
    fft_groups = ceil_div(q, Cfg::fft_lanes),
    mac_groups = ceil_div(p, Cfg::mac_blocks),
    sub_lanes = Cfg::mac_blocks / Cfg::ifft_lanes,
    ifft_groups = mac_groups * sub_lanes,
    word_groups = words / Cfg::mac_bins,
    fft_words = fft_groups * words,     // depth of the buffers between passes, one lane
    ifft_rows = mac_groups * word_groups,  // depth of a bank of the buffers between passes
    x_beat = Cfg::fft_lanes * unit_words * 2,        // integers in a beat from rfft to spectral_mac
    a_beat = Cfg::mac_blocks * Cfg::mac_bins * 2,    // integers in a beat from spectral_mac to irfft
    rom_depth = mac_groups * word_groups * q,
    rom_lanes = a_beat,
    in_beats = ceil_div(Cfg::n, Cfg::in_vec),
    out_beats = ceil_div(Cfg::m, Cfg::out_vec),
    bias_words = out_beats * Cfg::out_vec,
    // pipelined iterations of the three processes; the schedule counts with the same formulas
    rfft_iterations = fft_groups * Cfg::fft_lanes * (k / Cfg::in_vec) + passes * fft_groups * units,
    mac_iterations = fft_groups * units + mac_groups * word_groups * q,
    irfft_iterations = mac_groups * word_groups + passes * ifft_groups * units + out_beats
  };

  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<spectrum_bits> spectrum_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<rounded_bits> rounded_t;
  typedef int_t<inverse_bits> inverse_t;
  typedef int_t<Cfg::bias_bits> bias_t;
  typedef int_t<Cfg::out_bits> out_t;

  static_assert(is_power_of_two(k) && k >= 2 && k <= 256, "the block size is a power of two, 2 to 256");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "weights fit the narrow port of a DSP block");
  static_assert(Cfg::fft_shifts >= 0 && Cfg::fft_shifts < stages, "fewer halvings than stages");
  static_assert(spectrum_bits <= 27, "spectra fit the wide port of a DSP block");
  static_assert(inverse_turn_bits <= 27, "rotations of the inverse fit the wide port of a DSP block");
  static_assert(acc_bits <= 62 && value_bits + max_of(0, -Cfg::act_shift) <= 62, "sums fit 64 bits with room to round");
  static_assert(Cfg::acc_shift >= 0, "a spectral sum is never shifted left");
  static_assert(is_power_of_two(Cfg::in_vec) && Cfg::in_vec <= k, "an input beat lies inside one block");
  static_assert(is_power_of_two(Cfg::out_vec) && Cfg::out_vec <= k, "an output beat lies inside one block");
  static_assert(words % Cfg::mac_bins == 0, "mac_bins divides k/2");
  static_assert(Cfg::mac_blocks % Cfg::ifft_lanes == 0, "ifft_lanes divides mac_blocks");
  static_assert(Cfg::fft_lanes >= 1 && Cfg::mac_blocks >= 1 && Cfg::ifft_lanes >= 1, "at least one lane each");
};

}  // namespace swm
