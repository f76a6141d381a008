// SPDX-License-Identifier: Apache-2.0
/// \file swm_rfft_pass.sv
/// \brief Stage STAGE (3 to log2 K) of the forward transforms of blocks of K >= 32 points (docs/arithmetic.md section 2).
///
/// A beat is a unit: two words (re, im) of each of LANES blocks, W_STREAM bits a part, K/4 beats a block. Unit u of the stage
/// before has words i and N/4 - i of a group (i = 0: 0 and N/8), unit u of this one takes words u and u + K/4: a word lies at
/// its lower bits in the bank of the parity of the two bits that tell these apart (hls/swm/passes.h). Two halves
/// (swm_block_walk); a unit each II cycles.
///
/// Latency from a unit to its beat: 6 (memory 2, rotation 3, sums); with II = 2 one more, II = 4 two more (stage 3: none).
module swm_rfft_pass #(
    parameter int K = 32,
    parameter int STAGE = 3,
    parameter int IN_BITS = 12,    // of the layer's input
    parameter int FFT_SHIFTS = 0,
    parameter int LANES = 1,
    parameter int II = 1,
    parameter int DEPTH = 2,
    parameter int WX = IN_BITS + $clog2(K) - FFT_SHIFTS
) (
    input  logic                  clk,
    input  logic                  rst,
    input  logic                  in_valid,
    output logic                  in_ready,
    input  logic [LANES*4*WX-1:0] in_data,
    output logic                  out_valid,
    input  logic                  out_ready,
    output logic [LANES*4*WX-1:0] out_data
);
  localparam int UNITS = K / 4;
  localparam int UB = $clog2(UNITS);
  localparam int QB = STAGE - 3;  // log2 of N/8
  localparam int GROWN = $clog2(K) - FFT_SHIFTS;
  localparam int W = IN_BITS + (STAGE - 1 < GROWN ? STAGE - 1 : GROWN);  // of a part before this stage
  localparam int U = W + 3 > WX ? W + 3 : WX;
  localparam int HALVE = STAGE > GROWN ? 1 : 0;
  localparam int TURN = STAGE == 3 || II == 1 ? 3 : II == 2 ? 4 : 5;
  localparam int LATE = 3 + TURN;

  logic load, load_half, room, emit, emit_half, push;
  logic [UB-1:0] in_unit, unit;
  swm_block_walk #(.LOADS(UNITS), .EMITS(UNITS), .II(II)) u_walk (
      .clk, .rst, .offered(in_valid), .free(in_ready), .load, .load_half, .load_at(in_unit), .room, .emit, .emit_half,
      .emit_at(unit));

  // Words of the unit that comes: 2 (u - i) + i and 2 (u - i) + (i == 0 ? N/8 : N/4 - i), i = u mod N/8.
  logic [UB:0] low, high;
  logic low_bank;
  generate
    if (QB == 0) begin : g_pairs
      assign low = {in_unit, 1'b0};
      assign high = {in_unit, 1'b1};
    end else begin : g_groups
      logic [QB-1:0] i;
      assign i = in_unit[QB-1:0];
      assign low = {in_unit[UB-1:QB], 1'b0, i};
      assign high = i == '0 ? {in_unit[UB-1:QB], 1'b1, i} : {in_unit[UB-1:QB], (QB + 1)'(0) - (QB + 1)'(i)};
    end
  endgenerate
  assign low_bank = low[QB] ^ low[UB];
  logic unused_high;
  assign unused_high = &{1'b0, high};

  // Of the unit whose words the memory gives: where word u lies (word u < K/4: the bit of N/8 alone), whether it is packed.
  logic swapped, packed_now, packed_late, go;
  swm_delay #(.WIDTH(2), .N(2)) u_marks (.clk, .in({unit[QB], unit[STAGE-3:0] == '0}), .out({swapped, packed_now}));
  swm_delay #(.N(TURN)) u_packed (.clk, .in(packed_now), .out(packed_late));
  swm_valid #(.N(2)) u_go (.clk, .rst, .in(emit), .out(go));

  genvar l;
  logic [LANES*4*WX-1:0] words;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : g_lane
      logic [4*WX-1:0] taken;
      logic [2*W-1:0] first_word, second_word, a, b, e, o, e_late, o_late;
      logic unused;
      assign taken = in_data[l*4*WX+:4*WX];
      assign first_word = {taken[WX+:W], taken[0+:W]};
      assign second_word = {taken[3*WX+:W], taken[2*WX+:W]};
      assign unused = &{1'b0, taken, go};
      swm_ram #(.WIDTH(2 * W), .DEPTH(2 * UNITS)) u_a (
          .clk, .write(load), .to({load_half, low_bank ? high[UB-1:0] : low[UB-1:0]}),
          .value(low_bank ? second_word : first_word), .from({emit_half, unit}), .data(a));
      swm_ram #(.WIDTH(2 * W), .DEPTH(2 * UNITS)) u_b (
          .clk, .write(load), .to({load_half, low_bank ? low[UB-1:0] : high[UB-1:0]}),
          .value(low_bank ? first_word : second_word), .from({emit_half, unit}), .data(b));
      assign e = swapped ? b : a;
      assign o = swapped ? a : b;
      swm_delay #(.WIDTH(4 * W), .N(TURN)) u_late (.clk, .in({o, e}), .out({o_late, e_late}));

      logic signed [W-1:0] e_re, e_im, o_re, o_im;
      logic signed [W+1:0] turned_re, turned_im;
      logic signed [W+2:0] lo_re, lo_im, hi_re, hi_im;
      logic signed [WX-1:0] out_lo_re, out_lo_im, out_hi_re, out_hi_im;
      assign {e_im, e_re} = e_late;
      assign {o_im, o_re} = o_late;
      if (STAGE == 3) begin : g_eighth
        swm_turn #(.W(W), .OUT(W + 2), .I(8)) u_turn (
            .clk, .a(o[W-1:0]), .b(o[2*W-1:W]), .re(turned_re), .im(turned_im));
      end else begin : g_turn
        swm_rotation #(.STAGE(STAGE), .W(W), .OUT(W + 2), .II(II)) u_turn (
            .clk, .go, .i(unit[STAGE-3:0]), .a(o[W-1:0]), .b(o[2*W-1:W]), .re(turned_re), .im(turned_im));
      end
      // Word 0 holds two real bins: they meet the real bins of the other half without a rotation.
      assign lo_re = (W + 3)'(e_re) + (packed_late ? (W + 3)'(o_re) : (W + 3)'(turned_re));
      assign lo_im = packed_late ? (W + 3)'(e_re) - (W + 3)'(o_re) : (W + 3)'(e_im) + (W + 3)'(turned_im);
      assign hi_re = packed_late ? (W + 3)'(e_im) : (W + 3)'(e_re) - (W + 3)'(turned_re);
      assign hi_im = packed_late ? (W + 3)'(0) - (W + 3)'(o_im) : (W + 3)'(turned_im) - (W + 3)'(e_im);
      logic signed [U-1:0] lo_re_up, lo_im_up, hi_re_up, hi_im_up;  // half of the last place added
      assign lo_re_up = U'(lo_re) + U'(HALVE);
      assign lo_im_up = U'(lo_im) + U'(HALVE);
      assign hi_re_up = U'(hi_re) + U'(HALVE);
      assign hi_im_up = U'(hi_im) + U'(HALVE);
      always_ff @(posedge clk) begin
        out_lo_re <= WX'(lo_re_up >>> HALVE);
        out_lo_im <= WX'(lo_im_up >>> HALVE);
        out_hi_re <= WX'(hi_re_up >>> HALVE);
        out_hi_im <= WX'(hi_im_up >>> HALVE);
      end
      assign words[l*4*WX+:4*WX] = {out_hi_im, out_hi_re, out_lo_im, out_lo_re};
    end
  endgenerate
  swm_valid #(.N(LATE)) u_push (.clk, .rst, .in(emit), .out(push));
  swm_fifo #(.WIDTH(LANES * 4 * WX), .DEPTH(DEPTH), .PIPELINE(LATE)) u_out (
      .clk, .rst, .reserve(emit), .room, .push, .in_data(words), .out_valid, .out_ready, .out_data);
endmodule
