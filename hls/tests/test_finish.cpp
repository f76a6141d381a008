// SPDX-License-Identifier: Apache-2.0
// finish.h against double precision: exact rounding of identity, relu and clip, slopes, and tables that are made here.
#include "swm/finish.h"

#include <math.h>

#include "check.h"
#include "swm/tables.h"

namespace {

template <int OutBits, int OutFrac, int ValueFrac>
struct config {
  static constexpr int out_bits = OutBits, out_frac = OutFrac, out_shift = ValueFrac - OutFrac;
};

double limited(double v, int bits) {
  const double high = ldexp(1.0, bits - 1) - 1;
  return v > high ? high : v < -high - 1 ? -high - 1 : v;
}

/// \param error  of the activation in real numbers, beyond half a unit of the output
template <class Cfg, int W, int ValueFrac, class Activation>
void follows(double (*exact)(double), double error, const char* name) {
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
double upto_one(double x) { return x < -0.25 ? -0.25 : x > 1 ? 1 : x; }
double quarter(double x) { return x < 0 ? x / 4 : x; }
double hard(double x) { return upto_one(x * 0.25 + 0.5) < 0 ? 0 : upto_one(x * 0.25 + 0.5); }
double logistic(double x) { return 1 / (1 + exp(-x)); }
double soft(double x) { return log1p(exp(x)); }
double bump(double x) { return log1p(exp(-fabs(x))); }

long long nearest(double v) { return static_cast<long long>(floor(v + 0.5)); }

/// Interpolation of `shape` on [-8, 8), segments of 1 / 2^Segment; with max(x, 0) added where Rectified.
template <int ValueFrac, int OutFrac, int Segment, bool Lines, bool Rectified, double (*shape)(double)>
struct table {
  static constexpr int z_frac = ValueFrac < 12 ? ValueFrac : 12, input_shift = ValueFrac - z_frac, input_bits = z_frac + 8;
  static constexpr int first = -8 * (1 << z_frac), step_bits = z_frac - Segment, entries = 16 << Segment;
  static constexpr int start_bits = 18, rise_bits = Lines ? 18 : 0, base_shift = 16 + (Lines ? step_bits : 0) - z_frac;
  static constexpr int out_shift = 16 + (Lines ? step_bits : 0) - OutFrac, rectified = Rectified;
  static double at(int i) { return ldexp(double(i), -Segment) - 8; }
  static swm::int_t<18> start(int i) { return swm::int_t<18>(nearest(ldexp(Lines ? shape(at(i)) : (shape(at(i)) + shape(at(i + 1))) / 2, 16))); }
  static swm::int_t<18> rise(int i) { return swm::int_t<18>(nearest(ldexp(shape(at(i + 1)) - shape(at(i)), 16))); }
};

/// Slope 1/4 from 3 bits below the output's last; for the hard sigmoid an offset of 1/2 and bounds.
template <int ValueFrac, int OutFrac, int OutBits, bool Hard>
struct quarters {
  static constexpr int z_frac = ValueFrac < OutFrac + 3 ? ValueFrac : OutFrac + 3, input_shift = ValueFrac - z_frac;
  static constexpr int input_bits = OutBits + 3 + z_frac - OutFrac + (Hard ? 2 : 0), slope = 1, slope_bits = 2;
  static constexpr int offset = Hard ? 1 << (z_frac - 1) : 0, offset_bits = z_frac + 1, offset_shift = 2;
  static constexpr int out_shift = z_frac + 2 - OutFrac, low = Hard ? 0 : -(1 << 20), high = Hard ? 1 << OutFrac : 1 << 20;
};

template <int OutBits, int OutFrac, int ValueFrac, int W>
void all() {
  typedef config<OutBits, OutFrac, ValueFrac> Cfg;
  constexpr double last = 1.0 / (1 << OutFrac);
  follows<Cfg, W, ValueFrac, swm::identity>(same, 0, "identity");
  follows<Cfg, W, ValueFrac, swm::relu>(positive, 0, "relu");
  follows<Cfg, W, ValueFrac, swm::clip<-(1 << OutFrac) / 4, (1 << OutFrac)> >(upto_one, 0, "clip");
  follows<Cfg, W, ValueFrac, swm::leaky<quarters<ValueFrac, OutFrac, OutBits, false> > >(quarter, last / 16, "leaky");
  follows<Cfg, W, ValueFrac, swm::ramp<quarters<ValueFrac, OutFrac, OutBits, true> > >(hard, last / 16, "ramp");
  follows<Cfg, W, ValueFrac, swm::curve<table<ValueFrac, OutFrac, 4, true, false, logistic> > >(logistic, 3.6e-4, "sigmoid");
  follows<Cfg, W, ValueFrac, swm::curve<table<ValueFrac, OutFrac, 4, true, false, tanh> > >(tanh, 5e-4, "tanh");
  follows<Cfg, W, ValueFrac, swm::curve<table<ValueFrac, OutFrac, 6, false, false, tanh> > >(tanh, 8.2e-3, "tanh, constants");
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
  // softplus holds its output on [-4, 4) only: beyond it saturates
  follows<config<12, 8, 14>, 22, 14, swm::curve<table<14, 8, 4, true, true, bump> > >(soft, 8e-4, "softplus");
  const double pi = acos(-1.0);
  for (int i = 0; i < 64; ++i) {
    check::that(static_cast<long long>(swm::tables::cosine(i)) == floor(65536 * cos(pi * i / 128) + 0.5), "cosine table", i);
    check::that(static_cast<long long>(swm::tables::sine(i)) == floor(65536 * sin(pi * i / 128) + 0.5), "sine table", i);
  }
  return check::result();
}
