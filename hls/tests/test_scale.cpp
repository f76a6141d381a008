// SPDX-License-Identifier: Apache-2.0
// scale.h against wide integers, bit by bit, over several tokens.
#include "swm/scale.h"

#include "check.h"

namespace {

template <int N, int Bits, int GainBits, int OutBits, int Shift, int Vec, int Banks, class Act>
struct config {
  static constexpr int tick = 9, n = N, in_bits = Bits, weight_bits = GainBits, bias_bits = Bits + GainBits;
  static constexpr int out_bits = OutBits, out_shift = Shift, in_vec = Vec, out_vec = Vec;
  static constexpr int rom_banks = Banks, rom_lanes = Vec / Banks;
  typedef Act activation;
};

template <class Cfg>
void run(bool rectified) {
  typedef swm::scale_layer<Cfg> L;
  static typename L::weight_t gain[Cfg::rom_banks][L::rom_depth][Cfg::rom_lanes];
  static typename L::bias_t bias[L::bias_words];
  bool moved = false;
  for (int trial = 0; trial < 20; ++trial) {
    const int tokens = trial % 4;
    const check::words g = check::values(L::bias_words, Cfg::weight_bits), b = check::values(L::bias_words, Cfg::bias_bits);
    const check::words x = check::values(tokens * L::bias_words, Cfg::in_bits);
    for (int beat = 0; beat < L::beats; ++beat) {
      for (int i = 0; i < L::V; ++i) {
        gain[i / Cfg::rom_lanes][beat][i % Cfg::rom_lanes] = typename L::weight_t(g[beat * L::V + i]);
      }
    }
    check::fill(bias, b);
    check::channel<typename L::in_t, Cfg::in_vec> in;
    check::channel<typename L::out_t, Cfg::out_vec> values(tokens * L::bias_words);
    in.put(x);
    swm::scale<Cfg>(tokens, gain, bias, in.port, values.port);
    const check::words out = values.take(tokens * L::bias_words);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
    for (int at = 0; at < tokens * L::bias_words; ++at) {
      const int i = at % L::bias_words;
      check::wide v = i < Cfg::n ? check::wide(g[i]) * x[at] + b[i] : 0;
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
  run<config<7, 8, 8, 8, 8, 1, 1, swm::identity> >(false);
  run<config<13, 12, 12, 12, 13, 4, 2, swm::relu> >(true);
  run<config<32, 16, 4, 16, 3, 8, 1, swm::identity> >(false);
  run<config<50, 18, 18, 18, 18, 16, 4, swm::identity> >(false);
  run<config<50, 4, 18, 18, -1, 2, 2, swm::relu> >(true);
  run<config<3, 8, 8, 8, 4, 4, 1, swm::identity> >(false);
  return check::result();
}
