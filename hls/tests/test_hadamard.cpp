// SPDX-License-Identifier: Apache-2.0
// hadamard.h against wide integers, bit by bit: a factor for each value, and factors held for a frame.
#include "swm/hadamard.h"

#include "check.h"

namespace {

template <int N, int Held, int A, int B, int Out, int Shift, int Vec, class Act>
struct config {
  static constexpr int tick = 11, n = N, held = Held, a_bits = A, b_bits = B, out_bits = Out, out_shift = Shift, vec = Vec;
  typedef Act activation;
};

template <class Act>
long long activate(check::wide v, int shift, int bits) {
  return static_cast<long long>(check::clip(check::round_to(v, shift), bits));
}
template <>
long long activate<swm::relu>(check::wide v, int shift, int bits) {
  return activate<swm::identity>(v < 0 ? 0 : v, shift, bits);
}

template <class Cfg>
void run() {
  typedef swm::hadamard_layer<Cfg> L;
  const int room = L::beats * L::V, tokens = Cfg::held ? Cfg::held : 1;
  bool moved = false;
  for (int trial = 0; trial < 20; ++trial) {
    const int periods = trial % 4, count = periods * tokens * room;
    const check::words a = check::values(count, Cfg::a_bits), b = check::values(periods * room, Cfg::b_bits);
    check::channel<typename L::a_t, L::V> left;
    check::channel<typename L::b_t, L::V> right;
    check::channel<typename L::out_t, L::V> products(count);
    left.put(a);
    right.put(b);
    swm::hadamard<Cfg>(periods, left.port, right.port, products.port);
    const check::words out = products.take(count);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(periods), "iterations", ticks, L::iterations(periods));
    for (int at = 0; at < count; ++at) {
      const int frame = at / (tokens * room), channel = at % room;
      const check::wide v = check::wide(a[at]) * b[frame * room + channel];
      long long wanted = 0;
      if (channel < Cfg::n) wanted = activate<typename Cfg::activation>(v, Cfg::out_shift, Cfg::out_bits);
      check::that(out[at] == wanted, "value", out[at], wanted);
      moved = moved || wanted != 0;
    }
  }
  check::that(moved, "outputs other than zero");
}

}  // namespace

int main() {
  run<config<7, 0, 8, 8, 8, 5, 1, swm::identity> >();
  run<config<33, 0, 12, 8, 12, 6, 8, swm::relu> >();
  run<config<7, 1, 8, 8, 8, 6, 2, swm::identity> >();
  run<config<16, 5, 12, 12, 12, 9, 4, swm::relu> >();
  run<config<5, 3, 4, 18, 18, 2, 16, swm::identity> >();
  run<config<40, 4, 18, 18, 18, 17, 4, swm::identity> >();
  return check::result();
}
