// SPDX-License-Identifier: Apache-2.0
/// \file swm_recurrent_products.sv
/// \brief The running sums of one row of swm_recurrent_steps: block-circulant (K > 1) or dense (K = 1).
///
/// The products of COLUMNS blocks of a cycle are summed (swm_spectral_row, or multipliers and a tree) and added to the
/// row's sums, which start anew with `start`; with `join` those over x move left by JOIN_SHIFT first. Where the candidate's sums
/// over x stay apart (`cut_here` with `join`), they move to `cut` and new ones start.
///
/// `add`, `start`, `join` come with the sums of the cycle, 4 + ceil(log2 COLUMNS) cycles behind the address of the memories that
/// give x and w; `sums` a cycle later.
module swm_recurrent_products #(
    parameter int K = 1,
    parameter int X = 12,          // bits of a value or of a part of a spectrum
    parameter int W = 12,
    parameter int COLUMNS = 1,
    parameter int PRODUCTS = 3,
    parameter int ACC = 32,
    parameter int JOIN_SHIFT = 0,
    parameter int SPLIT = 0,
    parameter int NUMBERS = K > 1 ? K / 2 * PRODUCTS : 1  // sums
) (
    input  logic                   clk,
    input  logic                   add,
    input  logic                   start,
    input  logic                   join_now,
    input  logic                   cut_here,
    input  logic [COLUMNS*K*X-1:0] x,
    input  logic [COLUMNS*K*W-1:0] w,
    output logic [NUMBERS*ACC-1:0] sums,
    output logic [NUMBERS*ACC-1:0] cut
);
  localparam int T = $clog2(COLUMNS);
  localparam int SUM = (K > 1 && PRODUCTS == 3 ? X + W + 2 : X + W) + T;
  logic [NUMBERS*SUM-1:0] now;
  genvar c, i;
  generate
    if (K > 1) begin : g_spectral
      logic [NUMBERS*SUM-1:0] unused_upper;
      swm_spectral_row #(.X(X), .W(W), .COLUMNS(COLUMNS), .BINS(K / 2), .PRODUCTS(PRODUCTS), .ALWAYS(1)) u_row (
          .clk, .first_words(1'b1), .x, .w, .sums(now), .upper(unused_upper));
      logic unused;
      assign unused = &{1'b0, unused_upper};
    end else begin : g_dense
      logic [COLUMNS*(X+W)-1:0] products;
      for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
        swm_multiply #(.WA(X), .WB(W)) u_product (
            .clk, .a(x[c*X+:X]), .b(w[c*W+:W]), .p(products[c*(X+W)+:X+W]));
      end
      swm_sum #(.N(COLUMNS), .WIDTH(X + W)) u_sum (.clk, .in(products), .sum(now));
    end
    for (i = 0; i < NUMBERS; i = i + 1) begin : g_sum
      logic signed [ACC-1:0] more, total, joined;
      if (SUM >= ACC) begin : g_cut
        assign more = now[i*SUM+:ACC];
      end else begin : g_extend
        assign more = {{(ACC - SUM) {now[(i+1)*SUM-1]}}, now[i*SUM+:SUM]};
      end
      assign joined = join_now ? total <<< JOIN_SHIFT : total;
      always_ff @(posedge clk) if (add) total <= (start || (SPLIT != 0 && join_now && cut_here) ? '0 : joined) + more;
      assign sums[i*ACC+:ACC] = total;
      if (SPLIT != 0) begin : g_apart
        logic [ACC-1:0] apart;
        always_ff @(posedge clk) if (add && join_now && cut_here) apart <= joined;
        assign cut[i*ACC+:ACC] = apart;
      end else begin : g_whole
        assign cut[i*ACC+:ACC] = '0;
      end
    end
  endgenerate
  logic unused;
  assign unused = &{1'b0, now, cut_here};
endmodule
