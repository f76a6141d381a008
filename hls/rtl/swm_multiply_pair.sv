// SPDX-License-Identifier: Apache-2.0
/// \file swm_multiply_pair.sv
/// \brief Two exact products of one common operand on one multiplier: (high 2^S + low) x, taken apart again.
///
/// S = WA + WB - 1: of all values only low x = 2^(S-1), never its negative, occurs, so the lower S bits tell low x.
///
/// Latency 3: operands, product, the two products apart.
module swm_multiply_pair #(
    parameter int WA = 8,
    parameter int WB = 8
) (
    input  logic                    clk,
    input  logic signed [   WA-1:0] high,
    input  logic signed [   WA-1:0] low,
    input  logic signed [   WB-1:0] x,
    output logic signed [WA+WB-1:0] high_product,
    output logic signed [WA+WB-1:0] low_product
);
  localparam int S = WA + WB - 1;
  localparam int U = S + WA + 1;  // of both weights in one operand
  logic signed [U-1:0] both;
  logic signed [U+WB-1:0] product;
  assign both = (U'(high) <<< S) + U'(low);
  swm_multiply #(.WA(U), .WB(WB)) u_product (.clk, .a(both), .b(x), .p(product));

  logic borrow;  // low x is negative
  assign borrow = product[S-1] && (product[S-2:0] != '0);
  logic unused;
  assign unused = &{1'b0, product[U+WB-1:S+WA+WB]};
  always_ff @(posedge clk) begin
    high_product <= $signed(product[S+:WA+WB]) + $signed({{(WA + WB - 1) {1'b0}}, borrow});
    low_product <= {borrow, product[S-1:0]};
  end
endmodule
