// SPDX-License-Identifier: Apache-2.0
/// \file swm_row_sums.sv
/// \brief What swm_dense and swm_matmul do alike behind their memories: ROWS x COLUMNS multipliers, sums of rows, the end of the layer.
///
/// acc[r] = sum over c of w[r][c] x[c], exact, over the iterations from `starts` to `completes`; then bias, activation, one
/// rounding. x and w (lane row * COLUMNS + column, lane 0 in the lowest bits) come from memories, two cycles behind their iteration.
/// Sums of a group of rows leave OUT_VEC a beat, one for each `drain` (swm_product_walk). PACKED: two rows share a multiplier;
/// FABRIC_ROWS: the last rows multiply in LUTs; BIAS_BITS = 0: no offsets.
///
/// Latency from a drain to its beat: T = log2 COLUMNS, A = 5 + T (PACKED: 6 + T) cycles down to the sums (memory 2, operand
/// and product 2, adder tree T, accumulator), then that of swm_finish.
module swm_row_sums #(
    parameter int M = 8,           // rows of a token
    parameter int ROWS = 1,
    parameter int COLUMNS = 1,
    parameter int IN_BITS = 8,
    parameter int WEIGHT_BITS = 8,
    parameter int ACC = 19,
    parameter int BIAS_BITS = 19,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int OUT_VEC = 1,
    parameter int FABRIC_ROWS = 0,
    parameter int PACKED = 0,
    parameter BIAS = "",
    parameter int GROUPS = 1,      // tokens that follow each other with a bias of their own
    parameter int DEPTH = 2
) (
    input  logic                                clk,
    input  logic                                rst,
    input  logic                                active,
    input  logic                                starts,
    input  logic                                completes,
    input  logic [         COLUMNS*IN_BITS-1:0] x,
    input  logic [ROWS*COLUMNS*WEIGHT_BITS-1:0] w,
    output logic                                room,
    input  logic                                drain,
    output logic                                out_valid,
    input  logic                                out_ready,
    output logic [        OUT_VEC*OUT_BITS-1:0] out_data
);
  localparam int BEATS = (ROWS + OUT_VEC - 1) / OUT_VEC;
  localparam int OUT_BEATS = (M + OUT_VEC - 1) / OUT_VEC;
  localparam int PRODUCT = WEIGHT_BITS + IN_BITS;
  localparam int T = $clog2(COLUMNS);
  localparam int A = (PACKED != 0 ? 6 : 5) + T;
  localparam int OFFSET = BIAS_BITS > 0 ? BIAS_BITS : 2;
  genvar r, c;

  logic add, start, hold;  // the iteration whose products reach the accumulators; whose sums are moved out
  swm_valid #(.N(A - 1)) u_add (.clk, .rst, .in(active), .out(add));
  swm_delay #(.N(A - 1)) u_start (.clk, .in(starts), .out(start));
  swm_valid #(.N(A)) u_hold (.clk, .rst, .in(active && completes), .out(hold));

  logic [ROWS*ACC-1:0] acc;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : g_row
      logic [COLUMNS*PRODUCT-1:0] products;
      logic signed [PRODUCT+T-1:0] sum;
      logic signed [ACC-1:0] total;
      if (PACKED == 0 || r >= ROWS - FABRIC_ROWS) begin : g_single
        for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
          logic [PRODUCT-1:0] p;
          swm_multiply #(.WA(IN_BITS), .WB(WEIGHT_BITS), .FABRIC(r >= ROWS - FABRIC_ROWS ? 1 : 0)) u_product (
              .clk, .a(x[c*IN_BITS+:IN_BITS]), .b(w[(r*COLUMNS+c)*WEIGHT_BITS+:WEIGHT_BITS]), .p(p));
          swm_delay #(.WIDTH(PRODUCT), .N(PACKED != 0 ? 1 : 0)) u_wait (
              .clk, .in(p), .out(products[c*PRODUCT+:PRODUCT]));
        end
      end else begin : g_two  // named: yosys has a scope of its own for `else if`
        if (r % 2 == 0) begin : g_pair
          logic [COLUMNS*PRODUCT-1:0] upper;  // products of row r + 1
          for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
            swm_multiply_pair #(.WA(WEIGHT_BITS), .WB(IN_BITS)) u_products (
                .clk, .high(w[((r+1)*COLUMNS+c)*WEIGHT_BITS+:WEIGHT_BITS]), .low(w[(r*COLUMNS+c)*WEIGHT_BITS+:WEIGHT_BITS]),
                .x(x[c*IN_BITS+:IN_BITS]), .high_product(upper[c*PRODUCT+:PRODUCT]),
                .low_product(products[c*PRODUCT+:PRODUCT]));
          end
        end else begin : g_second
          assign products = g_row[r-1].g_two.g_pair.upper;
        end
      end
      swm_sum #(.N(COLUMNS), .WIDTH(PRODUCT)) u_sum (.clk, .in(products), .sum);
      always_ff @(posedge clk) if (add) total <= (start ? '0 : total) + ACC'(sum);
      assign acc[r*ACC+:ACC] = total;
    end
  endgenerate

  // Sums of a group on their way out.
  logic leave, push, set_step, set_last, last;
  logic [BEATS*OUT_VEC*ACC-1:0] held, sums;
  generate
    if (BEATS * OUT_VEC > ROWS) begin : g_padded
      assign sums = {{((BEATS * OUT_VEC - ROWS) * ACC) {1'b0}}, acc};
    end else begin : g_whole
      assign sums = acc;
    end
  endgenerate
  swm_valid #(.N(A)) u_leave (.clk, .rst, .in(drain), .out(leave));
  always_ff @(posedge clk) begin
    if (hold) held <= sums;
    else if (leave) held <= held >> (OUT_VEC * ACC);
  end

  localparam int SETS = OUT_BEATS * GROUPS;
  localparam int SW = SETS > 1 ? $clog2(SETS) : 1;
  logic [SW-1:0] set;  // beat of the tokens of all groups, two cycles ahead of the sums
  logic [OUT_VEC*OFFSET-1:0] bias;
  logic [OUT_VEC*OUT_BITS-1:0] value;
  swm_valid #(.N(A - 2)) u_set_step (.clk, .rst, .in(drain), .out(set_step));
  swm_counter #(.N(SETS)) u_set (.clk, .rst, .step(set_step), .at(set), .last(set_last));
  swm_delay #(.N(2 + FINISH)) u_last (.clk, .in(set_last), .out(last));
  generate
    if (BIAS_BITS > 0) begin : g_bias
      swm_rom #(.WIDTH(OUT_VEC * BIAS_BITS), .DEPTH(SETS), .FILE(BIAS), .LUTRAM(1)) u_bias (
          .clk, .address(set), .data(bias));
    end else begin : g_none
      logic unused_set;
      assign unused_set = &{1'b0, set};
      assign bias = '0;
    end
    for (r = 0; r < OUT_VEC; r = r + 1) begin : g_value
      logic signed [OUT_BITS-1:0] y;
      swm_finish #(
          .SUM(ACC), .BIAS(OFFSET), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(held[r*ACC+:ACC]), .bias(bias[r*OFFSET+:OFFSET]), .y);
      assign value[r*OUT_BITS+:OUT_BITS] = last && r >= M - (OUT_BEATS - 1) * OUT_VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(FINISH)) u_push (.clk, .rst, .in(leave), .out(push));
  swm_fifo #(.WIDTH(OUT_VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(A + FINISH)) u_out (
      .clk, .rst, .reserve(drain), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
endmodule
