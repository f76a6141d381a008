// SPDX-License-Identifier: Apache-2.0
/// \file swm_rfft_unrolled.sv
/// \brief Forward real transforms of the blocks of a layer's input, K <= 64: a whole block at once, no memory.
///
/// An iteration takes PARTS = max(1, K / IN_VEC) cycles and reads as many beats (those behind the last input count as zeros),
/// transforms LANES = max(1, IN_VEC / K) blocks (swm_forward_block) and writes one beat of LANES * K integers: block after
/// block, words in natural order, re below im, word 0 = bins 0 and K/2. GROUPS iterations a token.
///
/// Latency from the first cycle of an iteration to its beat: PARTS + that of swm_forward_block.
module swm_rfft_unrolled #(
    parameter int K = 8,
    parameter int IN_BITS = 12,
    parameter int FFT_SHIFTS = 0,
    parameter int IN_VEC = 1,
    parameter int IN_BEATS = 8,  // a token
    parameter int GROUPS = 1,
    parameter int DEPTH = 2,
    parameter int LANES = IN_VEC > K ? IN_VEC / K : 1,
    parameter int WX = IN_BITS + $clog2(K) - FFT_SHIFTS
) (
    input  logic                      clk,
    input  logic                      rst,
    input  logic                      in_valid,
    output logic                      in_ready,
    input  logic [IN_VEC*IN_BITS-1:0] in_data,
    output logic                      out_valid,
    input  logic                      out_ready,
    output logic [    LANES*K*WX-1:0] out_data
);
  localparam int PARTS = K > IN_VEC ? K / IN_VEC : 1;
  localparam int LAST_PARTS = IN_BEATS - (GROUPS - 1) * PARTS;  // beats that the last iteration of a token has
  localparam int PW = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int GW = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int BLOCK = K == 2 ? 1 : 1 + 4 * ($clog2(K) - 2);

  logic room, fires, last_part, last_group, reads, ready, whole, push;
  logic [PW-1:0] part;
  logic [GW-1:0] unused_group;
  assign reads = !last_group || 32'(part) < LAST_PARTS;
  assign ready = !last_part || room;
  assign in_ready = reads && ready;
  assign fires = ready && (in_valid || !reads);
  swm_counter #(.N(PARTS)) u_part (.clk, .rst, .step(fires), .at(part), .last(last_part));
  swm_counter #(.N(GROUPS)) u_group (.clk, .rst, .step(fires && last_part), .at(unused_group), .last(last_group));

  logic [LANES*K*IN_BITS-1:0] x;
  logic [IN_VEC*IN_BITS-1:0] value;
  assign value = reads ? in_data : '0;
  generate
    if (PARTS == 1) begin : g_at_once
      always_ff @(posedge clk) x <= value;
    end else begin : g_parts
      always_ff @(posedge clk) if (fires) x <= {value, x[K*IN_BITS-1:IN_VEC*IN_BITS]};
    end
  endgenerate

  logic [LANES*K*WX-1:0] spectra;
  genvar lane;
  generate
    for (lane = 0; lane < LANES; lane = lane + 1) begin : g_lane
      swm_forward_block #(.K(K), .B(IN_BITS), .SHIFTS(FFT_SHIFTS)) u_block (
          .clk, .x(x[lane*K*IN_BITS+:K*IN_BITS]), .y(spectra[lane*K*WX+:K*WX]));
    end
  endgenerate
  assign whole = fires && last_part;
  swm_valid #(.N(1 + BLOCK)) u_push (.clk, .rst, .in(whole), .out(push));
  swm_fifo #(.WIDTH(LANES * K * WX), .DEPTH(DEPTH), .PIPELINE(1 + BLOCK)) u_out (
      .clk, .rst, .reserve(whole), .room, .push, .in_data(spectra), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_group};
endmodule
