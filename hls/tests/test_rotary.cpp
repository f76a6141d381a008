// SPDX-License-Identifier: Apache-2.0
// rotary.h against plain arithmetic: pairs in one beat and in two, several groups a token, rows that tokens share.
#include "swm/rotary.h"

#include "check.h"

namespace {

template <int N, int Half, int Rows, int Each, int Bits, int WeightBits, int OutBits, int Shift, int Vec, int Banks>
struct config {
  static constexpr int tick = 3, n = N, half = Half, rows = Rows, each = Each;
  static constexpr int in_bits = Bits, weight_bits = WeightBits, out_bits = OutBits, out_shift = Shift;
  static constexpr int vec = Vec, rom_banks = Banks, rom_lanes = Vec / Banks;
  typedef swm::identity activation;
};

template <class Cfg>
void run() {
  typedef swm::rotary_layer<Cfg> L;
  static typename L::weight_t roms[2][Cfg::rom_banks][L::rom_depth][Cfg::rom_lanes];
  const int room = L::beats * Cfg::vec;
  check::words tables[2];
  for (int t = 0; t < 2; ++t) {
    tables[t] = check::values(L::rom_depth * Cfg::vec, Cfg::weight_bits);
    for (int at = 0; at < L::rom_depth * Cfg::vec; ++at) {
      const int i = at % Cfg::vec;
      roms[t][i / Cfg::rom_lanes][at / Cfg::vec][i % Cfg::rom_lanes] = typename L::weight_t(tables[t][at]);
    }
  }
  for (int tokens = 1; tokens < 3 * Cfg::rows * Cfg::each; tokens += 2) {
    const check::words x = check::values(tokens * room, Cfg::in_bits);
    check::channel<typename L::in_t, Cfg::vec> in;
    check::channel<typename L::out_t, Cfg::vec> out(tokens * room);
    in.put(x);
    swm::rotary<Cfg>(tokens, roms[0], roms[1], in.port, out.port);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
    const check::words got = out.take(tokens * room);
    for (int token = 0; token < tokens; ++token) {
      const int row = token / Cfg::each % Cfg::rows;
      for (int c = 0; c < room; ++c) {
        const int partner = c / Cfg::half % 2 ? c - Cfg::half : c + Cfg::half;
        long long wanted = 0;
        if (c < Cfg::n) {
          const check::wide v = check::wide(x[token * room + c]) * tables[0][row * room + c] +
                                check::wide(x[token * room + partner]) * tables[1][row * room + c];
          wanted = static_cast<long long>(check::clip(check::round_to(v, Cfg::out_shift), Cfg::out_bits));
        }
        const long long value = got[token * room + c];
        check::that(value == wanted, "value", value, wanted);
      }
    }
  }
}

}  // namespace

int main() {
  run<config<8, 4, 3, 2, 8, 8, 8, 7, 1, 1> >();      // pairs in two beats, a group a token
  run<config<8, 4, 3, 1, 8, 8, 8, 7, 4, 2> >();
  run<config<12, 3, 2, 1, 12, 10, 9, 9, 1, 1> >();   // two groups a token
  run<config<12, 6, 2, 3, 6, 18, 14, 12, 2, 2> >();
  run<config<12, 6, 2, 1, 6, 6, 7, 5, 16, 4> >();    // the token in one beat, which is not full
  run<config<10, 1, 4, 1, 18, 18, 18, 17, 4, 1> >();  // neighbours, the last beat is not full
  run<config<6, 1, 1, 1, 4, 4, 4, 2, 1, 1> >();
  run<config<16, 2, 2, 2, 8, 9, 10, 8, 8, 8> >();    // two groups in a beat
  return check::result();
}
