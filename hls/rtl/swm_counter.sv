// SPDX-License-Identifier: Apache-2.0
/// \file swm_counter.sv
/// \brief A counter of a loop: 0 .. N - 1, one place forward with each step, then from 0 again.
///
/// `last` stands while `at` is N - 1. Latency 1: a step shows in the next cycle.
module swm_counter #(
    parameter int N = 2,
    parameter int WIDTH = N > 1 ? $clog2(N) : 1
) (
    input  logic             clk,
    input  logic             rst,
    input  logic             step,
    output logic [WIDTH-1:0] at,
    output logic             last
);
  assign last = at == WIDTH'(N - 1);
  always_ff @(posedge clk) begin
    if (rst) at <= '0;
    else if (step) at <= last ? '0 : at + 1;
  end
endmodule
