// SPDX-License-Identifier: Apache-2.0
// concat.h against wide integers, bit by bit: one, two, three and eight inputs of different widths and binary points.
#include "swm/concat.h"

#include "check.h"

namespace {

using swm::ints;

template <int Vec, int Out, class Channels, class Bits, class Shifts>
struct config {
  static constexpr int tick = 13, vec = Vec, out_bits = Out;
  typedef Channels channels;
  typedef Bits in_bits;
  typedef Shifts in_shifts;
};

/// Values of input I, as the kernel takes them, and what it must make of them.
template <class Cfg, int I>
struct source {
  typedef swm::concat_layer<Cfg> L;
  typedef typename L::template input<I> P;
  check::words given;
  check::channel<typename P::in_t, L::V> channel;
  explicit source(int tokens) : given(check::values(tokens * P::beats * L::V, P::bits)) { channel.put(given); }
  void expect(int token, check::words& wanted) const {
    const int shift = swm::detail::element<I, typename Cfg::in_shifts>::value;
    for (int i = 0; i < P::beats * L::V; ++i) {
      const check::wide y = check::clip(check::round_to(given[token * P::beats * L::V + i], shift), Cfg::out_bits);
      wanted.push_back(i < P::n ? static_cast<long long>(y) : 0);
    }
  }
};

template <class Cfg>
struct bench {
  typedef swm::concat_layer<Cfg> L;
  check::channel<typename L::out_t, L::V> out;
  int tokens;
  explicit bench(int count) : out(count * L::period * L::V), tokens(count) {}

  template <class... Sources>
  void run(Sources&&... sources) {
    swm::concat<Cfg>(tokens, out.port, sources.channel.port...);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
    check::words wanted;
    for (int token = 0; token < tokens; ++token) {
      const int each[] = {(sources.expect(token, wanted), 0)...};
      (void)each;
    }
    const check::words got = out.take(tokens * L::period * L::V);
    check::that(got.size() == wanted.size(), "length", got.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) check::that(got[i] == wanted[i], "value", got[i], wanted[i]);
  }
};

typedef config<4, 12, ints<7>, ints<16>, ints<5> > one;
typedef config<4, 12, ints<8, 12>, ints<12, 12>, ints<0, 3> > two;
typedef config<8, 18, ints<16, 8, 5>, ints<4, 18, 9>, ints<-3, 2, 0> > three;
typedef config<2, 4, ints<2, 4>, ints<18, 18>, ints<-50, 50> > extreme;
typedef config<1, 8, ints<1, 2, 3, 1, 1, 4, 2, 1>, ints<8, 9, 10, 11, 12, 13, 14, 15>, ints<0, 1, 2, 3, 4, 5, 6, 7> > eight;

}  // namespace

int main() {
  for (int trial = 0; trial < 12; ++trial) {
    const int t = trial % 4;
    bench<one>(t).run(source<one, 0>(t));
    bench<two>(t).run(source<two, 0>(t), source<two, 1>(t));
    bench<extreme>(t).run(source<extreme, 0>(t), source<extreme, 1>(t));
    bench<three>(t).run(source<three, 0>(t), source<three, 1>(t), source<three, 2>(t));
    bench<eight>(t).run(source<eight, 0>(t), source<eight, 1>(t), source<eight, 2>(t), source<eight, 3>(t),
                        source<eight, 4>(t), source<eight, 5>(t), source<eight, 6>(t), source<eight, 7>(t));
  }
  return check::result();
}
