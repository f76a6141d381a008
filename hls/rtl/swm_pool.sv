// SPDX-License-Identifier: Apache-2.0
/// \file swm_pool.sv
/// \brief The greatest or the mean value of what a window sees, behind the line buffer (swm_window).
///
///   MEAN = 0  y = activation(max x)
///   MEAN = 1  y = activation(R[count] sum x), R[count] = 1 / count in fixed point (docs/arithmetic.md section 6); count is
///             how many taps lie in rows LOW_ROW .. HIGH_ROW - 1 and in columns LOW_COLUMN .. HIGH_COLUMN - 1
///
/// Where all windows count alike (ENTRIES = 1) R is the constant RECIPROCAL; else a word of the file RECIPROCALS, at rows that
/// count * (KERNEL_COLUMNS + 1) + columns that count.
///
/// A beat a cycle, all taps of VEC channels in GROUPS = KERNEL_ROWS KERNEL_COLUMNS / TAPS beats, of which the last writes;
/// BEATS beats of channels an output position.
///
/// Latency from that beat to what it writes: log2 TAPS + 1, a mean 2 more (operand and product), with a table 2 more still (memory),
/// then that of swm_finish.
module swm_pool #(
    parameter int MEAN = 0,
    parameter int N = 4,
    parameter int VEC = 1,
    parameter int TAPS = 1,
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
    parameter int IN_BITS = 8,
    parameter int RECIPROCAL_BITS = 2,
    parameter int ENTRIES = 1,
    parameter int RECIPROCAL = 1,
    parameter RECIPROCALS = "",
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int DEPTH = 2
) (
    input  logic                        clk,
    input  logic                        rst,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic [TAPS*VEC*IN_BITS-1:0] in_data,
    output logic                        out_valid,
    input  logic                        out_ready,
    output logic [    VEC*OUT_BITS-1:0] out_data
);
  localparam int GROUPS = KERNEL_ROWS * KERNEL_COLUMNS / TAPS;
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int TAIL = N - (BEATS - 1) * VEC;
  localparam int T = $clog2(TAPS);
  localparam int SUM = IN_BITS + (MEAN != 0 ? $clog2(KERNEL_ROWS * KERNEL_COLUMNS) : 0);
  localparam int VALUE = SUM + (MEAN != 0 ? RECIPROCAL_BITS : 0);
  localparam int E = MEAN != 0 && ENTRIES > 1 ? 2 : 0;    // registers while the reciprocal is read
  localparam int P = MEAN != 0 ? 2 + E : 0;               // and those of the product
  localparam int L = T + 1 + P + FINISH;
  localparam int GW = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;

  logic read, room, ends, group_last, beat_last, tail, push, add, start;
  logic [GW-1:0] group;
  logic [BW-1:0] unused_beat;
  assign in_ready = room || !group_last;
  assign read = in_valid && in_ready;
  assign ends = read && group_last;
  swm_counter #(.N(GROUPS)) u_group (.clk, .rst, .step(read), .at(group), .last(group_last));
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(ends), .at(unused_beat), .last(beat_last));
  swm_delay #(.N(L)) u_tail (.clk, .in(beat_last), .out(tail));
  swm_valid #(.N(T)) u_add (.clk, .rst, .in(read), .out(add));
  swm_delay #(.N(T)) u_start (.clk, .in(group == '0), .out(start));

  logic signed [RECIPROCAL_BITS-1:0] factor;
  generate
    if (MEAN == 0 || ENTRIES == 1) begin : g_alike
      assign factor = RECIPROCAL_BITS'(RECIPROCAL);
    end else begin : g_counted
      swm_pool_count #(
          .KERNEL_ROWS(KERNEL_ROWS), .KERNEL_COLUMNS(KERNEL_COLUMNS), .STRIDE_ROWS(STRIDE_ROWS),
          .STRIDE_COLUMNS(STRIDE_COLUMNS), .DILATION_ROWS(DILATION_ROWS), .DILATION_COLUMNS(DILATION_COLUMNS),
          .PAD_ROWS(PAD_ROWS), .PAD_COLUMNS(PAD_COLUMNS), .OUT_ROWS(OUT_ROWS), .OUT_COLUMNS(OUT_COLUMNS),
          .LOW_ROW(LOW_ROW), .HIGH_ROW(HIGH_ROW), .LOW_COLUMN(LOW_COLUMN), .HIGH_COLUMN(HIGH_COLUMN),
          .BITS(RECIPROCAL_BITS), .ENTRIES(ENTRIES), .FILE(RECIPROCALS), .WAIT(T + 3)
      ) u_count (.clk, .rst, .step(ends && beat_last), .reciprocal(factor));
    end
  endgenerate

  logic [VEC*OUT_BITS-1:0] value;
  genvar i, t;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_lane
      logic [TAPS*IN_BITS-1:0] x;
      logic signed [SUM-1:0] held, now;
      logic signed [VALUE-1:0] found;
      logic signed [OUT_BITS-1:0] y;
      for (t = 0; t < TAPS; t = t + 1) begin : g_tap
        assign x[t*IN_BITS+:IN_BITS] = in_data[(t*VEC+i)*IN_BITS+:IN_BITS];
      end
      if (MEAN != 0) begin : g_mean
        logic signed [IN_BITS+T-1:0] sum;
        swm_sum #(.N(TAPS), .WIDTH(IN_BITS)) u_sum (.clk, .in(x), .sum);
        assign now = SUM'(sum);
        always_ff @(posedge clk) if (add) held <= (start ? '0 : held) + now;
        logic [SUM-1:0] total;
        swm_delay #(.WIDTH(SUM), .N(E)) u_total (.clk, .in(held), .out(total));
        swm_multiply #(.WA(SUM), .WB(RECIPROCAL_BITS), .FABRIC(ENTRIES == 1 ? 1 : 0)) u_product (
            .clk, .a(total), .b(factor), .p(found));
      end else begin : g_greatest
        swm_greatest #(.N(TAPS), .WIDTH(IN_BITS)) u_greatest (.clk, .in(x), .greatest(now));
        always_ff @(posedge clk) if (add) held <= start || now > held ? now : held;
        assign found = held;
      end
      swm_finish #(
          .SUM(VALUE), .BIAS(2), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(found), .bias('0), .y);
      assign value[i*OUT_BITS+:OUT_BITS] = tail && i >= TAIL ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(L)) u_push (.clk, .rst, .in(ends), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(L)) u_out (
      .clk, .rst, .reserve(ends), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_beat, factor};
endmodule
