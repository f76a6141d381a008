// SPDX-License-Identifier: Apache-2.0
/// \file circulant.h
/// \brief Constants of a block-circulant layer, derived from its configuration and checked.
///
/// The layer computes y = activation(C x + b), C made of p x q circulant blocks of k: forward transforms of q blocks,
/// p q spectral products, summed, and p inverse transforms with bias and activation. See docs/arithmetic.md for every bit.
///
/// k <= 16 (`streaming`): three processes, rfft_unrolled, spectral_mac, irfft_unrolled; a block is transformed at once.
/// k >= 32: rfft_load, rfft_pass for stages 3 to log2 k, spectral_mac, irfft_pass for stages log2 k to 3, irfft_store; what
/// travels is a unit: the two words u and k/2 - u (unit 0: 0 and k/4), so position 2u of this unit order is word u and
/// position 2u + 1 is word k/2 - u.
///
/// A process runs prologue + tokens * period + epilogue iterations; the schedule counts with the same formulas.
///
/// \tparam Cfg what a project supplies, all `static constexpr int` but the last:
///   tick          number of the layer's first process, for counting
///   m, n, k       outputs, inputs, block size
///   in_bits, weight_bits, bias_bits, out_bits
///   fft_shifts    halving stages of the forward transform
///   acc_shift     right shift of the one rounding of a spectral sum
///   out_shift                        see finish.h
///   in_vec, out_vec                  values a beat at the input and the output, powers of two
///   mac_rows, mac_columns, mac_bins  block rows, block columns and words of a block multiplied side by side
///   products      multipliers of a complex product: 3 or 4
///   rom_banks, rom_lanes             memories of weights, and weights in a word of each
///   fabric_rows   optional: the last rows of mac_rows multiply in LUTs
///   packed        optional, with 4 products: 1 where two rows share a multiplier
///   unrolled      optional: 1 where blocks of more than 16 are transformed at once, too
///   beat_taps     optional: taps of a convolution whose blocks lie side by side in a beat into the products
///   groups        optional: tokens that follow each other with weights of their own (groups of a convolution)
///   activation    identity, relu, sigmoid or tanh_
#pragma once

#include "ports.h"
#include "product_walk.h"

namespace swm {

/// Members of Cfg that may be missing.
template <class Cfg, class = void>
struct fabric_rows_of {
  enum { value = 0 };
};
template <class Cfg>
struct fabric_rows_of<Cfg, decltype(void(int(Cfg::fabric_rows)))> {
  enum { value = Cfg::fabric_rows };
};
template <class Cfg, class = void>
struct packed_of {
  enum { value = 0 };
};
template <class Cfg>
struct packed_of<Cfg, decltype(void(int(Cfg::packed)))> {
  enum { value = Cfg::packed };
};

template <class Cfg, class = void>
struct beat_taps_of {
  enum { value = 1 };
};
template <class Cfg>
struct beat_taps_of<Cfg, decltype(void(int(Cfg::beat_taps)))> {
  enum { value = Cfg::beat_taps };
};

template <class Cfg, class = void>
struct unrolled_of {
  enum { value = Cfg::k <= 16 };
};
template <class Cfg>
struct unrolled_of<Cfg, decltype(void(int(Cfg::unrolled)))> {
  enum { value = Cfg::unrolled };
};

template <class Cfg>
struct circulant {
  enum {
    k = Cfg::k,
    stages = clog2(k),
    p = ceil_div(Cfg::m, k),
    q = ceil_div(Cfg::n, k),
    words = k / 2,             // packed half spectrum of a block
    streaming = unrolled_of<Cfg>::value,  // blocks are transformed at once, not pass by pass
    units = max_of(1, k / 4),  // units of a pass over a block
    in_vec = Cfg::in_vec,
    out_vec = Cfg::out_vec,
    in_beats = ceil_div(Cfg::n, in_vec),
    out_beats = ceil_div(Cfg::m, out_vec),
    bias_words = out_beats * out_vec,

