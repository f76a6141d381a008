// SPDX-License-Identifier: Apache-2.0
// finish.h against double precision: documented error of sigmoid and tanh, exact rounding of identity and relu.
#include "swm/finish.h"

#include <math.h>

#include "check.h"

namespace {

template <int OutBits, int OutFrac, int ValueFrac>
struct config {
  static constexpr int out_bits = OutBits, out_frac = OutFrac, out_shift = ValueFrac - OutFrac, act_shift = ValueFrac - 12;
};

double limited(double v, int bits) {
  const double high = ldexp(1.0, bits - 1) - 1;
  return v > high ? high : v < -high - 1 ? -high - 1 : v;
}

/// \param error  of the activation in real numbers, beyond half a unit of the output
template <class Cfg, int W, int ValueFrac, class Activation>
void curve(double (*exact)(double), double error, const char* name) {
  double worst = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    // half of the values inside [-8, 8), half anywhere
    const int inside = ValueFrac + 4 < W ? ValueFrac + 4 : W;
    const long long v = check::value(trial % 2 ? W : inside);
    const long long got = static_cast<long long>(Activation::template run<Cfg, W>(swm::int_t<W>(v)));
    const double wanted = exact(ldexp(static_cast<double>(v), -ValueFrac));
    const double miss = fabs(got - limited(ldexp(wanted, Cfg::out_frac), Cfg::out_bits));
    check::that(miss <= 0.5 + ldexp(error, Cfg::out_frac) + 1e-6, name, v, got);
    worst = fmax(worst, miss);
    check::that(got == static_cast<long long>(Activation::template run<Cfg, W>(swm::int_t<W>(v))), "same answer twice", v);
  }
  check::that(worst > 0, "values were compared");
}

double same(double x) { return x; }
double positive(double x) { return x > 0 ? x : 0; }
double logistic(double x) { return 1 / (1 + exp(-x)); }

template <int OutBits, int OutFrac, int ValueFrac, int W>
void all() {
  typedef config<OutBits, OutFrac, ValueFrac> Cfg;
  curve<Cfg, W, ValueFrac, swm::identity>(same, 0, "identity");
  curve<Cfg, W, ValueFrac, swm::relu>(positive, 0, "relu");
  curve<Cfg, W, ValueFrac, swm::sigmoid>(logistic, 3.5e-4, "sigmoid");
  curve<Cfg, W, ValueFrac, swm::tanh_>(tanh, 4.8e-4, "tanh");
}

}  // namespace

int main() {
  all<18, 16, 20, 26>();
  all<16, 15, 17, 22>();
  all<12, 11, 14, 40>();
  all<8, 7, 24, 30>();
  all<8, 4, 12, 18>();
  all<4, 3, 9, 13>();
  all<18, 17, 18, 44>();
  // table ends and middle, exact
  check::that(static_cast<long long>(swm::tables::sigmoid(128)) == 32768, "sigmoid(0)");
  check::that(static_cast<long long>(swm::tables::tanh(128)) == 0, "tanh(0)");
  for (int i = 0; i <= 256; ++i) {  // the tables are those functions, to the last bit
    const double x = i / 16.0 - 8;
    check::that(static_cast<long long>(swm::tables::sigmoid(i)) == floor(ldexp(logistic(x), 16) + 0.5), "sigmoid table", i);
    check::that(static_cast<long long>(swm::tables::tanh(i)) == floor(ldexp(tanh(x), 16) + 0.5), "tanh table", i);
  }
  const double pi = acos(-1.0);
  for (int i = 0; i < 64; ++i) {
    check::that(static_cast<long long>(swm::tables::cosine(i)) == floor(65536 * cos(pi * i / 128) + 0.5), "cosine table", i);
    check::that(static_cast<long long>(swm::tables::sine(i)) == floor(65536 * sin(pi * i / 128) + 0.5), "sine table", i);
  }
  return check::result();
}
