// SPDX-License-Identifier: Apache-2.0
/// \file swm_dense.sv
/// \brief A dense layer: y = activation(W x + b), ROWS x COLUMNS multipliers side by side.
///
/// acc[r] = sum over c of W[r][c] x[c], exact; then bias, activation, one rounding (docs/arithmetic.md section 6). Loads,
/// products and drains as swm_product_walk has them, a group of ROWS a drain, OUT_VEC rows a beat. Inputs lie in two halves of a
/// memory, COLUMNS / IN_VEC banks of whole beats.
///
/// A word of the weights' file holds a cycle's, lane row * COLUMNS + column, lane 0 in the lowest bits; words run over groups
/// of rows, then groups of columns. PACKED: two rows share a multiplier; FABRIC_ROWS: the last rows multiply in LUTs.
///
/// Latency from a drain to its beat: T = log2 COLUMNS, A = 5 + T (PACKED: 6 + T) cycles down to the sums (memory 2, operand
/// and product 2, adder tree T, accumulator), then that of swm_finish.
module swm_dense #(
    parameter int M = 8,
    parameter int N = 8,
    parameter int IN_BITS = 8,
    parameter int WEIGHT_BITS = 8,
    parameter int BIAS_BITS = 19,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int IN_VEC = 1,
    parameter int OUT_VEC = 1,
    parameter int ROWS = 1,
    parameter int COLUMNS = 1,
    parameter int FABRIC_ROWS = 0,
    parameter int PACKED = 0,
    parameter WEIGHTS = "",
    parameter BIAS = "",
    parameter int LUTRAM = 0,
    parameter int DEPTH = 2
) (
    input  logic                        clk,
    input  logic                        rst,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic [  IN_VEC*IN_BITS-1:0] in_data,
    output logic                        out_valid,
    input  logic                        out_ready,
    output logic [OUT_VEC*OUT_BITS-1:0] out_data
);
  localparam int ROW_GROUPS = (M + ROWS - 1) / ROWS;
  localparam int COLUMN_GROUPS = (N + COLUMNS - 1) / COLUMNS;
  localparam int BANKS = COLUMNS / IN_VEC;
  localparam int BEATS = (ROWS + OUT_VEC - 1) / OUT_VEC;
  localparam int LAST_BEATS = (M - (ROW_GROUPS - 1) * ROWS + OUT_VEC - 1) / OUT_VEC;
  localparam int STEP = COLUMN_GROUPS / BEATS;
  localparam int OUT_BEATS = (M + OUT_VEC - 1) / OUT_VEC;
  localparam int ACC = WEIGHT_BITS + IN_BITS + $clog2(N);
  localparam int PRODUCT = WEIGHT_BITS + IN_BITS;
  localparam int T = $clog2(COLUMNS);
  localparam int A = (PACKED != 0 ? 6 : 5) + T;
  localparam int PLACE = $clog2(2 * COLUMN_GROUPS);
  localparam int DEEP = ROW_GROUPS * COLUMN_GROUPS;
  localparam int ADDRESS = DEEP > 1 ? $clog2(DEEP) : 1;
  localparam int BANK = BANKS > 1 ? $clog2(BANKS) : 1;

  logic load, active, starts, unused_sums, completes, drain, room;
  logic [BANK-1:0] load_bank;
  logic [PLACE-1:0] load_to, from;
  logic [ADDRESS-1:0] address;
  logic unused_word, unused_unit, unused_first;
  swm_product_walk #(
      .LOAD_BANKS(BANKS), .LOADS((N + IN_VEC - 1) / IN_VEC), .ROW_GROUPS(ROW_GROUPS), .COLUMNS(COLUMN_GROUPS),
      .BEATS(BEATS), .LAST_BEATS(LAST_BEATS), .DRAIN_STEP(STEP > 1 ? STEP : 1)
  ) u_walk (
      .clk, .rst, .in_valid, .in_ready, .load, .load_unit(unused_unit), .load_bank, .load_to, .active, .from, .address, .word_group(unused_word),
      .starts, .sums(unused_sums), .completes, .room, .drain, .drain_first(unused_first));

  genvar b, r, c;
  logic [COLUMNS*IN_BITS-1:0] x;
  logic [ROWS*COLUMNS*WEIGHT_BITS-1:0] w;
  generate
    for (b = 0; b < BANKS; b = b + 1) begin : g_bank
      logic write;
      assign write = load && (b == BANKS - 1 || load_bank <= BANK'(b));
      swm_ram #(.WIDTH(IN_VEC * IN_BITS), .DEPTH(2 * COLUMN_GROUPS)) u_x (
          .clk, .write(write), .to(load_to), .value(in_data), .from,
          .data(x[b*IN_VEC*IN_BITS+:IN_VEC*IN_BITS]));
    end
  endgenerate
  swm_rom #(.WIDTH(ROWS * COLUMNS * WEIGHT_BITS), .DEPTH(DEEP), .FILE(WEIGHTS), .LUTRAM(LUTRAM)) u_weights (
      .clk, .address, .data(w));

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
      end else if (r % 2 == 0) begin : g_pair
        logic [COLUMNS*PRODUCT-1:0] upper;  // products of row r + 1
        for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
          swm_multiply_pair #(.WA(WEIGHT_BITS), .WB(IN_BITS)) u_products (
              .clk, .high(w[((r+1)*COLUMNS+c)*WEIGHT_BITS+:WEIGHT_BITS]), .low(w[(r*COLUMNS+c)*WEIGHT_BITS+:WEIGHT_BITS]),
              .x(x[c*IN_BITS+:IN_BITS]), .high_product(upper[c*PRODUCT+:PRODUCT]),
              .low_product(products[c*PRODUCT+:PRODUCT]));
        end
      end else begin : g_second
        assign products = g_row[r-1].g_pair.upper;
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

  localparam int SW = OUT_BEATS > 1 ? $clog2(OUT_BEATS) : 1;
  logic [SW-1:0] set;  // beat of the token, two cycles ahead of the sums
  logic [OUT_VEC*BIAS_BITS-1:0] bias;
  logic [OUT_VEC*OUT_BITS-1:0] value;
  swm_valid #(.N(A - 2)) u_set_step (.clk, .rst, .in(drain), .out(set_step));
  swm_counter #(.N(OUT_BEATS)) u_set (.clk, .rst, .step(set_step), .at(set), .last(set_last));
  swm_delay #(.N(2 + FINISH)) u_last (.clk, .in(set_last), .out(last));
  swm_rom #(.WIDTH(OUT_VEC * BIAS_BITS), .DEPTH(OUT_BEATS), .FILE(BIAS), .LUTRAM(1)) u_bias (
      .clk, .address(set), .data(bias));
  generate
    for (r = 0; r < OUT_VEC; r = r + 1) begin : g_value
      logic signed [OUT_BITS-1:0] y;
      swm_finish #(
          .SUM(ACC), .BIAS(BIAS_BITS), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(held[r*ACC+:ACC]), .bias(bias[r*BIAS_BITS+:BIAS_BITS]), .y);
      assign value[r*OUT_BITS+:OUT_BITS] = last && r >= M - (OUT_BEATS - 1) * OUT_VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(FINISH)) u_push (.clk, .rst, .in(leave), .out(push));
  swm_fifo #(.WIDTH(OUT_VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(A + FINISH)) u_out (
      .clk, .rst, .reserve(drain), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_sums, unused_word, unused_unit, unused_first};
endmodule
