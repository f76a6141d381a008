// SPDX-License-Identifier: Apache-2.0
/// \file swm_dense.sv
/// \brief A dense layer: y = activation(W x + b), ROWS x COLUMNS multipliers side by side.
///
/// acc[r] = sum over c of W[r][c] x[c], exact; then bias, activation, one rounding (docs/arithmetic.md section 6). Loads,
/// products and drains as swm_product_walk has them, a group of ROWS a drain, OUT_VEC rows a beat. Inputs lie in two halves of a
/// memory, COLUMNS / IN_VEC banks of whole beats.
///
/// A word of the weights' file holds a cycle's, lane row * COLUMNS + column, lane 0 in the lowest bits; words run over groups
/// of rows, then groups of columns, GROUPS outermost. PACKED: two rows share a multiplier; FABRIC_ROWS: the last rows multiply in LUTs.
///
/// Latency from a drain to its beat: that of swm_row_sums.
module swm_dense #(
    parameter int M = 8,
    parameter int N = 8,
    parameter int GROUPS = 1,      // tokens that follow each other with weights and a bias of their own
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
  localparam int PLACE = $clog2(2 * COLUMN_GROUPS);
  localparam int DEEP = ROW_GROUPS * COLUMN_GROUPS * GROUPS;
  localparam int ADDRESS = DEEP > 1 ? $clog2(DEEP) : 1;
  localparam int BANK = BANKS > 1 ? $clog2(BANKS) : 1;

  logic load, active, starts, unused_sums, completes, drain, room;
  logic [BANK-1:0] load_bank;
  logic [PLACE-1:0] load_to, from;
  logic [ADDRESS-1:0] address;
  logic unused_word, unused_unit, unused_first;
  swm_product_walk #(
      .LOAD_BANKS(BANKS), .LOADS((N + IN_VEC - 1) / IN_VEC), .ROW_GROUPS(ROW_GROUPS), .COLUMNS(COLUMN_GROUPS),
      .BEATS(BEATS), .LAST_BEATS(LAST_BEATS), .DRAIN_STEP(STEP > 1 ? STEP : 1), .GROUPS(GROUPS)
  ) u_walk (
      .clk, .rst, .in_valid, .in_ready, .load, .load_unit(unused_unit), .load_bank, .load_to, .active, .from, .address, .word_group(unused_word),
      .starts, .sums(unused_sums), .completes, .room, .drain, .drain_first(unused_first));

  genvar b;
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

  swm_row_sums #(
      .M(M), .ROWS(ROWS), .COLUMNS(COLUMNS), .IN_BITS(IN_BITS), .WEIGHT_BITS(WEIGHT_BITS), .ACC(WEIGHT_BITS + IN_BITS + $clog2(N)),
      .BIAS_BITS(BIAS_BITS), .OUT_BITS(OUT_BITS), .OUT_SHIFT(OUT_SHIFT), .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE),
      .TABLE(TABLE), .OUT_VEC(OUT_VEC), .FABRIC_ROWS(FABRIC_ROWS), .PACKED(PACKED), .BIAS(BIAS), .GROUPS(GROUPS), .DEPTH(DEPTH)
  ) u_rows (
      .clk, .rst, .active, .starts, .completes, .x, .w, .room, .drain, .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_sums, unused_word, unused_unit, unused_first};
endmodule
