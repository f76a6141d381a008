// SPDX-License-Identifier: Apache-2.0
// add.h against wide integers, bit by bit: binary points on either side, both ends of the range, several tokens.
#include "swm/add.h"

#include "check.h"

namespace {

template <int N, int A, int B, int AShift, int BShift, int Out, int Shift, int Vec, class Act>
struct config {
  static constexpr int tick = 11, n = N, a_bits = A, b_bits = B, a_shift = AShift, b_shift = BShift, out_bits = Out;
  static constexpr int out_shift = Shift, vec = Vec;
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
  typedef swm::add_layer<Cfg> L;
  const int room = L::beats * L::V;
  bool moved = false;
  for (int trial = 0; trial < 30; ++trial) {
    const int tokens = trial % 4;
    const check::words a = check::values(tokens * room, Cfg::a_bits), b = check::values(tokens * room, Cfg::b_bits);
    check::channel<typename L::a_t, L::V> left;
    check::channel<typename L::b_t, L::V> right;
    check::channel<typename L::out_t, L::V> sums(tokens * room);
    left.put(a);
    right.put(b);
    swm::add<Cfg>(tokens, left.port, right.port, sums.port);
    const check::words out = sums.take(tokens * room);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
    for (int at = 0; at < tokens * room; ++at) {
      const check::wide v = check::wide(a[at]) * (1 << Cfg::a_shift) + check::wide(b[at]) * (1 << Cfg::b_shift);
      long long wanted = 0;
      if (at % room < Cfg::n) wanted = activate<typename Cfg::activation>(v, Cfg::out_shift, Cfg::out_bits);
      check::that(out[at] == wanted, "value", out[at], wanted);
      moved = moved || wanted != 0;
    }
  }
  check::that(moved, "outputs other than zero");
}

/// A clipped 0 need not be 0: what lies beyond n is.
void run_clip() {
  typedef config<3, 8, 8, 0, 2, 8, 0, 4, swm::clip<8, 20> > cfg;
  check::channel<swm::int_t<8>, 4> a, b, out(4);
  a.put({0, 0, 0, 0});
  b.put({0, 0, 0, 0});
  swm::add<cfg>(1, a.port, b.port, out.port);
  check::that(out.take(4) == check::words({8, 8, 8, 0}), "the lower bound");
}

}  // namespace

int main() {
  run<config<7, 8, 8, 0, 0, 8, 0, 1, swm::identity> >();
  run<config<7, 8, 8, 0, 0, 8, 1, 2, swm::relu> >();
  run<config<16, 12, 12, 3, 0, 12, 4, 4, swm::relu> >();
  run<config<33, 12, 8, 0, 5, 12, -2, 8, swm::identity> >();
  run<config<5, 4, 18, 13, 0, 18, 2, 16, swm::identity> >();
  run<config<40, 18, 18, 0, 9, 18, 11, 4, swm::relu> >();
  run_clip();
  return check::result();
}
