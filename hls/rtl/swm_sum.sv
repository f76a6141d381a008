// SPDX-License-Identifier: Apache-2.0
/// \file swm_sum.sv
/// \brief The exact sum of N signed integers, as a tree with a register behind each level.
///
/// Latency ceil(log2 N), and as many bits more than the summands have.
module swm_sum #(
    parameter int N = 2,
    parameter int WIDTH = 8,
    parameter int LEVELS = $clog2(N)
) (
    input  logic                           clk,
    input  logic        [     N*WIDTH-1:0] in,
    output logic signed [WIDTH+LEVELS-1:0] sum
);
  genvar l, i;
  generate
    for (l = 0; l <= LEVELS; l = l + 1) begin : g_level
      localparam int NODES = (N + (1 << l) - 1) >> l;
      localparam int W = WIDTH + l;
      logic [NODES*W-1:0] node;
      if (l == 0) begin : g_leaves
        assign node = in;
      end else begin : g_sums
        localparam int BEFORE = (N + (1 << (l - 1)) - 1) >> (l - 1);
        for (i = 0; i < NODES; i = i + 1) begin : g_node
          logic signed [W-2:0] left;
          logic signed [W-1:0] added;
          assign left = g_level[l-1].node[2*i*(W-1)+:W-1];
          if (2 * i + 1 < BEFORE) begin : g_pair
            logic signed [W-2:0] right;
            assign right = g_level[l-1].node[(2*i+1)*(W-1)+:W-1];
            always_ff @(posedge clk) added <= W'(left) + W'(right);
          end else begin : g_alone
            always_ff @(posedge clk) added <= W'(left);
          end
          assign node[i*W+:W] = added;
        end
      end
    end
    if (LEVELS == 0) begin : g_unclocked
      logic unused;
      assign unused = &{1'b0, clk};
    end
  endgenerate
  assign sum = g_level[LEVELS].node;
endmodule
