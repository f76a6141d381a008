// SPDX-License-Identifier: Apache-2.0
// depthwise.h against wide integers, bit by bit: beats as the line buffer of window.h writes them.
#include "swm/depthwise.h"

#include "check.h"

namespace {

/// Rows x Columns taps, TapRows x TapColumns side by side, of N channels, Vec a beat.
template <int N, int Rows, int Columns, int TapRows, int TapColumns, int Bits, int WeightBits, int OutBits, int Shift, int Vec,
          int Banks, int Fabric, class Act>
struct config {
  static constexpr int tick = 21, n = N, in_bits = Bits, weight_bits = WeightBits, bias_bits = Bits + WeightBits + 3;
  static constexpr int out_bits = OutBits, out_shift = Shift, in_vec = Vec, out_vec = Vec, fabric = Fabric;
  static constexpr int grid_rows = Rows, grid_columns = Columns, kernel_rows = Rows, kernel_columns = Columns;
  static constexpr int stride_rows = 1, stride_columns = 1, dilation_rows = 1, dilation_columns = 1;
  static constexpr int pad_rows = 0, pad_columns = 0, out_rows = 1, out_columns = 1;
  static constexpr int position_beats = swm::ceil_div(N, Vec), run_beats = 1, tap_rows = TapRows, tap_columns = TapColumns;
  static constexpr int window_words = Vec, window_bits = Bits, window_fill = 0;
  static constexpr int rom_banks = Banks, rom_lanes = TapRows * TapColumns * Vec / Banks;
  typedef Act activation;
};

template <class Cfg>
void run(bool rectified) {
  typedef swm::depthwise_layer<Cfg> L;
  static typename L::weight_t weights[Cfg::rom_banks][L::rom_depth][Cfg::rom_lanes];
  static typename L::bias_t bias[L::bias_words];
  bool moved = false;
  for (int trial = 0; trial < 12; ++trial) {
    const int tokens = trial % 4, size = L::period * L::window::out_words;
    const check::words w = check::values(size, Cfg::weight_bits), b = check::values(L::bias_words, Cfg::bias_bits);
    const check::words x = check::values(tokens * size, Cfg::in_bits);
    for (int at = 0; at < size; ++at) {
      const int lane = at % L::window::out_words;
      weights[lane / Cfg::rom_lanes][at / L::window::out_words][lane % Cfg::rom_lanes] = typename L::weight_t(w[at]);
    }
    check::fill(bias, b);
    check::channel<typename L::in_t, L::window::out_words> in;
    check::channel<typename L::out_t, Cfg::out_vec> values(tokens * L::bias_words);
    in.put(x);
    swm::depthwise<Cfg>(tokens, weights, bias, in.port, values.port);
    const check::words out = values.take(tokens * L::bias_words);
    const long long ticks = check::ticked(Cfg::tick + 1);
    check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
    for (int at = 0; at < tokens * L::bias_words; ++at) {
      const int c = at % L::bias_words, token = at / L::bias_words, first = c / L::V * L::groups;
      check::wide v = c < Cfg::n ? check::wide(b[c]) : 0;
      for (int tap = 0; c < Cfg::n && tap < L::groups * L::taps; ++tap) {
        const int place = (first + tap / L::taps) * L::window::out_words + tap % L::taps * L::V + c % L::V;
        v += check::wide(w[place]) * x[token * size + place];
      }
      if (rectified && v < 0) v = 0;
      const check::wide wanted = check::clip(check::round_to(v, Cfg::out_shift), Cfg::out_bits);
      check::that(out[at] == wanted, "value", out[at], static_cast<long long>(wanted));
      moved = moved || wanted != 0;
    }
  }
  check::that(moved, "outputs other than zero");
}

}  // namespace

int main() {
  run<config<5, 3, 3, 1, 1, 8, 8, 8, 9, 1, 1, 0, swm::identity> >(false);
  run<config<13, 3, 3, 1, 3, 12, 12, 12, 14, 4, 2, 0, swm::relu> >(true);
  run<config<16, 3, 2, 3, 2, 4, 4, 18, 0, 8, 4, 1, swm::identity> >(false);
  run<config<6, 7, 1, 1, 1, 18, 18, 18, 20, 2, 1, 0, swm::identity> >(false);
  run<config<3, 1, 1, 1, 1, 8, 8, 8, 4, 4, 1, 1, swm::relu> >(true);
  return check::result();
}
