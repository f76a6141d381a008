// SPDX-License-Identifier: Apache-2.0
/// \file swm_recurrent_start.sv
/// \brief States that come with the input, in the place of those that a step gave (hls/swm/recurrent_start.h).
///
/// A beat of h and (LSTM) one of c are taken when the sums leave whose place they take, and brought to the binary points of
/// the layer. Input 0 is h, input 1 c.
///
/// Latency D, that of the cells.
module swm_recurrent_start #(
    parameter int E = 1,            // values a beat
    parameter int BITS = 8,
    parameter int STATE = 12,
    parameter int COME = 1,         // inputs: h, or h and c
    parameter int H_SHIFT = 0,      // of h to the outputs' binary point
    parameter int STATE_SHIFT = 0,  // of the last input to that of the states
    parameter int D = 2
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic [       COME-1:0] in_valid,
    output logic [       COME-1:0] in_ready,
    input  logic [COME*E*BITS-1:0] in_data,
    input  logic                   takes,           // the beat of sums that leaves is theirs
    input  logic                   wants,           // and waits for nothing else
    input  logic                   drain,           // it leaves
    output logic                   there,
    input  logic [     E*BITS-1:0] stepped,
    input  logic [    E*STATE-1:0] stepped_states,
    output logic [     E*BITS-1:0] results,
    output logic [    E*STATE-1:0] next_states
);
  logic begun;
  logic [COME*E*BITS-1:0] come, given;
  logic [E*BITS-1:0] begun_h;
  logic [E*STATE-1:0] begun_c;
  genvar e;
  generate
    if (COME == 2) begin : g_both
      // h is taken when it comes: who waits for c must not stop the stream that may bring both.
      logic kept;
      logic [E*BITS-1:0] kept_h;
      assign in_ready = {wants && drain, wants && !kept};
      assign there = (kept || in_valid[0]) && in_valid[1];
      always_ff @(posedge clk) begin
        if (rst) kept <= 1'b0;
        else if (wants) kept <= !drain && (kept || in_valid[0]);
        if (!kept) kept_h <= in_data[E*BITS-1:0];
      end
      assign come = {in_data[COME*E*BITS-1:E*BITS], kept ? kept_h : in_data[E*BITS-1:0]};
    end else begin : g_h
      assign in_ready = wants && drain;
      assign there = in_valid;
      assign come = in_data;
      logic unused;
      assign unused = &{1'b0, rst};
    end
    swm_delay #(.N(D)) u_begun (.clk, .in(takes), .out(begun));
    swm_delay #(.WIDTH(COME * E * BITS), .N(D - 2)) u_given (.clk, .in(come), .out(given));
    for (e = 0; e < E; e = e + 1) begin : g_value
      swm_round #(.IN(BITS), .SHIFT(H_SHIFT), .OUT(BITS)) u_h (
          .clk, .v(given[e*BITS+:BITS]), .y(begun_h[e*BITS+:BITS]));
      swm_round #(.IN(BITS), .SHIFT(STATE_SHIFT), .OUT(STATE)) u_c (
          .clk, .v(given[((COME-1)*E+e)*BITS+:BITS]), .y(begun_c[e*STATE+:STATE]));
    end
  endgenerate
  assign results = begun ? begun_h : stepped;
  assign next_states = begun ? begun_c : stepped_states;
endmodule
