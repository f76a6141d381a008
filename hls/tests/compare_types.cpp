// SPDX-License-Identifier: Apache-2.0
// Prints what ap_int, ap_uint and hls::stream do with random values, in the ways in which swm uses them. Compiled
// against the stand-ins of hls/sim and against the vendor's headers: the two outputs must be equal.
#include "ap_int.h"
#include "hls_stream.h"

#include "check.h"

namespace {

template <int A, int B>
void pair() {
  for (int trial = 0; trial < 100; ++trial) {
    const long long a = check::value(A), b = check::value(B), raw = check::value(60);
    const ap_int<A> x = ap_int<A>(a), wrapped = ap_int<A>(raw);
    const ap_int<B> y = ap_int<B>(b);
    const ap_int<A + B> product = x * y;
    const int wide = (A > B ? A : B) + 1;
    const ap_int<wide> sum = ap_int<wide>(ap_int<wide>(x) + ap_int<wide>(y));
    const ap_int<wide> difference = ap_int<wide>(ap_int<wide>(x) - ap_int<wide>(y));
    const ap_int<A> negated = ap_int<A>(-x), up = ap_int<A>(ap_int<A>(1) << (A - 2)), down = ap_int<A>(x >> (A / 2));
    const ap_int<A> chosen = x > ap_int<A>(0) ? x : wrapped;
    const ap_int<A> timed = ap_int<A>(ap_int<A>(x) * 3);
    const ap_uint<A> bits = ap_uint<A>(x);
    const ap_int<A> back = ap_int<A>(bits);
    ap_uint<2 * A + 70> word = 0;
    word.range(A - 1, 0) = ap_uint<A>(x);
    word.range(A + 69, 70) = ap_uint<A>(wrapped);
    const ap_uint<A> low = word.range(A - 1, 0), high = word.range(A + 69, 70);
    const ap_uint<7> between = word.range(66, 60);
    printf("%lld %lld %lld %lld %lld %lld %lld %lld %lld %lld %llu %llu %llu %d%d%d%d\n", (long long)product, (long long)sum,
           (long long)difference, (long long)negated, (long long)up, (long long)down, (long long)chosen, (long long)timed,
           (long long)back, (long long)wrapped, (unsigned long long)low, (unsigned long long)high,
           (unsigned long long)between, int(x < wrapped), int(x == wrapped), int(bits == low), int(x < 0));
  }
}

}  // namespace

int main() {
  pair<4, 18>();
  pair<8, 8>();
  pair<12, 5>();
  pair<16, 16>();
  pair<18, 25>();
  pair<27, 18>();
  pair<32, 31>();
  pair<33, 27>();
  hls::stream<swm::vec<ap_int<12>, 3> > stream("s");
  for (int i = 0; i < 50; ++i) {
    swm::vec<ap_int<12>, 3> beat;
    for (int j = 0; j < 3; ++j) beat.v[j] = ap_int<12>(check::value(13));
    stream.write(beat);
    if (i % 3 != 0) {
      const swm::vec<ap_int<12>, 3> got = stream.read();
      printf("%lld %lld %lld %d %d\n", (long long)got.v[0], (long long)got.v[1], (long long)got.v[2], int(stream.empty()),
             int(stream.size()));
    }
  }
  while (!stream.empty()) stream.read();  // the vendor's warns of what is left
  return 0;
}
