// SPDX-License-Identifier: Apache-2.0
/// \file swm_recurrent_back.sv
/// \brief One sum of a unit of swm_recurrent_steps back to the K values of its block.
///
/// Block-circulant: products joined, the one rounding (by SHIFT, in phase B by SHIFT_B), the inverse transform (swm_inverse_block).
/// Dense (K = 1): the sum as it is.
///
/// Latency 0 for K = 1, else 3 + that of swm_inverse_block.
module swm_recurrent_back #(
    parameter int K = 1,
    parameter int ACC = 32,
    parameter int PRODUCTS = 3,
    parameter int SHIFT = 0,
    parameter int SHIFT_B = 0,
    parameter int ROUNDED = 16,
    parameter int FFT_SHIFTS = 0,
    parameter int NUMBERS = K > 1 ? K / 2 * PRODUCTS : 1,
    parameter int Y = K > 1 ? ROUNDED + 1 + FFT_SHIFTS : ACC
) (
    input  logic                   clk,
    input  logic                   second,  // phase B
    input  logic [NUMBERS*ACC-1:0] sums,
    output logic [        K*Y-1:0] y
);
  genvar d;
  generate
    if (K == 1) begin : g_dense
      assign y = sums;
      logic unused;
      assign unused = &{1'b0, clk, second};
    end else begin : g_spectral
      logic [K*ROUNDED-1:0] words, other, chosen;
      for (d = 0; d < K / 2; d = d + 1) begin : g_word
        logic signed [ACC-1:0] a1, a2, a3, a4, re, im;
        assign a1 = sums[d*PRODUCTS*ACC+:ACC];
        assign a2 = sums[(d*PRODUCTS+1)*ACC+:ACC];
        assign a3 = sums[(d*PRODUCTS+2)*ACC+:ACC];
        assign a4 = sums[(d*PRODUCTS+PRODUCTS-1)*ACC+:ACC];
        always_ff @(posedge clk) begin
          re <= d == 0 ? a1 : PRODUCTS == 3 ? a1 - a3 : a1 - a2;
          im <= d == 0 ? (PRODUCTS == 3 ? a3 : a2) : PRODUCTS == 3 ? a1 + a2 : a3 + a4;
        end
        swm_round #(.IN(ACC), .SHIFT(SHIFT), .OUT(ROUNDED)) u_re (.clk, .v(re), .y(words[2*d*ROUNDED+:ROUNDED]));
        swm_round #(.IN(ACC), .SHIFT(SHIFT), .OUT(ROUNDED)) u_im (.clk, .v(im), .y(words[(2*d+1)*ROUNDED+:ROUNDED]));
        if (SHIFT_B == SHIFT) begin : g_same
          assign other[2*d*ROUNDED+:2*ROUNDED] = words[2*d*ROUNDED+:2*ROUNDED];
        end else begin : g_other
          swm_round #(.IN(ACC), .SHIFT(SHIFT_B), .OUT(ROUNDED)) u_re (.clk, .v(re), .y(other[2*d*ROUNDED+:ROUNDED]));
          swm_round #(.IN(ACC), .SHIFT(SHIFT_B), .OUT(ROUNDED)) u_im (.clk, .v(im), .y(other[(2*d+1)*ROUNDED+:ROUNDED]));
        end
        logic unused;
        assign unused = &{1'b0, a2, a4};
      end
      logic was_second;
      swm_delay #(.N(3)) u_second (.clk, .in(second), .out(was_second));
      assign chosen = was_second ? other : words;
      swm_inverse_block #(.K(K), .A(ROUNDED), .SHIFTS(FFT_SHIFTS)) u_block (.clk, .a(chosen), .y);
    end
  endgenerate
endmodule
