// SPDX-License-Identifier: Apache-2.0
/// \file swm_recurrent_gate.sv
/// \brief A gate of a recurrent cell: activation of sum + bias, with a peephole, clipped (docs/arithmetic.md section 8).
///
/// v = sum + bias + saturate(round_shift(weight state, PEEPHOLE_SHIFT), SEEN), clipped to -CLIP .. CLIP, CLIP = HIGH 2^30 + LOW; then
/// swm_finish.
///
/// Latency that of swm_finish; where sums are clipped 2 more (sum, clipped), with a peephole 5 more (product 2, rounded 2, sum
/// and clip).
module swm_recurrent_gate #(
    parameter int SUM = 16,
    parameter int BIAS = 16,
    parameter int STATE = 12,
    parameter int WEIGHT = 8,
    parameter int SEEN = 17,
    parameter int BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int PEEPHOLE = 0,
    parameter int PEEPHOLE_SHIFT = 0,
    parameter int CLIP = 0,
    parameter int CLIP_LOW = 0,
    parameter int CLIP_HIGH = 0
) (
    input  logic                     clk,
    input  logic signed [   SUM-1:0] sum,
    input  logic signed [  BIAS-1:0] bias,
    input  logic signed [ STATE-1:0] state,
    input  logic signed [WEIGHT-1:0] weight,
    output logic signed [  BITS-1:0] y
);
  generate
    if (PEEPHOLE == 0 && CLIP == 0) begin : g_plain
      swm_finish #(
          .SUM(SUM), .BIAS(BIAS), .OUT(BITS), .OUT_SHIFT(OUT_SHIFT), .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE),
          .TABLE(TABLE)
      ) u_finish (.clk, .sum, .bias, .y);
      logic unused;
      assign unused = &{1'b0, state, weight};
    end else begin : g_more
      localparam int V = (SUM > BIAS ? SUM : BIAS) + 1;
      localparam int W = (V > SEEN ? V : SEEN) + 1;
      logic signed [V-1:0] v;
      logic signed [W-1:0] joined, kept;
      always_ff @(posedge clk) v <= V'(sum) + V'(bias);
      if (PEEPHOLE != 0) begin : g_peephole
        logic signed [WEIGHT+STATE-1:0] product;
        logic signed [SEEN-1:0] seen;
        logic [V-1:0] v_late;
        swm_multiply #(.WA(WEIGHT), .WB(STATE)) u_product (.clk, .a(weight), .b(state), .p(product));
        swm_round #(.IN(WEIGHT + STATE), .SHIFT(PEEPHOLE_SHIFT), .OUT(SEEN)) u_seen (.clk, .v(product), .y(seen));
        swm_delay #(.WIDTH(V), .N(3)) u_v (.clk, .in(v), .out(v_late));
        assign joined = W'($signed(v_late)) + W'(seen);
      end else begin : g_none
        logic unused;
        assign unused = &{1'b0, state, weight};
        assign joined = W'(v);
      end
      if (CLIP != 0) begin : g_clip
        localparam logic signed [63:0] BOUND = (64'(CLIP_HIGH) <<< 30) + 64'(CLIP_LOW);
        logic signed [63:0] wide;
        assign wide = 64'(joined);
        always_ff @(posedge clk) kept <= wide > BOUND ? W'(BOUND) : wide < -BOUND ? W'(-BOUND) : joined;
      end else begin : g_all
        always_ff @(posedge clk) kept <= joined;
      end
      swm_finish #(
          .SUM(W), .BIAS(1), .OUT(BITS), .OUT_SHIFT(OUT_SHIFT), .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(kept), .bias(1'b0), .y);
    end
  endgenerate
endmodule
