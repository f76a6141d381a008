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
/// Every index of dimension `dim` becomes an array of its own.
#define SWM_PARTITION(var, dim) SWM_PRAGMA(HLS ARRAY_PARTITION variable = var type = complete dim = dim)
/// Dimension `dim` is dealt out to `banks` arrays.
#define SWM_PARTITION_CYCLIC(var, banks, dim) SWM_PRAGMA(HLS ARRAY_PARTITION variable = var type = cyclic factor = banks dim = dim)
/// Dimension `dim` becomes one wide word: what a cycle reads lies at one address.
#define SWM_WIDE_WORD(var, dim) SWM_PRAGMA(HLS ARRAY_RESHAPE variable = var type = complete dim = dim)
/// No iteration of the loop reads what an earlier one wrote.
#define SWM_NO_DEPENDENCE(var) SWM_PRAGMA(HLS DEPENDENCE variable = var type = inter dependent = false)
#define SWM_STREAM_DEPTH(var, beats) SWM_PRAGMA(HLS STREAM variable = var depth = beats)
/// Wide shallow FIFOs stay in shift registers; block RAM would be spent on width alone.
#define SWM_STREAM_SRL(var) SWM_PRAGMA(HLS BIND_STORAGE variable = var type = fifo impl = srl)
