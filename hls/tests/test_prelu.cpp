// SPDX-License-Identifier: Apache-2.0
// prelu.h against wide integers, bit by bit, over several tokens.
#include "swm/prelu.h"

#include "check.h"

namespace {

template <int N, int Bits, int SlopeBits, int Frac, int OutBits, int Shift, int Vec, int Banks>
struct config {
  static constexpr int tick = 9, n = N, in_bits = Bits, weight_bits = SlopeBits, slope_frac = Frac, out_bits = OutBits;
  static constexpr int out_shift = Shift, vec = Vec, rom_banks = Banks, rom_lanes = Vec / Banks;
};

template <class Cfg>
void run() {
  typedef swm::prelu_layer<Cfg> L;
  static typename L::weight_t slope[Cfg::rom_banks][L::rom_depth][Cfg::rom_lanes];
  const int room = L::beats * L::V;
  bool below = false, above = false;
  for (int trial = 0; trial < 20; ++trial) {
    const int tokens = trial % 4;
    const check::words s = check::values(room, Cfg::weight_bits), x = check::values(tokens * room, Cfg::in_bits);
    for (int at = 0; at < room; ++at) {
      slope[at % L::V / Cfg::rom_lanes][at / L::V][at % Cfg::rom_lanes] = typename L::weight_t(s[at]);
    }
    check::channel<typename L::in_t, Cfg::vec> in;
    check::channel<typename L::out_t, Cfg::vec> values(tokens * room);
    in.put(x);
    swm::prelu<Cfg>(tokens, slope, in.port, values.port);
    const check::words out = values.take(tokens * room);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
    for (int at = 0; at < tokens * room; ++at) {
      check::wide v = check::wide(x[at]) * (x[at] < 0 ? check::wide(s[at % room]) : check::wide(1) << Cfg::slope_frac);
      if (at % room >= Cfg::n) v = 0;
      const check::wide wanted = check::clip(check::round_to(v, Cfg::out_shift), Cfg::out_bits);
      check::that(out[at] == wanted, "value", out[at], static_cast<long long>(wanted));
      (x[at] < 0 ? below : above) |= wanted != 0;
    }
  }
  check::that(below && above, "outputs other than zero on both sides");
}

}  // namespace

int main() {
  run<config<7, 8, 8, 9, 8, 9, 1, 1> >();
  run<config<13, 12, 12, 11, 12, 10, 4, 2> >();
  run<config<32, 16, 4, 0, 16, -1, 8, 1> >();
  run<config<50, 18, 18, 21, 18, 20, 16, 4> >();
  return check::result();
}
