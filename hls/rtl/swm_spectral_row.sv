// SPDX-License-Identifier: Apache-2.0
/// \file swm_spectral_row.sv
/// \brief The complex products of one block row in one cycle of swm_spectral_mac, summed over the block columns.
///
/// Three multipliers a product (w and x with parts re, im), each with a sum of its own, joined once at the end:
///     a1 = sum w.re (x.re + x.im)   a2 = sum x.re (w.im - w.re)   a3 = sum x.im (w.re + w.im)   re = a1 - a3   im = a1 + a2
/// or four: a1 = w.re x.re, a2 = w.im x.im, a3 = w.im x.re, a4 = w.re x.im, re = a1 - a2, im = a3 + a4. Word 0 holds two
/// real bins: a1 = w.re x.re and a3 (four: a2) = w.im x.im. A lane that sees no other word (ALWAYS) has two multipliers.
///
/// PAIR = 1: two rows share each multiplier (four products); then `w` holds both, and `upper` are the sums of the second.
///
/// Latency 2 + ceil(log2 COLUMNS) + WAIT; of a pair 3 + ceil(log2 COLUMNS).
module swm_spectral_row #(
    parameter int X = 15,
    parameter int W = 12,
    parameter int COLUMNS = 1,
    parameter int BINS = 1,
    parameter int PRODUCTS = 3,
    parameter int ALWAYS = 0,
    parameter int PAIR = 0,
    parameter int FABRIC = 0,
    parameter int WAIT = 0,
    parameter int WX = PRODUCTS == 3 ? X + 1 : X,  // operands
    parameter int WW = PRODUCTS == 3 ? W + 1 : W,
    parameter int SUM = WX + WW + $clog2(COLUMNS)
) (
    input  logic                                  clk,
    input  logic                                  first_words,  // lane 0 sees word 0
    input  logic [        COLUMNS*BINS*2*X-1:0] x,            // by column, word, part
    input  logic [(1+PAIR)*COLUMNS*BINS*2*W-1:0] w,
    output logic [        BINS*PRODUCTS*SUM-1:0] sums,         // by word, product
    output logic [        BINS*PRODUCTS*SUM-1:0] upper
);
  localparam int P = WX + WW;
  genvar b, c, t;
  generate
    for (b = 0; b < BINS; b = b + 1) begin : g_word
      logic real_bins;
      assign real_bins = b == 0 && (ALWAYS != 0 || first_words);
      logic unused;
      assign unused = &{1'b0, real_bins};
      for (t = 0; t < PRODUCTS; t = t + 1) begin : g_product
        localparam int UNUSED = b == 0 && ALWAYS != 0 && (PRODUCTS == 3 ? t == 1 : t >= 2) ? 1 : 0;
        if (UNUSED != 0) begin : g_none
          assign sums[(b*PRODUCTS+t)*SUM+:SUM] = '0;
          assign upper[(b*PRODUCTS+t)*SUM+:SUM] = '0;
        end else begin : g_sum
          logic [COLUMNS*P-1:0] low, high;
          for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
            logic signed [X-1:0] x_re, x_im;
            logic signed [W-1:0] w_re, w_im;
            assign {x_im, x_re} = x[(c*BINS+b)*2*X+:2*X];
            assign {w_im, w_re} = w[(c*BINS+b)*2*W+:2*W];
            if (PAIR != 0) begin : g_pair
              logic signed [W-1:0] v_re, v_im;
              assign {v_im, v_re} = w[((COLUMNS+c)*BINS+b)*2*W+:2*W];
              swm_multiply_pair #(.WA(W), .WB(X)) u_products (
                  .clk, .high(t == 1 || t == 2 ? v_im : v_re), .low(t == 1 || t == 2 ? w_im : w_re),
                  .x(t == 0 || t == 2 ? x_re : x_im), .high_product(high[c*P+:P]), .low_product(low[c*P+:P]));
            end else begin : g_single
              logic signed [WX-1:0] left;
              logic signed [WW-1:0] right;
              logic [P-1:0] product;
              if (PRODUCTS == 3) begin : g_three
                assign left = t == 1 ? WX'(x_re) : t == 2 ? WX'(x_im) : real_bins ? WX'(x_re) : WX'(x_re) + WX'(x_im);
                assign right = t == 0 ? WW'(w_re) : t == 1 ? WW'(w_im) - WW'(w_re)
                    : real_bins ? WW'(w_im) : WW'(w_re) + WW'(w_im);
              end else begin : g_four
                assign left = t == 0 || t == 2 ? x_re : x_im;
                assign right = t == 1 || t == 2 ? w_im : w_re;
              end
              swm_multiply #(.WA(WX), .WB(WW), .FABRIC(FABRIC)) u_product (.clk, .a(left), .b(right), .p(product));
              swm_delay #(.WIDTH(P), .N(WAIT)) u_wait (.clk, .in(product), .out(low[c*P+:P]));
              assign high[c*P+:P] = '0;
            end
          end
          swm_sum #(.N(COLUMNS), .WIDTH(P)) u_sum (.clk, .in(low), .sum(sums[(b*PRODUCTS+t)*SUM+:SUM]));
          swm_sum #(.N(COLUMNS), .WIDTH(P)) u_upper (.clk, .in(high), .sum(upper[(b*PRODUCTS+t)*SUM+:SUM]));
        end
      end
    end
  endgenerate
endmodule
