// SPDX-License-Identifier: Apache-2.0
/// \file swm_pool_count.sv
/// \brief The reciprocal of how many taps of an output position count in a mean, for windows that do not count alike.
///
/// A step goes to the next output position, row by row. Taps that count: those in rows LOW_ROW .. HIGH_ROW - 1 and in columns
/// LOW_COLUMN .. HIGH_COLUMN - 1. The file holds the reciprocals, at rows that count * (KERNEL_COLUMNS + 1) + columns that count.
///
/// Latency WAIT from a cycle to the reciprocal of its output position, 3 at least (address, memory 2).
module swm_pool_count #(
    parameter int KERNEL_ROWS = 2,
    parameter int KERNEL_COLUMNS = 2,
    parameter int STRIDE_ROWS = 2,
    parameter int STRIDE_COLUMNS = 2,
    parameter int DILATION_ROWS = 1,
    parameter int DILATION_COLUMNS = 1,
    parameter int PAD_ROWS = 0,
    parameter int PAD_COLUMNS = 0,
    parameter int OUT_ROWS = 2,
    parameter int OUT_COLUMNS = 2,
    parameter int LOW_ROW = 0,
    parameter int HIGH_ROW = 4,
    parameter int LOW_COLUMN = 0,
    parameter int HIGH_COLUMN = 4,
    parameter int BITS = 8,
    parameter int ENTRIES = 9,
    parameter FILE = "",
    parameter int WAIT = 3
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic                   step,
    output logic signed [BITS-1:0] reciprocal
);
  localparam int RW = $clog2(KERNEL_ROWS * DILATION_ROWS + OUT_ROWS * STRIDE_ROWS + PAD_ROWS + HIGH_ROW + 1) + 1;
  localparam int CW = $clog2(KERNEL_COLUMNS * DILATION_COLUMNS + OUT_COLUMNS * STRIDE_COLUMNS + PAD_COLUMNS + HIGH_COLUMN + 1) + 1;
  localparam int OR = OUT_ROWS > 1 ? $clog2(OUT_ROWS) : 1;
  localparam int OC = OUT_COLUMNS > 1 ? $clog2(OUT_COLUMNS) : 1;
  localparam int AW = $clog2(ENTRIES);
  logic row_last, column_last, next_row;
  logic [OR-1:0] unused_row;
  logic [OC-1:0] unused_column;
  logic signed [RW-1:0] row;        // of the first tap
  logic signed [CW-1:0] column;
  assign next_row = step && column_last;
  swm_counter #(.N(OUT_COLUMNS)) u_column (.clk, .rst, .step, .at(unused_column), .last(column_last));
  swm_counter #(.N(OUT_ROWS)) u_row (.clk, .rst, .step(next_row), .at(unused_row), .last(row_last));
  always_ff @(posedge clk) begin
    if (rst || (next_row && row_last)) row <= RW'(-PAD_ROWS);
    else if (next_row) row <= row + RW'(STRIDE_ROWS);
    if (rst || next_row) column <= CW'(-PAD_COLUMNS);
    else if (step) column <= column + CW'(STRIDE_COLUMNS);
  end

  // Taps that count along each axis, one after the other.
  genvar t;
  generate
    for (t = 0; t < KERNEL_ROWS; t = t + 1) begin : g_row
      logic signed [RW-1:0] at;
      logic [AW-1:0] count;
      assign at = row + RW'(t * DILATION_ROWS);
      if (t == 0) begin : g_first
        assign count = AW'(at >= RW'(LOW_ROW) && at < RW'(HIGH_ROW));
      end else begin : g_next
        assign count = g_row[t-1].count + AW'(at >= RW'(LOW_ROW) && at < RW'(HIGH_ROW));
      end
    end
    for (t = 0; t < KERNEL_COLUMNS; t = t + 1) begin : g_column
      logic signed [CW-1:0] at;
      logic [AW-1:0] count;
      assign at = column + CW'(t * DILATION_COLUMNS);
      if (t == 0) begin : g_first
        assign count = AW'(at >= CW'(LOW_COLUMN) && at < CW'(HIGH_COLUMN));
      end else begin : g_next
        assign count = g_column[t-1].count + AW'(at >= CW'(LOW_COLUMN) && at < CW'(HIGH_COLUMN));
      end
    end
  endgenerate

  logic [AW-1:0] address;
  logic [BITS-1:0] entry;
  always_ff @(posedge clk)
    address <= AW'(32'(g_row[KERNEL_ROWS-1].count) * (KERNEL_COLUMNS + 1)) + g_column[KERNEL_COLUMNS-1].count;
  swm_rom #(.WIDTH(BITS), .DEPTH(ENTRIES), .FILE(FILE), .LUTRAM(1)) u_entries (.clk, .address, .data(entry));
  swm_delay #(.WIDTH(BITS), .N(WAIT - 3)) u_late (.clk, .in(entry), .out(reciprocal));
  logic unused;
  assign unused = &{1'b0, unused_row, unused_column};
endmodule
