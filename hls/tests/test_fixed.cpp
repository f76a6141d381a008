// SPDX-License-Identifier: Apache-2.0
// fixed.h against 128-bit integers: every operator, every kind of shift, widths around those of native types.
#include "swm/fixed.h"

#include "check.h"

namespace {

template <int S, int W>
void shift_by() {
  for (int trial = 0; trial < 50; ++trial) {
    const long long v = check::value(W);
    const swm::int_t<W> x = swm::int_t<W>(v);
    const long long got = static_cast<long long>(swm::round_shift<S, W>(x));
    check::that(got == check::round_to(v, S), "round_shift", v, got);
    const long long limited = static_cast<long long>(swm::saturate<12, swm::rounded<S, W>::bits>(swm::round_shift<S, W>(x)));
    check::that(limited == check::clip(check::round_to(v, S), 12), "round_shift and saturate", v, limited);
  }
}

template <int W>
void width() {
  for (int trial = 0; trial < 200; ++trial) {
    const long long a = check::value(W), b = check::value(W), f = check::value(18);
    const swm::int_t<W> x = swm::int_t<W>(a), y = swm::int_t<W>(b);
    check::that(static_cast<long long>(swm::add<W>(x, y)) == a + b, "add", a, b);
    check::that(static_cast<long long>(swm::subtract<W>(x, y)) == a - b, "subtract", a, b);
    const long long product = static_cast<long long>(swm::multiply<W, 18>(x, swm::int_t<18>(f)));
    check::that(product == check::wide(a) * f, "multiply", a, f);
    check::that(static_cast<long long>(swm::saturate<8, W>(x)) == check::clip(a, 8), "saturate<8>", a);
    check::that(static_cast<long long>(swm::saturate<18, W>(x)) == check::clip(a, 18), "saturate<18>", a);
    const long long half = static_cast<long long>(swm::halve_if<W>(true, swm::int_t<W + 2>(a)));
    check::that(half == check::round_to(a, 1), "halve_if", a, half);
    check::that(static_cast<long long>(swm::halve_if<W>(false, swm::int_t<W + 2>(a))) == a, "halve_if not", a);
  }
  shift_by<-7, W>();
  shift_by<-1, W>();
  shift_by<0, W>();
  shift_by<1, W>();
  shift_by<2, W>();
  shift_by<W - 1, W>();
  shift_by<W, W>();
  shift_by<W + 1, W>();
  shift_by<W + 2, W>();
  shift_by<90, W>();
}

}  // namespace

int main() {
  width<4>();
  width<7>();
  width<8>();
  width<9>();
  width<15>();
  width<16>();
  width<17>();
  width<25>();
  width<30>();
  width<31>();
  width<32>();
  width<33>();
  width<44>();
  for (int n = 1; n < 2000; ++n) {
    int up = 0, down = 0;
    while ((1 << up) < n) ++up;
    while ((2 << down) <= n) ++down;
    check::that(swm::clog2(n) == up, "clog2", n);
    check::that(swm::log2_of(n) == down, "log2_of", n);
    check::that(swm::is_power_of_two(n) == (up == down), "is_power_of_two", n);
    for (int d = 1; d < 40; ++d) check::that(swm::ceil_div(n, d) == n / d + (n % d != 0), "ceil_div", n, d);
  }
  return check::result();
}
