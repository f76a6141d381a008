// SPDX-License-Identifier: Apache-2.0
// width.h: wider, narrower and equal beats, tokens that end inside a beat.
#include "swm/width.h"

#include "check.h"

namespace {

template <int N, int Bits, int In, int Out>
struct config {
  static constexpr int tick = 19, n = N, bits = Bits, in_vec = In, out_vec = Out;
};

/// Tokens of n values, each filled up with zeros to whole beats.
check::words padded(const check::words& values, int n, int vec) {
  check::words out;
  for (size_t at = 0; at < values.size(); at += n) {
    out.insert(out.end(), values.begin() + at, values.begin() + at + n);
    while (out.size() % vec != 0) out.push_back(0);
  }
  return out;
}

template <int N, int Bits, int In, int Out>
void run() {
  typedef config<N, Bits, In, Out> cfg;
  typedef swm::width_layer<cfg> L;
  for (int tokens = 0; tokens < 5; ++tokens) {
    check::words x;
    for (int token = 0; token < tokens; ++token) {
      const check::words one = check::values(N, Bits);
      x.insert(x.end(), one.begin(), one.end());
    }
    const check::words wanted = padded(x, N, Out);
    check::channel<typename L::in_t, In> in;
    check::channel<typename L::out_t, Out> out(static_cast<int>(wanted.size()));
    in.put(padded(x, N, In));
    swm::width<cfg>(tokens, in.port, out.port);
    check::that(out.take(static_cast<int>(wanted.size())) == wanted, "values", N, In * 1000 + Out);
    const long long ticks = check::ticked(cfg::tick);
    check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
    check::that(L::iterations(tokens) == tokens * swm::max_of(swm::ceil_div(N, In), swm::ceil_div(N, Out)), "formula", N);
  }
}

}  // namespace

int main() {
  run<16, 8, 1, 4>();
  run<16, 8, 4, 1>();
  run<13, 12, 2, 8>();
  run<13, 12, 8, 2>();
  run<5, 12, 16, 4>();
  run<5, 12, 4, 16>();
  run<17, 18, 4, 16>();
  run<17, 18, 16, 4>();
  run<7, 4, 4, 4>();
  run<1, 8, 1, 8>();
  run<1, 8, 8, 1>();
  run<64, 16, 32, 1>();
  return check::result();
}
