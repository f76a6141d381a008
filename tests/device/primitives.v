// SPDX-License-Identifier: Apache-2.0
// Small modules whose cost test_yosys.py measures. Every result is registered.
module mux #(parameter N = 4, W = 16, S = 2) (input clk, input [S-1:0] s, input [N*W-1:0] d, output reg [W-1:0] q);
  always @(posedge clk) q <= d[s*W +: W];
endmodule

module add #(parameter W = 34) (input clk, input signed [W-1:0] a, b, output reg signed [W-1:0] q);
  always @(posedge clk) q <= a + b;
endmodule

// One row for each bit of b: each keeps its lowest bit and hands A + 1 bits to the next.
module rows #(parameter A = 12, B = 12) (
    input clk, input signed [A-1:0] a, input signed [B-1:0] b, output reg signed [A+B-1:0] q);
  wire [B-1:0] low;
  genvar j;
  generate for (j = 0; j < B; j = j + 1) begin : g
    wire signed [A:0] acc;
    wire signed [A-1:0] t = a & {A{b[j]}};
    if (j == 0) assign acc = t;
    else if (j == B-1) assign acc = $signed(g[j-1].acc[A:1]) - t;
    else assign acc = $signed(g[j-1].acc[A:1]) + t;
    assign low[j] = acc[0];
  end endgenerate
  always @(posedge clk) q <= {g[B-1].acc, low[B-2:0]};
endmodule

module times #(parameter A = 12, B = 12) (
    input clk, input signed [A-1:0] a, input signed [B-1:0] b, output reg signed [A+B-1:0] q);
  always @(posedge clk) q <= a * b;
endmodule

// x * 46341 of four adders: 5x, 257 * 5x, 11x = 16x - 5x, their sum.
module root_half (input clk, input signed [13:0] x, output reg signed [30:0] q);
  (* keep *) wire signed [16:0] five = x + (x <<< 2);
  (* keep *) wire signed [25:0] low = five + (five <<< 8);
  (* keep *) wire signed [18:0] eleven = (x <<< 4) - five;
  always @(posedge clk) q <= low + (eleven <<< 12);
endmodule

module delay #(parameter D = 32, W = 16) (input clk, ce, input [W-1:0] d, output [W-1:0] q);
  reg [W-1:0] m [0:D-1];
  integer i;
  always @(posedge clk) if (ce) begin
    m[0] <= d;
    for (i = 1; i < D; i = i + 1) m[i] <= m[i-1];
  end
  assign q = m[D-1];
endmodule

module ram #(parameter D = 64, W = 15, L = 6) (
    input clk, we, input [L-1:0] wa, ra, input [W-1:0] d, output reg [W-1:0] q);
  (* ram_style = "distributed" *) reg [W-1:0] m [0:D-1];
  always @(posedge clk) begin
    if (we) m[wa] <= d;
    q <= m[ra];
  end
endmodule

module rom #(parameter D = 64, W = 12, L = 6) (input clk, input [L-1:0] a, output reg [W-1:0] q);
  reg [W-1:0] m [0:D-1];
  integer i;
  initial for (i = 0; i < D; i = i + 1) m[i] = (i * i * i * 40503 + i * i * 7919 + i * 104729) >> 7;
  always @(posedge clk) q <= m[a];
endmodule

module queue64 #(parameter W = 16) (
    input clk, rst, wr, rd, input [W-1:0] d, output reg [W-1:0] q, output full, empty);
  (* ram_style = "distributed" *) reg [W-1:0] m [0:63];
  reg [5:0] w, r;
  reg [6:0] n;
  assign full = n[6];
  assign empty = n == 0;
  always @(posedge clk) begin
    if (wr & ~full) m[w] <= d;
    q <= m[r];
    if (rst) begin
      w <= 0; r <= 0; n <= 0;
    end else begin
      if (wr & ~full) w <= w + 1;
      if (rd & ~empty) r <= r + 1;
      n <= n + (wr & ~full) - (rd & ~empty);
    end
  end
endmodule
