// SPDX-License-Identifier: Apache-2.0
/// \file swm_turn.sv
/// \brief A complex integer turned by W_64^I and rounded: the rotations of straight-line transforms of at most 64 points.
///
/// With W_64^I = c - j s: re = round_shift(c a + s b, SHIFT), im = round_shift(c b - s a, SHIFT); with INVERSE by the conjugate.
/// An eighth of a turn (I = 8, c = s = 46341) takes two sums and two constants of four adders; others three constants: with
/// m = c (a + b), forward re = m - (c - s) b, im = m - (c + s) a; inverse the other way round. The caller knows that the
/// result fits OUT bits.
///
/// Latency 3: sums, products, joined and rounded.
module swm_turn #(
    parameter int W = 16,       // bits of a part
    parameter int OUT = 18,     // and of the result
    parameter int I = 8,        // of W_64^I, 1 to 15
    parameter int INVERSE = 0,
    parameter int SHIFT = 16    // 16, or 17 where the stage halves
) (
    input  logic                  clk,
    input  logic signed [  W-1:0] a,
    input  logic signed [  W-1:0] b,
    output logic signed [OUT-1:0] re,
    output logic signed [OUT-1:0] im
);
  localparam int P = W + 19;  // of a product
  logic signed [P:0] wide_re, wide_im;
  logic signed [P:0] up_re, up_im;  // half of the last place added, shifted
  assign up_re = (wide_re + ((P + 1)'(1) <<< (SHIFT - 1))) >>> SHIFT;
  assign up_im = (wide_im + ((P + 1)'(1) <<< (SHIFT - 1))) >>> SHIFT;
  logic unused;
  assign unused = &{1'b0, up_re[P:OUT], up_im[P:OUT]};
  always_ff @(posedge clk) begin
    re <= up_re[OUT-1:0];
    im <= up_im[OUT-1:0];
  end

  generate
    if (I == 8) begin : g_eighth
      // 46341 v = 256 (v + 4 (9 (5 v))) + 5 v
      logic signed [W:0] sum_re, sum_im;
      logic signed [W+3:0] five_re, five_im;
      logic signed [W+8:0] most_re, most_im;
      logic signed [W+3:0] five_re_now, five_im_now;
      assign five_re_now = (W + 4)'(sum_re) + ((W + 4)'(sum_re) <<< 2);
      assign five_im_now = (W + 4)'(sum_im) + ((W + 4)'(sum_im) <<< 2);
      always_ff @(posedge clk) begin
        sum_re <= INVERSE != 0 ? (W + 1)'(a) - (W + 1)'(b) : (W + 1)'(a) + (W + 1)'(b);
        sum_im <= INVERSE != 0 ? (W + 1)'(a) + (W + 1)'(b) : (W + 1)'(b) - (W + 1)'(a);
        five_re <= five_re_now;
        five_im <= five_im_now;
        most_re <= (W + 9)'(sum_re) + (((W + 9)'(five_re_now) + ((W + 9)'(five_re_now) <<< 3)) <<< 2);
        most_im <= (W + 9)'(sum_im) + (((W + 9)'(five_im_now) + ((W + 9)'(five_im_now) <<< 3)) <<< 2);
      end
      assign wide_re = ((P + 1)'(most_re) <<< 8) + (P + 1)'(five_re);
      assign wide_im = ((P + 1)'(most_im) <<< 8) + (P + 1)'(five_im);
    end else begin : g_three
      // cos(2 pi i / 64) of i = 0 .. 16, 16 fractional bits, entry 0 in the lowest bits.
      localparam logic [17*18-1:0] COSINES = {
        18'd0, 18'd6424, 18'd12785, 18'd19024, 18'd25080, 18'd30893, 18'd36410, 18'd41576, 18'd46341, 18'd50660, 18'd54491,
        18'd57798, 18'd60547, 18'd62714, 18'd64277, 18'd65220, 18'd65536};
      localparam int COS = 32'(COSINES[I*18+:18]);
      localparam int SIN = 32'(COSINES[(16-I)*18+:18]);
      localparam logic signed [17:0] C = 18'(COS);
      localparam logic signed [17:0] OF_B = INVERSE != 0 ? 18'(COS + SIN) : 18'(COS - SIN);
      localparam logic signed [17:0] OF_A = INVERSE != 0 ? 18'(COS - SIN) : 18'(COS + SIN);
      logic signed [W:0] sum;
      logic signed [W-1:0] left, right;
      logic signed [P-1:0] shared;
      logic signed [P-2:0] part_a, part_b;
      always_ff @(posedge clk) begin
        sum <= (W + 1)'(a) + (W + 1)'(b);
        left <= a;
        right <= b;
        shared <= sum * C;
        part_a <= left * OF_A;
        part_b <= right * OF_B;
      end
      assign wide_re = (P + 1)'(shared) - (P + 1)'(part_b);
      assign wide_im = (P + 1)'(shared) - (P + 1)'(part_a);
    end
  endgenerate
endmodule