    // widths
    weight_width = Cfg::weight_bits,
    spectrum_bits = Cfg::in_bits + stages - Cfg::fft_shifts,
    acc_bits = Cfg::weight_bits + spectrum_bits + 1 + clog2(q),
    rounded_bits = Cfg::in_bits + 4,
    inverse_bits = rounded_bits + 1 + Cfg::fft_shifts,
    // Only the last fft_shifts stages of the inverse grow, and the last two of those do not rotate: words between passes
    // stay two bits narrower, and what a multiplier of the last rotation takes one bit narrower still.
    inverse_pass_bits = rounded_bits + 1 + max_of(0, Cfg::fft_shifts - 2),
    inverse_turn_bits = rounded_bits + 2 + max_of(0, Cfg::fft_shifts - 3),
    value_bits = max_of(inverse_bits, Cfg::bias_bits) + 1,

    // forward transform: blocks side by side, and beats of one block (k <= 16) or iterations of one group (k >= 32)
    fft_lanes = max_of(1, in_vec / (streaming ? k : 4)),
    fft_groups = ceil_div(q, fft_lanes),
    in_parts = max_of(1, k / in_vec),
    x_beats = fft_groups,  // beats from rfft_unrolled, a token
    group_time = max_of(units, fft_lanes * k / in_vec),
    pass_ii = max_of(1, 4 / in_vec),

    // spectral products
    beat_words = streaming ? words : 2,          // words of a block in a beat from the forward transform
    mac_lanes = fft_lanes * beat_taps_of<Cfg>::value,  // blocks of a beat into the products
    x_beat = mac_lanes * beat_words * 2,         // integers of that beat
    mac_rows = Cfg::mac_rows,
    mac_columns = Cfg::mac_columns,
    mac_bins = Cfg::mac_bins,
    row_groups = ceil_div(p, mac_rows),
    column_groups = ceil_div(q, mac_columns),
    word_groups = words / mac_bins,
    groups = groups_of<Cfg>::value,
    rom_depth = row_groups * word_groups * column_groups * groups,
    rom_banks = Cfg::rom_banks,
    rom_lanes = Cfg::rom_lanes,
    mac_loads = ceil_div(q, mac_lanes) * (words / beat_words),  // input beats a token
    drain_words = streaming ? words : mac_bins,     // words of a block in a beat to the inverse transform
    fabric_rows = fabric_rows_of<Cfg>::value,
    packed = packed_of<Cfg>::value,

    // inverse transform: blocks side by side
    ifft_lanes = max_of(1, out_vec / (streaming ? k : 4)),
    ifft_groups = ceil_div(p, ifft_lanes),
    out_parts = max_of(1, k / out_vec),
    row_time = max_of(units, ifft_lanes * k / out_vec),  // iterations of irfft_store for blocks side by side
    inverse_ii = max_of(1, 4 / out_vec),   // of the passes, k >= 32
    // place of a process in its layer: rfft_load 0, rfft_pass<s> s - 2, irfft_pass<s> 2 stages - s, irfft_store 2 stages - 2
    mac_place = streaming ? 1 : stages - 1,
    a_beat = ifft_lanes * drain_words * 2  // integers of a beat from spectral_mac
  };
  /// Loads, products and drains of spectral_mac.
  typedef product_times<words / beat_words, max_of(1, mac_columns / mac_lanes), mac_loads, row_groups, word_groups, column_groups,
                        bool(streaming), ceil_div(mac_rows, ifft_lanes),
                        ceil_div(p - (row_groups - 1) * mac_rows, ifft_lanes), groups>
      mac_times;

