// SPDX-License-Identifier: Apache-2.0
/// \file swm_global_pool.sv
/// \brief The greatest, the mean or the sum of each channel over all positions of a frame.
///
///   y = activation(max x)  or  y = activation(RECIPROCAL sum x): 1 / positions in fixed point, 1 for a sum
///
/// A beat a cycle, BEATS = ceil(N / VEC) a position; those of the last position write. The running values of a token go round
/// in a shift register: the one that comes out belongs to the channels of the beat that is read.
///
/// Latency 1, a mean 2 more (operand and product), then that of swm_finish.
module swm_global_pool #(
    parameter int N = 4,
    parameter int VEC = 1,
    parameter int POSITIONS = 4,
    parameter int GREATEST = 0,
    parameter int RECIPROCAL = 1,
    parameter int RECIPROCAL_BITS = 0,  // 0: no mean
    parameter int IN_BITS = 8,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int DEPTH = 2
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    in_valid,
    output logic                    in_ready,
    input  logic [ VEC*IN_BITS-1:0] in_data,
    output logic                    out_valid,
    input  logic                    out_ready,
    output logic [VEC*OUT_BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int TAIL = N - (BEATS - 1) * VEC;
  localparam int SUM = IN_BITS + (GREATEST != 0 ? 0 : $clog2(POSITIONS));
  localparam int VALUE = SUM + RECIPROCAL_BITS;
  localparam int L = 1 + (RECIPROCAL_BITS != 0 ? 2 : 0) + FINISH;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int PW = POSITIONS > 1 ? $clog2(POSITIONS) : 1;

  logic read, room, ends, beat_last, position_last, first, tail, push;
  logic [BW-1:0] unused_beat;
  logic [PW-1:0] position;
  assign in_ready = room || !position_last;
  assign read = in_valid && in_ready;
  assign ends = read && position_last;
  assign first = position == '0;
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(unused_beat), .last(beat_last));
  swm_counter #(.N(POSITIONS)) u_position (
      .clk, .rst, .step(read && beat_last), .at(position), .last(position_last));
  swm_delay #(.N(L)) u_tail (.clk, .in(beat_last), .out(tail));

  // Values of the beat that was read last in the lowest bits, those of the beat to come in the highest.
  logic [BEATS*VEC*SUM-1:0] running;
  logic [VEC*SUM-1:0] now;
  generate
    if (BEATS == 1) begin : g_one
      always_ff @(posedge clk) if (read) running <= now;
    end else begin : g_round
      always_ff @(posedge clk) if (read) running <= {running[(BEATS-1)*VEC*SUM-1:0], now};
    end
  endgenerate

  logic [VEC*OUT_BITS-1:0] value;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_lane
      logic signed [SUM-1:0] old, more, joined;
      logic signed [VALUE-1:0] found;
      logic signed [OUT_BITS-1:0] y;
      assign old = running[((BEATS-1)*VEC+i)*SUM+:SUM];
      assign more = SUM'($signed(in_data[i*IN_BITS+:IN_BITS]));
      assign joined = GREATEST == 0 ? old + more : more > old ? more : old;
      assign now[i*SUM+:SUM] = first ? more : joined;
      if (RECIPROCAL_BITS != 0) begin : g_mean
        swm_multiply #(.WA(SUM), .WB(RECIPROCAL_BITS), .FABRIC(1)) u_product (
            .clk, .a(running[i*SUM+:SUM]), .b(RECIPROCAL_BITS'(RECIPROCAL)), .p(found));
      end else begin : g_as_it_is
        assign found = running[i*SUM+:SUM];
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
  assign unused = &{1'b0, unused_beat};
endmodule
