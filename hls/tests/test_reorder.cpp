// SPDX-License-Identifier: Apache-2.0
// reorder.h against plain index arithmetic: tokens and beats that do and do not divide each other, or one token of all, one to four frames.
#include "swm/reorder.h"

#include "check.h"

namespace {

template <int N, int Positions, int Bits, int Vec, int Flat = 0>
struct config {
  static constexpr int tick = 7, n = N, positions = Positions, flat = Flat, bits = Bits, vec = Vec;
};

template <class Cfg>
void bench(int frames) {
  typedef swm::reorder_layer<Cfg> L;
  constexpr int V = Cfg::vec;
  const int come = L::n_beats * V;  // values of a token with what fills its last beat
  const int tokens = Cfg::flat ? 1 : Cfg::n, size = Cfg::flat ? Cfg::n * Cfg::positions : Cfg::positions, go = (size + V - 1) / V * V;
  const check::words given = check::values(frames * Cfg::positions * come, Cfg::bits);
  check::channel<typename L::value_t, V> in, out(frames * tokens * go);
  in.put(given);
  swm::reorder<Cfg>(frames, in.port, out.port);
  const long long ticks = check::ticked(Cfg::tick);
  check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
  const check::words got = out.take(frames * tokens * go);
  check::that(got.size() == size_t(frames * tokens * go), "length", got.size(), frames * tokens * go);
  for (int f = 0; f < frames; ++f) {
    for (int at = 0; at < tokens * go; ++at) {
      const int place = at / go * size + at % go, c = place / Cfg::positions, p = place % Cfg::positions;
      const long long wanted = at % go < size ? given[(f * Cfg::positions + p) * come + c] : 0, value = got[f * tokens * go + at];
      check::that(value == wanted, "value", value, wanted);
    }
  }
}

template <class Cfg>
void benches() {
  for (int frames = 1; frames < 5; ++frames) bench<Cfg>(frames);
}

}  // namespace

int main() {
  benches<config<1, 1, 8, 1> >();
  benches<config<5, 7, 4, 1> >();
  benches<config<16, 16, 12, 4> >();
  benches<config<6, 25, 16, 2> >();
  benches<config<3, 9, 18, 8> >();
  benches<config<50, 16, 12, 16> >();
  benches<config<7, 20, 10, 4> >();
  benches<config<32, 5, 9, 32> >();
  benches<config<16, 25, 8, 16, 1> >();  // an odd number of positions
  benches<config<6, 12, 8, 8, 1> >();    // four divide them, eight do not
  benches<config<5, 50, 12, 4, 1> >();
  benches<config<7, 3, 8, 32, 1> >();  // several channels a beat
  benches<config<9, 16, 8, 4, 1> >();  // beats end with the channels
  benches<config<20, 6, 8, 16, 1> >();
  return check::result();
}
