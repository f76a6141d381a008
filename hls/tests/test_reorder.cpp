// SPDX-License-Identifier: Apache-2.0
// reorder.h against plain index arithmetic: tokens and beats that do and do not divide each other, one to four frames.
#include "swm/reorder.h"

#include "check.h"

namespace {

template <int N, int Positions, int Bits, int Vec>
struct config {
  static constexpr int tick = 7, n = N, positions = Positions, bits = Bits, vec = Vec;
};

template <class Cfg>
void bench(int frames) {
  typedef swm::reorder_layer<Cfg> L;
  constexpr int V = Cfg::vec;
  const int come = L::n_beats * V, go = L::p_beats * V;  // values of a token with what fills its last beat
  const check::words given = check::values(frames * Cfg::positions * come, Cfg::bits);
  check::channel<typename L::value_t, V> in, out(frames * Cfg::n * go);
  in.put(given);
  swm::reorder<Cfg>(frames, in.port, out.port);
  const long long ticks = check::ticked(Cfg::tick);
  check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
  const check::words got = out.take(frames * Cfg::n * go);
  check::that(got.size() == size_t(frames * Cfg::n * go), "length", got.size(), frames * Cfg::n * go);
  for (int f = 0; f < frames; ++f) {
    for (int c = 0; c < Cfg::n; ++c) {
      for (int p = 0; p < go; ++p) {
        const long long wanted = p < Cfg::positions ? given[(f * Cfg::positions + p) * come + c] : 0;
        const long long value = got[(f * Cfg::n + c) * go + p];
        check::that(value == wanted, "value", value, wanted);
      }
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
  return check::result();
}
