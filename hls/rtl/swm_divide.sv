// SPDX-License-Identifier: Apache-2.0
/// \file swm_divide.sv
/// \brief N quotients of one divisor, each rounded down: a long division, a stage a bit.
///
/// quotient = floor(numerator / divisor), all unsigned, for divisor > 0 and numerator < divisor 2^QUOTIENT. Stage s: the
/// remainder, below the divisor, takes the next bit of the numerator; where the divisor can be subtracted the quotient's bit is 1.
///
/// A division each cycle; latency QUOTIENT.
module swm_divide #(
    parameter int N = 1,
    parameter int NUMERATOR = 24,
    parameter int DIVISOR = 15,
    parameter int QUOTIENT = 12
) (
    input  logic                   clk,
    input  logic [N*NUMERATOR-1:0] numerators,
    input  logic [    DIVISOR-1:0] divisor,
    output logic [ N*QUOTIENT-1:0] quotients
);
  genvar s, i;
  generate
    for (s = 0; s < QUOTIENT; s = s + 1) begin : g_stage
      logic [DIVISOR-1:0] by;
      logic [N*DIVISOR-1:0] rest;   // the remainders behind this stage
      logic [N*QUOTIENT-1:0] bits;  // numerators' bits that are left, above the quotients' that are known
      if (s == 0) begin : g_first
        assign by = divisor;
      end else begin : g_later
        always_ff @(posedge clk) by <= g_stage[s-1].by;
      end
      for (i = 0; i < N; i = i + 1) begin : g_lane
        logic [DIVISOR:0] with_bit, less;
        logic [QUOTIENT-1:0] left;
        if (s == 0) begin : g_numerator
          assign left = numerators[i*NUMERATOR+:QUOTIENT];
          assign with_bit = (DIVISOR + 1)'({numerators[i*NUMERATOR+QUOTIENT+:NUMERATOR-QUOTIENT], left[QUOTIENT-1]});
        end else begin : g_remainder
          assign left = g_stage[s-1].bits[i*QUOTIENT+:QUOTIENT];
          assign with_bit = {g_stage[s-1].rest[i*DIVISOR+:DIVISOR], left[QUOTIENT-1]};
        end
        assign less = with_bit - (DIVISOR + 1)'(by);
        always_ff @(posedge clk) begin
          rest[i*DIVISOR+:DIVISOR] <= less[DIVISOR] ? with_bit[DIVISOR-1:0] : less[DIVISOR-1:0];
          bits[i*QUOTIENT+:QUOTIENT] <= {left[QUOTIENT-2:0], !less[DIVISOR]};
        end
      end
    end
  endgenerate
  assign quotients = g_stage[QUOTIENT-1].bits;
  logic unused;
  assign unused = &{1'b0, g_stage[QUOTIENT-1].rest};
endmodule
