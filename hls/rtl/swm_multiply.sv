// SPDX-License-Identifier: Apache-2.0
/// \file swm_multiply.sv
/// \brief p = a b, signed, exact; a register for each operand and one for the product, as DSP blocks have them.
///
/// Latency 2. FABRIC = 1 asks for LUTs instead of a DSP block: of Vivado by an attribute, which yosys does not know. It gets
/// the rows of the product written out, one for each bit of the smaller operand, the last one subtracted.
module swm_multiply #(
    parameter int WA = 18,
    parameter int WB = 18,
    parameter int FABRIC = 0
) (
    input  logic                    clk,
    input  logic signed [   WA-1:0] a,
    input  logic signed [   WB-1:0] b,
    output logic signed [WA+WB-1:0] p
);
  logic signed [WA-1:0] left;
  logic signed [WB-1:0] right;
  always_ff @(posedge clk) begin
    left <= a;
    right <= b;
  end
  generate
    if (FABRIC != 0) begin : g_fabric
`ifdef YOSYS
      localparam int S = WA < WB ? WA : WB;
      localparam int L = WA < WB ? WB : WA;
      logic signed [S-1:0] small;
      logic signed [L-1:0] large;
      if (WA < WB) begin : g_left
        assign small = left;
        assign large = right;
      end else begin : g_right
        assign small = right;
        assign large = left;
      end
      logic [S-1:0] low;
      genvar j;
      for (j = 0; j < S; j = j + 1) begin : g_bit
        logic signed [L:0] sum;
        logic signed [L-1:0] row;
        assign row = large & {L{small[j]}};
        if (j == 0) begin : g_first
          assign sum = (L + 1)'(row);
        end else if (j == S - 1) begin : g_sign
          assign sum = (L + 1)'($signed(g_bit[j-1].sum[L:1])) - (L + 1)'(row);
        end else begin : g_row
          assign sum = (L + 1)'($signed(g_bit[j-1].sum[L:1])) + (L + 1)'(row);
        end
        assign low[j] = sum[0];
      end
      logic signed [WA+WB-1:0] product;
      always_ff @(posedge clk) product <= {g_bit[S-1].sum, low[S-2:0]};
`else
      (* use_dsp = "no", multstyle = "logic" *) logic signed [WA+WB-1:0] product;
      always_ff @(posedge clk) product <= (WA + WB)'(left) * (WA + WB)'(right);
`endif
      assign p = product;
    end else begin : g_dsp
      (* use_dsp = "yes", multstyle = "dsp" *) logic signed [WA+WB-1:0] product;
      always_ff @(posedge clk) product <= left * right;
      assign p = product;
    end
  endgenerate
endmodule
