// SPDX-License-Identifier: Apache-2.0
// regroup.h: tokens split and joined, each in beats that it does not fill.
#include "swm/regroup.h"

#include "check.h"

namespace {

template <int N, int Parts, int Split, int Bits, int In, int Out>
struct config {
  static constexpr int tick = 19, n = N, parts = Parts, split = Split, bits = Bits, in_vec = In, out_vec = Out;
};

/// Tokens of n values, each filled up with `fill` to a beat.
check::words padded(const check::words& values, int n, int vec, int fill) {
  check::words out;
  for (size_t at = 0; at < values.size(); at += n) {
    out.insert(out.end(), values.begin() + at, values.begin() + at + n);
    while (out.size() % vec != 0) out.push_back(fill);
  }
  return out;
}

template <int N, int Parts, int Split, int Bits, int In, int Out>
void run() {
  typedef config<N, Parts, Split, Bits, In, Out> cfg;
  typedef swm::regroup_layer<cfg> L;
  constexpr int longer = N * Parts, comes = Split ? longer : N, leaves = Split ? N : longer;
  for (int tokens = 0; tokens < 5; ++tokens) {
    const check::words x = check::values(tokens * longer, Bits);
    const check::words wanted = padded(x, leaves, Out, 0);
    check::channel<typename L::in_t, In> in;
    check::channel<typename L::out_t, Out> out(static_cast<int>(wanted.size()));
    in.put(padded(x, comes, In, 3));
    swm::regroup<cfg>(tokens, in.port, out.port);
    check::that(out.take(static_cast<int>(wanted.size())) == wanted, "values", N, In * 1000 + Out);
    const long long ticks = check::ticked(cfg::tick);
    check::that(ticks == tokens * Parts, "iterations", ticks, tokens * Parts);
  }
}

}  // namespace

int main() {
  run<6, 4, 1, 8, 32, 8>();
  run<6, 2, 0, 8, 8, 16>();
  run<1, 7, 1, 12, 8, 4>();
  run<3, 5, 0, 18, 4, 32>();
  run<5, 1, 1, 8, 8, 16>();
  run<4, 2, 0, 4, 4, 8>();
  return check::result();
}
