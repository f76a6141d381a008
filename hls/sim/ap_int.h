// SPDX-License-Identifier: Apache-2.0
/// \file ap_int.h
/// \brief Stand-in for the Xilinx header in C simulation: the part of ap_int and ap_uint that swm uses, and fast.
///
/// Synthesis uses the tool's own header. Here a value of up to 64 bits is one native integer that wraps to W bits when it
/// is constructed; arithmetic happens in long long after conversion, so an expression must be given its width by the
/// variable that receives it, as swm always does. A test holds it against the real header over random values.
#pragma once

#include <stdint.h>

template <int W>
struct ap_uint;

template <int W>
struct ap_int {
  static_assert(W >= 1 && W <= 64, "this stand-in holds 1 to 64 bits");
  int64_t value;

  constexpr ap_int() : value(0) {}
  template <class T>
  constexpr ap_int(T v) : value(wrap(static_cast<uint64_t>(static_cast<long long>(v)))) {}  // NOLINT: implicit as the original
  constexpr operator long long() const { return value; }                                    // NOLINT

 private:
  static constexpr int64_t wrap(uint64_t bits) {
    return static_cast<int64_t>(bits << (64 - W)) >> (64 - W);
  }
};

namespace swm_sim {

/// Bits hi..lo of an array of 64-bit words, at most 64 of them.
struct slice {
  uint64_t* words;
  int hi, lo;

  unsigned long long get() const {
    unsigned long long out = 0;
    for (int bit = hi; bit >= lo; --bit) out = (out << 1) | ((words[bit / 64] >> (bit % 64)) & 1U);
    return out;
  }
  operator unsigned long long() const { return get(); }  // NOLINT
  slice& operator=(unsigned long long v) {
    for (int bit = lo; bit <= hi; ++bit, v >>= 1) {
      const uint64_t mask = static_cast<uint64_t>(1) << (bit % 64);
      words[bit / 64] = (v & 1U) ? (words[bit / 64] | mask) : (words[bit / 64] & ~mask);
    }
    return *this;
  }
};

}  // namespace swm_sim

template <int W>
struct ap_uint {
  enum { count = (W + 63) / 64 };
  uint64_t words[count];

  ap_uint() : words() {}
  template <class T>
  ap_uint(T v) : words() {  // NOLINT: implicit as the original
    const long long wide = static_cast<long long>(v);
    words[0] = static_cast<uint64_t>(wide);
    for (int i = 1; i < count; ++i) words[i] = wide < 0 ? ~static_cast<uint64_t>(0) : 0;
    if (W % 64 != 0) words[count - 1] &= (static_cast<uint64_t>(1) << (W % 64)) - 1;
  }
  operator unsigned long long() const { return words[0]; }  // NOLINT
  swm_sim::slice range(int hi, int lo) { return swm_sim::slice{words, hi, lo}; }
  unsigned long long range(int hi, int lo) const { return swm_sim::slice{const_cast<uint64_t*>(words), hi, lo}.get(); }
};