  /// Iterations of a call; rfft_unrolled and irfft_unrolled take in_parts and out_parts cycles each.
  static constexpr int rfft_iterations(int tokens) { return tokens * fft_groups; }
  static constexpr int irfft_iterations(int tokens) { return tokens * ifft_groups; }
  static constexpr int mac_iterations(int tokens) { return mac_times::iterations(tokens); }
  /// The passes, k >= 32, take pass_ii and inverse_ii cycles each; what irfft_collect takes stands in its header.
  static constexpr int rfft_load_iterations(int tokens) { return group_time + tokens * fft_groups * group_time; }
  static constexpr int rfft_pass_iterations(int tokens) { return units + tokens * fft_groups * units; }
  static constexpr int irfft_pass_iterations(int tokens) { return units + tokens * ifft_groups * units; }
  static constexpr int irfft_store_iterations(int tokens) { return row_time + 1 + tokens * ifft_groups * row_time; }

  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<spectrum_bits> spectrum_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<rounded_bits> rounded_t;
  typedef int_t<inverse_pass_bits> inverse_pass_t;
  typedef int_t<inverse_bits> inverse_t;
  typedef int_t<Cfg::bias_bits> bias_t;
  typedef int_t<Cfg::out_bits> out_t;

  static_assert(is_power_of_two(k) && k >= 2 && k <= 256, "the block size is a power of two, 2 to 256");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "weights fit the narrow port of a DSP block");
  static_assert(Cfg::fft_shifts >= 0 && Cfg::fft_shifts < stages, "fewer halvings than stages");
  static_assert(Cfg::products == 3 || Cfg::products == 4, "a complex product takes 3 or 4 multipliers");
  static_assert(Cfg::products == 4 || Cfg::weight_bits <= 17, "three multipliers take sums of two weights: at most 17 bits each");
  static_assert(spectrum_bits + (Cfg::products == 3) <= 27, "spectra fit the wide port of a DSP block");
  static_assert(inverse_turn_bits <= 27, "rotations of the inverse fit the wide port of a DSP block");
  static_assert(acc_bits <= 61 && value_bits <= 62, "sums fit 64 bits with room to round");
  static_assert(Cfg::acc_shift >= 0, "a spectral sum is never shifted left");
  static_assert(is_power_of_two(in_vec) && is_power_of_two(out_vec), "beats are powers of two");
  static_assert(streaming || (in_vec <= k && out_vec <= k), "from k = 32 on a beat lies inside one block");
  static_assert(mac_rows >= 1 && mac_columns >= 1, "at least one lane each");
  static_assert(is_power_of_two(mac_bins) && words % mac_bins == 0, "mac_bins is a power of two and divides k/2");
  static_assert(streaming || mac_bins >= 2, "from k = 32 on mac_bins is even");
  static_assert(mac_columns % mac_lanes == 0, "mac_columns is a multiple of the blocks in an input beat");
  static_assert(mac_rows % ifft_lanes == 0 || row_groups == 1, "mac_rows is a multiple of the blocks in an output beat");
  static_assert(groups == 1 || (p % mac_rows == 0 && p % ifft_lanes == 0 && q % mac_lanes == 0),
                "no beat and no group of rows holds blocks of two groups of channels");
  static_assert(rom_banks * rom_lanes == mac_rows * mac_columns * mac_bins * 2, "rom_banks times rom_lanes are all weights of a cycle");
  static_assert(fabric_rows >= 0 && fabric_rows <= mac_rows, "fabric_rows are among mac_rows");
  static_assert(!packed || (Cfg::products == 4 && mac_rows % 2 == 0 && fabric_rows % 2 == 0), "pairs of rows, four products");
  static_assert(!packed || (2 * weight_width + spectrum_bits <= 27 && spectrum_bits <= 18), "a pair of weights fits a DSP block");
  static_assert(in_vec * Cfg::in_bits <= 4096 && out_vec * Cfg::out_bits <= 4096 && x_beat * spectrum_bits <= 4096 &&
                    a_beat * rounded_bits <= 4096 && rom_lanes * weight_width <= 4096,
                "no word beyond 4,096 bits");
};

}  // namespace swm
