// SPDX-License-Identifier: Apache-2.0
/// \file swm_forward_block.sv
/// \brief The real transform of one block of K <= 64 points, straight-line (docs/arithmetic.md section 2).
///
/// Decimation in time: stages 1 and 2 together (four-point sums), then a pass a stage. The last SHIFTS stages halve. In: K
/// values of B bits. Out: K/2 packed words of two parts of W = B + log2 K - SHIFTS bits, word 0 = bins 0 and K/2.
///
/// A block a cycle. Latency 1 + 4 (log2 K - 2) for K >= 4 (a pass: three registers of a rotation, one of the sums), 1 for
/// K = 2.
module swm_forward_block #(
    parameter int K = 8,
    parameter int B = 12,
    parameter int SHIFTS = 0,
    parameter int W = B + $clog2(K) - SHIFTS
) (
    input  logic           clk,
    input  logic [K*B-1:0] x,
    output logic [K*W-1:0] y
);
  localparam int STAGES = $clog2(K);
  localparam int GROWN = STAGES - SHIFTS;
  localparam int Q = K / 4;
  genvar u, p;
  generate
    if (K == 2) begin : g_two
      logic signed [B-1:0] x0, x1;
      logic signed [W-1:0] sum, difference;
      assign {x1, x0} = x;
      always_ff @(posedge clk) begin
        sum <= W'(x0) + W'(x1);
        difference <= W'(x0) - W'(x1);
      end
      assign y = {difference, sum};
    end else begin : g_passes
      // z of pass p stands in g_pass[p].z: K/2 words, re below im.
      for (p = 0; p < STAGES - 1; p = p + 1) begin : g_pass
        logic [K*W-1:0] z;
        if (p == 0) begin : g_first
          localparam int H = GROWN >= 2 ? 0 : 2 - GROWN;  // halvings in these two stages
          localparam int ONE = H == 0 ? 0 : 1 << (H - 1);
          localparam int S = B + 3 > W ? B + 3 : W;
          for (u = 0; u < Q; u = u + 1) begin : g_unit
            logic signed [B-1:0] x0, x1, x2, x3;
            logic signed [S-1:0] t0, t1, t2, t3;
            logic signed [W-1:0] a, b, c, d;
            assign x0 = x[u*B+:B];
            assign x1 = x[(u+Q)*B+:B];
            assign x2 = x[(u+2*Q)*B+:B];
            assign x3 = x[(u+3*Q)*B+:B];
            assign t0 = S'(x0) + S'(x2);
            assign t1 = S'(x0) - S'(x2);
            assign t2 = S'(x1) + S'(x3);
            assign t3 = S'(x3) - S'(x1);
            always_ff @(posedge clk) begin
              a <= W'((t0 + t2 + S'(ONE)) >>> H);
              b <= W'((t0 - t2 + S'(ONE)) >>> H);
              c <= W'((t1 + S'(ONE)) >>> H);
              d <= W'((t3 + S'(ONE)) >>> H);
            end
            assign z[4*u*W+:4*W] = {d, c, b, a};
          end
        end else begin : g_later
          localparam int SIZE = 4 << p;
          localparam int HALVE = p + 2 > GROWN ? 1 : 0;
          for (u = 0; u < Q; u = u + 1) begin : g_unit
            localparam int I = u % (SIZE / 4);
            localparam int BASE = 2 * (u - I);
            localparam int LO = I == 0 ? BASE : BASE + I;
            localparam int HI = I == 0 ? BASE + SIZE / 4 : BASE + SIZE / 2 - I;
            logic [2*W-1:0] e_late;
            logic signed [W-1:0] e_re, e_im;
            logic signed [W+1:0] t_re, t_im;
            logic signed [W+2:0] lo_re, lo_im, hi_re, hi_im;  // sums, before the stage may halve them
            logic signed [W-1:0] out_lo_re, out_lo_im, out_hi_re, out_hi_im;
            swm_delay #(.WIDTH(2 * W), .N(3)) u_even (.clk, .in(g_pass[p-1].z[2*u*W+:2*W]), .out(e_late));
            assign {e_im, e_re} = e_late;
            if (I == 0) begin : g_real
              // Word 0 holds two real bins: they meet the real bins of the other half without a rotation.
              logic [2*W-1:0] o_late;
              logic signed [W-1:0] o_re, o_im;
              swm_delay #(.WIDTH(2 * W), .N(3)) u_odd (.clk, .in(g_pass[p-1].z[2*(u+Q)*W+:2*W]), .out(o_late));
              assign {o_im, o_re} = o_late;
              assign t_re = (W + 2)'(o_re);
              assign t_im = (W + 2)'(o_im);
              assign lo_re = (W + 3)'(e_re) + (W + 3)'(t_re);
              assign lo_im = (W + 3)'(e_re) - (W + 3)'(t_re);
              assign hi_re = (W + 3)'(e_im);
              assign hi_im = (W + 3)'(0) - (W + 3)'(t_im);
            end else begin : g_turn
              swm_turn #(.W(W), .OUT(W + 2), .I(64 * I / SIZE)) u_turn (
                  .clk, .a(g_pass[p-1].z[2*(u+Q)*W+:W]), .b(g_pass[p-1].z[(2*(u+Q)+1)*W+:W]), .re(t_re), .im(t_im));
              assign lo_re = (W + 3)'(e_re) + (W + 3)'(t_re);
              assign lo_im = (W + 3)'(e_im) + (W + 3)'(t_im);
              assign hi_re = (W + 3)'(e_re) - (W + 3)'(t_re);
              assign hi_im = (W + 3)'(t_im) - (W + 3)'(e_im);
            end
            always_ff @(posedge clk) begin
              out_lo_re <= W'((lo_re + (W + 3)'(HALVE)) >>> HALVE);
              out_lo_im <= W'((lo_im + (W + 3)'(HALVE)) >>> HALVE);
              out_hi_re <= W'((hi_re + (W + 3)'(HALVE)) >>> HALVE);
              out_hi_im <= W'((hi_im + (W + 3)'(HALVE)) >>> HALVE);
            end
            assign z[2*LO*W+:2*W] = {out_lo_im, out_lo_re};
            assign z[2*HI*W+:2*W] = {out_hi_im, out_hi_re};
          end
        end
      end
      assign y = g_pass[STAGES-2].z;
    end
  endgenerate
endmodule
