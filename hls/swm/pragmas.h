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
/// An iteration each `cycles` cycles: its work is spread over so many.
#define SWM_PIPELINE_II(cycles) SWM_PRAGMA(HLS PIPELINE II = cycles)
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
/// An array of structs is a memory of whole words: nothing reads or writes a member alone.
#define SWM_WHOLE_WORDS(var) SWM_PRAGMA(HLS AGGREGATE variable = var compact = bit)
/// The product that `var` receives is made in LUTs.
#define SWM_FABRIC_MULTIPLY(var) SWM_PRAGMA(HLS BIND_OP variable = var op = mul impl = fabric)
/// No iteration reads or overwrites what another one wrote: the loop only writes `var`, each element once.
#define SWM_NO_DEPENDENCE(var)                                           \
  SWM_PRAGMA(HLS DEPENDENCE variable = var type = inter dependent = false) \
  SWM_PRAGMA(HLS DEPENDENCE variable = var type = intra dependent = false)
/// What an iteration writes is read `iterations` later at the earliest: a tool that cannot keep that raises the II, or fails.
#define SWM_DEPENDENCE_DISTANCE(var, iterations) \
  SWM_PRAGMA(HLS DEPENDENCE variable = var type = inter direction = RAW distance = iterations dependent = true)
/// A table read at several places in a cycle: the tool copies it instead of waiting for a port.
#define SWM_ROM(var) SWM_PRAGMA(HLS BIND_STORAGE variable = var type = rom_np)
// A dataflow region: streams with their depths, `SWM_PROCESS(call);` for every process, SWM_DATAFLOW_RUN at its end. Plain
// calls, but for C simulation with SWM_SIM_BOUNDED (hls/sim/dataflow.h), where processes run side by side.
#if defined(SWM_VITIS) && defined(SWM_SIM_BOUNDED) && !defined(__SYNTHESIS__) && !defined(__VITIS_HLS__)
#define SWM_STREAM_DEPTH(var, beats) var.set_depth(beats);
#define SWM_PROCESS(...) ::swm::sim::start(#__VA_ARGS__, [&] { __VA_ARGS__; })
#define SWM_DATAFLOW_RUN ::swm::sim::run();
#else
#define SWM_STREAM_DEPTH(var, beats) SWM_PRAGMA(HLS STREAM variable = var depth = beats)
#define SWM_PROCESS(...) __VA_ARGS__
#define SWM_DATAFLOW_RUN
#endif
/// Wide shallow FIFOs stay in shift registers; block RAM would be spent on width alone.
#define SWM_STREAM_SRL(var) SWM_PRAGMA(HLS BIND_STORAGE variable = var type = fifo impl = srl)
