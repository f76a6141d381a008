// SPDX-License-Identifier: Apache-2.0
/// \file swm_greatest.sv
/// \brief The greatest of N signed integers, as a tree with a register behind each level.
///
/// Latency ceil(log2 N).
module swm_greatest #(
    parameter int N = 2,
    parameter int WIDTH = 8,
    parameter int LEVELS = $clog2(N)
) (
    input  logic                      clk,
    input  logic        [N*WIDTH-1:0] in,
    output logic signed [  WIDTH-1:0] greatest
);
  genvar l, i;
  generate
    for (l = 0; l <= LEVELS; l = l + 1) begin : g_level
      localparam int NODES = (N + (1 << l) - 1) >> l;
      logic [NODES*WIDTH-1:0] node;
      if (l == 0) begin : g_leaves
        assign node = in;
      end else begin : g_choices
        localparam int BEFORE = (N + (1 << (l - 1)) - 1) >> (l - 1);
        for (i = 0; i < NODES; i = i + 1) begin : g_node
          logic signed [WIDTH-1:0] left, more;
          assign left = g_level[l-1].node[2*i*WIDTH+:WIDTH];
          if (2 * i + 1 < BEFORE) begin : g_pair
            logic signed [WIDTH-1:0] right;
            assign right = g_level[l-1].node[(2*i+1)*WIDTH+:WIDTH];
            always_ff @(posedge clk) more <= right > left ? right : left;
          end else begin : g_alone
            always_ff @(posedge clk) more <= left;
          end
          assign node[i*WIDTH+:WIDTH] = more;
        end
      end
    end
    if (LEVELS == 0) begin : g_unclocked
      logic unused;
      assign unused = &{1'b0, clk};
    end
  endgenerate
  assign greatest = g_level[LEVELS].node;
endmodule
