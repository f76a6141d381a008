// SPDX-License-Identifier: Apache-2.0
// global_pool.h against plain arithmetic: greatest values, means and sums; tokens of one and of several beats.
#include "swm/global_pool.h"

#include "check.h"

namespace {

template <int N, int Positions, int Vec, int Bits, int Greatest, int Reciprocal, int ReciprocalBits, int Out, class Activation>
struct config {
  static constexpr int tick = 9, n = N, positions = Positions, in_bits = Bits, vec = Vec, greatest = Greatest;
  static constexpr int reciprocal = Reciprocal, reciprocal_bits = ReciprocalBits, out_bits = Out, out_shift = 2;
  typedef Activation activation;
};

template <class Cfg>
void bench(int frames) {
  typedef swm::global_pool_layer<Cfg> L;
  constexpr int V = Cfg::vec, width = L::beats * V;
  const check::words given = check::values(frames * Cfg::positions * width, Cfg::in_bits);
  check::channel<typename L::in_t, V> in;
  check::channel<typename L::out_t, V> out(frames * width);
  in.put(given);
  swm::global_pool<Cfg>(frames, in.port, out.port);
  const long long ticks = check::ticked(Cfg::tick);
  check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
  const check::words got = out.take(frames * width);
  check::that(got.size() == size_t(frames * width), "length", got.size(), frames * width);
  for (int f = 0; f < frames; ++f) {
    for (int c = 0; c < width; ++c) {
      check::wide value = given[f * Cfg::positions * width + c];
      for (int p = 1; p < Cfg::positions; ++p) {
        const long long x = given[(f * Cfg::positions + p) * width + c];
        value = !Cfg::greatest ? value + x : x > value ? x : value;
      }
      value *= Cfg::reciprocal;
      if (std::is_same<typename Cfg::activation, swm::relu>::value && value < 0) value = 0;
      value = c < Cfg::n ? check::clip(check::round_to(value, Cfg::out_shift), Cfg::out_bits) : 0;
      check::that(got[f * width + c] == value, "value", got[f * width + c], static_cast<long long>(value));
    }
  }
}

template <class Cfg>
void benches() {
  for (int frames = 0; frames < 4; ++frames) bench<Cfg>(frames);
}

}  // namespace

int main() {
  benches<config<1, 1, 1, 8, 1, 1, 0, 8, swm::identity> >();
  benches<config<6, 9, 4, 12, 1, 1, 0, 12, swm::relu> >();
  benches<config<8, 16, 8, 18, 0, 1, 2, 18, swm::identity> >();
  benches<config<7, 49, 2, 16, 0, 171196, 19, 12, swm::relu> >();
  benches<config<5, 3, 1, 4, 0, 1, 0, 6, swm::identity> >();
  return check::result();
}
