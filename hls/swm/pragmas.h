// SPDX-License-Identifier: Apache-2.0
/// \file pragmas.h
/// \brief Every HLS pragma of the library behind a macro.
///
/// They expand to `#pragma HLS ...` only while Vitis HLS reads the code (`__SYNTHESIS__` or `__VITIS_HLS__`). A plain
/// compiler would warn about unknown pragmas, and other HLS compilers reject some of them (PandA Bambu: PIPELINE inside
/// a loop, UNROLL without a factor).
#pragma once

#if defined(__GNUC__) && !defined(__SYNTHESIS__)
// Labels name loops for directives and reports; a plain compiler has no other use for them.
#pragma GCC diagnostic ignored "-Wunused-label"
#endif

#define SWM_PRAGMA_TEXT(x) _Pragma(#x)
#if defined(SWM_VITIS) && (defined(__SYNTHESIS__) || defined(__VITIS_HLS__))
#define SWM_PRAGMA(x) SWM_PRAGMA_TEXT(x)
#else
#define SWM_PRAGMA(x)
#endif

#define SWM_PIPELINE SWM_PRAGMA(HLS PIPELINE II = 1)
#define SWM_UNROLL SWM_PRAGMA(HLS UNROLL)
#define SWM_INLINE SWM_PRAGMA(HLS INLINE)
/// One module for all calls: they follow each other, and so share its multipliers.
#define SWM_ONE_MODULE SWM_PRAGMA(HLS INLINE off)
#define SWM_DATAFLOW SWM_PRAGMA(HLS DATAFLOW)
// Parameters are spelled unlike the keywords of a pragma: `dim = dim` would expand to `2 = 2`.
/// Every index of dimension `axis` becomes an array of its own; axis 0: every element becomes a register.
#define SWM_PARTITION(var, axis) SWM_PRAGMA(HLS ARRAY_PARTITION variable = var type = complete dim = axis)
/// Dimension `axis` becomes one wide word: what a cycle reads lies at one address.
#define SWM_WIDE_WORD(var, axis) SWM_PRAGMA(HLS ARRAY_RESHAPE variable = var type = complete dim = axis)
/// `count` consecutive elements of dimension 1 become one wide word.
#define SWM_WIDE_WORDS_OF(var, count) SWM_PRAGMA(HLS ARRAY_RESHAPE variable = var type = cyclic factor = count dim = 1)
/// No iteration reads or overwrites what another one wrote: the loop only writes `var`, each element once.
#define SWM_NO_DEPENDENCE(var)                                           \
  SWM_PRAGMA(HLS DEPENDENCE variable = var type = inter dependent = false) \
  SWM_PRAGMA(HLS DEPENDENCE variable = var type = intra dependent = false)
/// A table read at several places in a cycle: the tool copies it instead of waiting for a port.
#define SWM_ROM(var) SWM_PRAGMA(HLS BIND_STORAGE variable = var type = rom_np)
#define SWM_STREAM_DEPTH(var, beats) SWM_PRAGMA(HLS STREAM variable = var depth = beats)
/// Wide shallow FIFOs stay in shift registers; block RAM would be spent on width alone.
#define SWM_STREAM_SRL(var) SWM_PRAGMA(HLS BIND_STORAGE variable = var type = fifo impl = srl)
