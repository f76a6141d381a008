// SPDX-License-Identifier: Apache-2.0
/// \file swm_inverse_block.sv
/// \brief The inverse real transform of one block of K <= 64 points, straight-line (docs/arithmetic.md section 4).
///
/// Decimation in frequency: a pass a stage from log2 K down to 3, then stages 2 and 1 together. The first log2 K - SHIFTS
/// stages halve. In: K/2 packed words of two parts of A bits. Out: K values of Y = A + 1 + SHIFTS bits. Between passes words
/// have W = A + 1 + max(0, SHIFTS - 2) bits.
///
/// A block a cycle. Latency 2 + 4 (log2 K - 2) for K >= 4, 1 for K = 2.
module swm_inverse_block #(
    parameter int K = 8,
    parameter int A = 16,
    parameter int SHIFTS = 0,
    parameter int Y = A + 1 + SHIFTS
) (
    input  logic           clk,
    input  logic [K*A-1:0] a,
    output logic [K*Y-1:0] y
);
  localparam int STAGES = $clog2(K);
  localparam int W = A + 1 + (SHIFTS > 2 ? SHIFTS - 2 : 0);
  localparam int TURN = A + 2 + (SHIFTS > 3 ? SHIFTS - 3 : 0);  // of what a rotation takes
  localparam int Q = K / 4;
  genvar u, p;
  generate
    if (K == 2) begin : g_two
      logic signed [A-1:0] re, im;
      logic signed [Y-1:0] y0, y1;
      assign {im, re} = a;
      always_ff @(posedge clk) begin
        y0 <= Y'(((A + 2)'(re) + (A + 2)'(im) + (A + 2)'(1)) >>> 1);
        y1 <= Y'(((A + 2)'(re) - (A + 2)'(im) + (A + 2)'(1)) >>> 1);
      end
      assign y = {y1, y0};
    end else begin : g_passes
      // z behind pass p stands in g_pass[p].z: K/2 words, re below im; pass 0 is the input.
      for (p = 0; p < STAGES - 1; p = p + 1) begin : g_pass
        logic [K*W-1:0] z;
        if (p == 0) begin : g_input
          for (u = 0; u < K; u = u + 1) begin : g_part
            assign z[u*W+:W] = W'($signed(a[u*A+:A]));
          end
        end else begin : g_stage
          localparam int SIZE = (2 * K) >> p;
          localparam int HALVE = p <= STAGES - SHIFTS ? 1 : 0;
          for (u = 0; u < Q; u = u + 1) begin : g_unit
            localparam int I = u % (SIZE / 4);
            localparam int BASE = 2 * (u - I);
            localparam int OTHER = I == 0 ? BASE + SIZE / 4 : BASE + SIZE / 2 - I;
            logic signed [W-1:0] x_re, x_im, y_re, y_im;
            logic signed [W-1:0] even_re, even_im, odd_re, odd_im;
            logic signed [W-1:0] e_re, e_im;
            logic [2*W-1:0] e_late;
            assign {x_im, x_re} = g_pass[p-1].z[2*(BASE+I)*W+:2*W];
            assign {y_im, y_re} = g_pass[p-1].z[2*OTHER*W+:2*W];
            swm_delay #(.WIDTH(2 * W), .N(3)) u_even (.clk, .in({e_im, e_re}), .out(e_late));
            assign {even_im, even_re} = e_late;
            if (I == 0) begin : g_real
              logic signed [W-1:0] o_re, o_im;
              logic [2*W-1:0] o_late;
              always_ff @(posedge clk) begin
                e_re <= W'(((W + 3)'(x_re) + (W + 3)'(x_im) + (W + 3)'(HALVE)) >>> HALVE);
                e_im <= W'((((W + 3)'(y_re) <<< 1) + (W + 3)'(HALVE)) >>> HALVE);
                o_re <= W'(((W + 3)'(x_re) - (W + 3)'(x_im) + (W + 3)'(HALVE)) >>> HALVE);
                o_im <= W'(((W + 3)'(HALVE) - ((W + 3)'(y_im) <<< 1)) >>> HALVE);
              end
              swm_delay #(.WIDTH(2 * W), .N(3)) u_odd (.clk, .in({o_im, o_re}), .out(o_late));
              assign {odd_im, odd_re} = o_late;
            end else begin : g_turn
              logic signed [TURN-1:0] d_re, d_im;
              always_ff @(posedge clk) begin
                e_re <= W'(((W + 3)'(x_re) + (W + 3)'(y_re) + (W + 3)'(HALVE)) >>> HALVE);
                e_im <= W'(((W + 3)'(x_im) - (W + 3)'(y_im) + (W + 3)'(HALVE)) >>> HALVE);
                d_re <= TURN'((W + 1)'(x_re) - (W + 1)'(y_re));
                d_im <= TURN'((W + 1)'(x_im) + (W + 1)'(y_im));
              end
              swm_turn #(.W(TURN), .OUT(W), .I(64 * I / SIZE), .INVERSE(1), .SHIFT(16 + HALVE)) u_turn (
                  .clk, .a(d_re), .b(d_im), .re(odd_re), .im(odd_im));
            end
            assign z[2*u*W+:2*W] = {even_im, even_re};
            assign z[2*(u+Q)*W+:2*W] = {odd_im, odd_re};
          end
        end
      end
      // Stages 2 and 1.
      localparam int H = SHIFTS >= 2 ? 0 : 2 - SHIFTS;  // halvings among them
      localparam int ONE = H == 0 ? 0 : 1 << (H - 1);
      for (u = 0; u < Q; u = u + 1) begin : g_last
        logic signed [W-1:0] b_re, b_im, c_re, c_im;
        logic signed [W+2:0] total, difference, twice_re, twice_im;
        logic signed [Y-1:0] y0, y1, y2, y3;
        assign {c_im, c_re, b_im, b_re} = g_pass[STAGES-2].z[4*u*W+:4*W];
        always_ff @(posedge clk) begin
          total <= (W + 3)'(b_re) + (W + 3)'(b_im) + (W + 3)'(ONE);
          difference <= (W + 3)'(b_re) - (W + 3)'(b_im) + (W + 3)'(ONE);
          twice_re <= (W + 3)'(c_re) <<< 1;
          twice_im <= (W + 3)'(c_im) <<< 1;
          y0 <= Y'((total + twice_re) >>> H);
          y1 <= Y'((difference - twice_im) >>> H);
          y2 <= Y'((total - twice_re) >>> H);
          y3 <= Y'((difference + twice_im) >>> H);
        end
        assign y[u*Y+:Y] = y0;
        assign y[(u+Q)*Y+:Y] = y1;
        assign y[(u+2*Q)*Y+:Y] = y2;
        assign y[(u+3*Q)*Y+:Y] = y3;
      end
    end
  endgenerate
endmodule
