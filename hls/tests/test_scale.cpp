// SPDX-License-Identifier: Apache-2.0
// scale.h against wide integers, bit by bit.
#include "swm/scale.h"

#include "check.h"

namespace {

template <int N, int Bits, int GainBits, int OutBits, int Shift, int Vec, class Act>
struct config {
  static constexpr int id = 9, n = N, m = N, in_bits = Bits, weight_bits = GainBits, bias_bits = Bits + GainBits;
  static constexpr int out_bits = OutBits, out_shift = Shift, act_shift = 0, out_frac = 0, in_vec = Vec, out_vec = Vec;
  typedef Act activation;
};

template <class Cfg>
void run(bool rectified) {
  typedef swm::scale_layer<Cfg> L;
  static typename L::weight_t gain[L::rom_depth][L::rom_lanes];
  static typename L::bias_t bias[L::bias_words];
  bool moved = false;
  for (int trial = 0; trial < 20; ++trial) {
    const check::words g = check::values(Cfg::n, Cfg::weight_bits), b = check::values(Cfg::n, Cfg::bias_bits);
    const check::words x = check::values(Cfg::n, Cfg::in_bits);
    check::fill(&gain[0][0], g);
    check::fill(bias, b);
    check::words out[2];
    for (int again = 0; again < 2; ++again) {
      check::channel<typename L::in_t, Cfg::in_vec> in;
      check::channel<typename L::out_t, Cfg::out_vec> values(L::bias_words);
      in.put(x);
      swm::scale<Cfg>(gain, bias, in.port, values.port);
      out[again] = values.take(L::bias_words);
      const long long ticks = check::ticked(4 * Cfg::id);
      check::that(ticks == L::iterations, "iterations", ticks, L::iterations);
    }
    check::that(out[0] == out[1], "same answer twice");
    for (int i = 0; i < L::bias_words; ++i) {
      check::wide v = i < Cfg::n ? check::wide(g[i]) * x[i] + b[i] : 0;
      if (rectified && v < 0) v = 0;
      const check::wide wanted = check::clip(check::round_to(v, Cfg::out_shift), Cfg::out_bits);
      check::that(out[0][i] == wanted, "value", out[0][i], static_cast<long long>(wanted));
      moved = moved || wanted != 0;
    }
  }
  check::that(moved, "outputs other than zero");
}

}  // namespace

int main() {
  run<config<7, 8, 8, 8, 8, 1, swm::identity> >(false);
  run<config<13, 12, 12, 12, 13, 4, swm::relu> >(true);
  run<config<32, 16, 4, 16, 3, 8, swm::identity> >(false);
  run<config<50, 18, 18, 18, 18, 16, swm::identity> >(false);
  run<config<50, 4, 18, 18, -1, 2, swm::relu> >(true);
  return check::result();
}
