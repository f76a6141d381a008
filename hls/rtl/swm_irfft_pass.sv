// SPDX-License-Identifier: Apache-2.0
/// \file swm_irfft_pass.sv
/// \brief Stage STAGE (log2 K - 1 down to 3) of the inverse transforms of blocks of K >= 32 points (docs/arithmetic.md section 4).
///
/// A beat is a unit: two words (re, im) of each of LANES blocks, WP bits a part, K/4 beats a block. Unit u of the stage before
/// has words u and u + K/4, unit u of this one takes words i and N/2 - i of a group (i = 0: 0 and N/4); banks as in
/// swm_rfft_pass. Two halves (swm_block_walk); a unit each II cycles.
///
/// Latency from a unit to its beat: 2 (memory) + that of swm_inverse_unit.
module swm_irfft_pass #(
    parameter int K = 32,
    parameter int STAGE = 3,
    parameter int SUM_BITS = 16,   // of a part of a rounded sum
    parameter int FFT_SHIFTS = 0,
    parameter int LANES = 1,
    parameter int II = 1,
    parameter int DEPTH = 2,
    parameter int WP = SUM_BITS + 1 + (FFT_SHIFTS > 2 ? FFT_SHIFTS - 2 : 0)
) (
    input  logic                  clk,
    input  logic                  rst,
    input  logic                  in_valid,
    output logic                  in_ready,
    input  logic [LANES*4*WP-1:0] in_data,
    output logic                  out_valid,
    input  logic                  out_ready,
    output logic [LANES*4*WP-1:0] out_data
);
  localparam int STAGES = $clog2(K);
  localparam int UNITS = K / 4;
  localparam int UB = $clog2(UNITS);
  localparam int QB = STAGE - 2;  // log2 of N/4
  localparam int DONE = STAGES - STAGE;
  localparam int HALVINGS = STAGES - FFT_SHIFTS;
  localparam int W = SUM_BITS + 1 + (DONE > HALVINGS ? DONE - HALVINGS : 0);  // of a part before this stage
  localparam int LATE = 2 + (STAGE == 3 || II == 1 ? 4 : II == 2 ? 5 : 6);

  logic load, load_half, room, emit, emit_half, push;
  logic [UB-1:0] in_unit, unit;
  swm_block_walk #(.LOADS(UNITS), .EMITS(UNITS), .II(II)) u_walk (
      .clk, .rst, .offered(in_valid), .free(in_ready), .load, .load_half, .load_at(in_unit), .room, .emit, .emit_half,
      .emit_at(unit));

  logic [QB-1:0] i, i_late;
  logic [UB:0] low, high;
  logic low_bank, low_bank_late, packed_now, go;
  assign i = unit[QB-1:0];
  assign low = {unit[UB-1:QB], 1'b0, i};
  assign high = i == '0 ? {unit[UB-1:QB], 1'b1, i} : {unit[UB-1:QB], (QB + 1)'(0) - (QB + 1)'(i)};
  assign low_bank = low[QB] ^ low[UB];
  logic unused_high;
  assign unused_high = &{1'b0, high};
  swm_delay #(.WIDTH(2), .N(2)) u_marks (.clk, .in({low_bank, i == '0}), .out({low_bank_late, packed_now}));
  swm_delay #(.WIDTH(QB), .N(1)) u_i (.clk, .in(i), .out(i_late));
  swm_valid #(.N(2)) u_go (.clk, .rst, .in(emit), .out(go));

  genvar l;
  logic [LANES*4*WP-1:0] words;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : g_lane
      logic [4*WP-1:0] taken;
      logic [2*W-1:0] first_word, second_word, a, b;
      logic unused;
      assign taken = in_data[l*4*WP+:4*WP];
      assign first_word = {taken[WP+:W], taken[0+:W]};
      assign second_word = {taken[3*WP+:W], taken[2*WP+:W]};
      assign unused = &{1'b0, taken};
      swm_ram #(.WIDTH(2 * W), .DEPTH(2 * UNITS)) u_a (
          .clk, .write(load), .to({load_half, in_unit}), .value(in_unit[QB] ? second_word : first_word),
          .from({emit_half, low_bank ? high[UB-1:0] : low[UB-1:0]}), .data(a));
      swm_ram #(.WIDTH(2 * W), .DEPTH(2 * UNITS)) u_b (
          .clk, .write(load), .to({load_half, in_unit}), .value(in_unit[QB] ? first_word : second_word),
          .from({emit_half, low_bank ? low[UB-1:0] : high[UB-1:0]}), .data(b));
      swm_inverse_unit #(.STAGE(STAGE), .W(W), .OUT(WP), .HALVE(DONE < HALVINGS ? 1 : 0), .II(II)) u_unit (
          .clk, .go, .i(i_late), .packed_word(packed_now), .x(low_bank_late ? b : a), .y(low_bank_late ? a : b),
          .words(words[l*4*WP+:4*WP]));
    end
  endgenerate
  swm_valid #(.N(LATE)) u_push (.clk, .rst, .in(emit), .out(push));
  swm_fifo #(.WIDTH(LANES * 4 * WP), .DEPTH(DEPTH), .PIPELINE(LATE)) u_out (
      .clk, .rst, .reserve(emit), .room, .push, .in_data(words), .out_valid, .out_ready, .out_data);
endmodule
