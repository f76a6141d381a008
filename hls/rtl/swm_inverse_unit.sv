// SPDX-License-Identifier: Apache-2.0
/// \file swm_inverse_unit.sv
/// \brief A unit of stage STAGE >= 3 of an inverse transform: two words of a spectrum to one of its even and one of its odd samples.
///
/// x and y are words i and N/2 - i (i = 0, `packed_word`: words 0 and N/4) with parts of W bits; the result has OUT bits a part
/// (docs/arithmetic.md section 4). `i` comes a cycle ahead of x and y.
///
/// Latency 4 (differences, rotation 3); with II = 2 one more, II = 4 two more (stage 3: none).
module swm_inverse_unit #(
    parameter int STAGE = 3,
    parameter int W = 16,
    parameter int OUT = 17,
    parameter int HALVE = 1,
    parameter int II = 1,
    parameter int IB = STAGE - 2
) (
    input  logic             clk,
    input  logic             go,
    input  logic [   IB-1:0] i,
    input  logic             packed_word,
    input  logic [  2*W-1:0] x,
    input  logic [  2*W-1:0] y,
    output logic [4*OUT-1:0] words
);
  localparam int TURN = STAGE == 3 || II == 1 ? 3 : II == 2 ? 4 : 5;
  logic signed [W-1:0] x_re, x_im, y_re, y_im;
  logic signed [OUT-1:0] e_re, e_im, o_re, o_im, turned_re, turned_im;
  logic signed [W:0] d_re, d_im;
  logic [4*OUT-1:0] late;
  logic was_packed, packed_late;
  assign {x_im, x_re} = x;
  assign {y_im, y_re} = y;
  always_ff @(posedge clk) begin
    was_packed <= packed_word;
    e_re <= OUT'(((W + 3)'(x_re) + (packed_word ? (W + 3)'(x_im) : (W + 3)'(y_re)) + (W + 3)'(HALVE)) >>> HALVE);
    e_im <= OUT'(((packed_word ? (W + 3)'(y_re) <<< 1 : (W + 3)'(x_im) - (W + 3)'(y_im)) + (W + 3)'(HALVE)) >>> HALVE);
    o_re <= OUT'(((W + 3)'(x_re) - (W + 3)'(x_im) + (W + 3)'(HALVE)) >>> HALVE);
    o_im <= OUT'(((W + 3)'(HALVE) - ((W + 3)'(y_im) <<< 1)) >>> HALVE);
    d_re <= (W + 1)'(x_re) - (W + 1)'(y_re);
    d_im <= (W + 1)'(x_im) + (W + 1)'(y_im);
  end
  swm_delay #(.WIDTH(4 * OUT), .N(TURN)) u_late (.clk, .in({o_im, o_re, e_im, e_re}), .out(late));
  swm_delay #(.N(TURN)) u_packed (.clk, .in(was_packed), .out(packed_late));
  generate
    if (STAGE == 3) begin : g_eighth
      swm_turn #(.W(W + 1), .OUT(OUT), .I(8), .INVERSE(1), .SHIFT(16 + HALVE)) u_turn (
          .clk, .a(d_re), .b(d_im), .re(turned_re), .im(turned_im));
      logic unused;
      assign unused = &{1'b0, go, i};
    end else begin : g_turn
      logic going;
      always_ff @(posedge clk) going <= go;
      swm_rotation #(.STAGE(STAGE), .W(W + 1), .OUT(OUT), .INVERSE(1), .SHIFT(16 + HALVE), .II(II)) u_turn (
          .clk, .go(going), .i, .a(d_re), .b(d_im), .re(turned_re), .im(turned_im));
    end
  endgenerate
  assign words = {packed_late ? late[3*OUT+:OUT] : turned_im, packed_late ? late[2*OUT+:OUT] : turned_re, late[0+:2*OUT]};
endmodule
