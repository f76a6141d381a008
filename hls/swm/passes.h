// SPDX-License-Identifier: Apache-2.0
/// \file passes.h
/// \brief What the passes of transforms of 32 points and more share: banks of a block, twiddles, rotation of lanes.
///
/// No memory of these processes needs more than one read and one write a cycle, and what is read never decides what is
/// written in the same memory: the dependences that a tool must assume cost no cycles, and none is waived by a pragma.
#pragma once

#include "circulant.h"
#include "rotate.h"
#include "tables.h"

namespace swm {
namespace detail {

/// Where word w of a block of 2 * Units words lies between two stages, in the two banks of a double buffer.
///
/// The stage that knows words in groups of 4 * Quarter points touches i and 2 Quarter - i (or 0 and Quarter) of a group: they
/// differ in the bit of Quarter and agree in that of Units. The other stage touches u and u + Units: the other way round. The
/// parity of both bits separates either pair.
template <int Units, int Quarter>
struct pass_banks {
  static_assert(is_power_of_two(Units) && is_power_of_two(Quarter) && 2 * Quarter <= Units, "a group is not the whole block");
  enum { quarter_bit = log2_of(Quarter), unit_bit = log2_of(Units) };
  static constexpr int bank(int word) { return ((word >> quarter_bit) ^ (word >> unit_bit)) & 1; }
  static constexpr int address(int word) { return word & (Units - 1); }
};

/// The words of a group that unit u takes or gives: i and 2 Quarter - i, or 0 and Quarter, i = u mod Quarter.
template <int Quarter>
struct pass_words {
  int low, high;
  explicit pass_words(int u) {
    SWM_INLINE
    const int i = u & (Quarter - 1);
    low = 2 * (u - i) + i;
    high = 2 * (u - i) + (i == 0 ? Quarter : 2 * Quarter - i);
  }
};

/// W_N^i = c - j s of stage log2 N, for three multiplications: c, c - s and c + s.
template <int Stage>
struct twiddle {
  int_t<18> c, less, more;

  explicit twiddle(int i) {
    SWM_INLINE
    c = tables::cosine(i << (8 - Stage));
    less = tables::cosine_minus_sine(i << (8 - Stage));
    more = tables::cosine_plus_sine(i << (8 - Stage));
  }

  /// (o.re + j o.im) (c - j s)
  template <int W>
  void forward(const cplx<W>& o, int_t<W + 19>& re, int_t<W + 19>& im) const {
    SWM_INLINE
    const int_t<W + 19> shared = multiply<W + 1, 18>(int_t<W + 1>(int_t<W + 1>(o.re) + int_t<W + 1>(o.im)), c);
    re = int_t<W + 19>(shared - int_t<W + 19>(multiply<W, 18>(o.im, less)));
    im = int_t<W + 19>(shared - int_t<W + 19>(multiply<W, 18>(o.re, more)));
  }

  /// (d.re + j d.im) (c + j s)
  template <int W>
  void inverse(const cplx<W>& d, int_t<W + 19>& re, int_t<W + 19>& im) const {
    SWM_INLINE
    const int_t<W + 19> shared = multiply<W + 1, 18>(int_t<W + 1>(int_t<W + 1>(d.re) + int_t<W + 1>(d.im)), c);
    re = int_t<W + 19>(shared - int_t<W + 19>(multiply<W, 18>(d.im, more)));
    im = int_t<W + 19>(shared - int_t<W + 19>(multiply<W, 18>(d.re, less)));
  }
};

/// Stage 3 turns by 0 (which nobody asks for) or by an eighth: no multiplier.
template <>
struct twiddle<3> {
  explicit twiddle(int) { SWM_INLINE }

  template <int W>
  void forward(const cplx<W>& o, int_t<W + 19>& re, int_t<W + 19>& im) const {
    SWM_INLINE
    re = times_root_half<W + 1>(int_t<W + 1>(int_t<W + 1>(o.re) + int_t<W + 1>(o.im)));
    im = times_root_half<W + 1>(int_t<W + 1>(int_t<W + 1>(o.im) - int_t<W + 1>(o.re)));
  }

  template <int W>
  void inverse(const cplx<W>& d, int_t<W + 19>& re, int_t<W + 19>& im) const {
    SWM_INLINE
    re = times_root_half<W + 1>(int_t<W + 1>(int_t<W + 1>(d.re) - int_t<W + 1>(d.im)));
    im = times_root_half<W + 1>(int_t<W + 1>(int_t<W + 1>(d.re) + int_t<W + 1>(d.im)));
  }
};

/// How the values of blocks are stored where `Beat` consecutive ones and four of every block (u + m k/4) meet.
///
/// Value u + m k/4 of lane l lies at address u of bank (4 l + m + together (u mod part)) mod banks. Consecutive values of a
/// beat differ in u mod part, or in 4 l + m by less than `together`; the values of a unit in 4 l + m: no two meet.
template <int Units, int Lanes, int Beat>
struct corner {
  enum {
    banks = 4 * Lanes,
    part = min_of(Beat, Units),       // values of a beat that share m
    together = Beat / part,           // values m of a beat
    deep = Units / part,              // beats that share m
    turns = banks / together,         // rotations by a multiple of `together`
    turn_bits = log2_of(turns),
    part_bits = log2_of(part),
    together_bits = log2_of(together),
    time = max_of(Units, Lanes * 4 * Units / Beat),  // iterations of the Lanes blocks
    every = time / Units,                            // of them, to one unit
    every_bits = log2_of(every),
    deep_bits = log2_of(deep)
  };
  static_assert(Lanes * 4 * Units / Beat == time, "a beat an iteration");
  /// Of value u + m k/4 of lane l, m_of_lane = 4 l + m.
  static constexpr int bank(int m_of_lane, int u) { return (m_of_lane + together * (u & (part - 1))) & (banks - 1); }
};

/// v[i] becomes v[(i + amount * Step) mod N], amount < 2^Bits.
template <int N, int Step, int Bits, class T>
inline void rotate_lanes(T v[N], int amount) {
  SWM_INLINE
ROTATE_BITS:
  for (int s = 0; s < Bits; ++s) {
    SWM_UNROLL
    T moved[N];
    SWM_PARTITION(moved, 1)
  ROTATE_FROM:
    for (int i = 0; i < N; ++i) {
      SWM_UNROLL
      moved[i] = ((amount >> s) & 1) != 0 ? v[(i + (Step << s)) & (N - 1)] : v[i];
    }
  ROTATE_TO:
    for (int i = 0; i < N; ++i) {
      SWM_UNROLL
      v[i] = moved[i];
    }
  }
}

}  // namespace detail
}  // namespace swm
