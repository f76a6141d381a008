// SPDX-License-Identifier: Apache-2.0
/// \file swm_uart_tx.sv
/// \brief A UART sender: 8 bits, no parity, one stop bit, DIVISOR cycles a bit.
///
/// A byte is taken in the cycle in which `valid` and `ready` stand.
module swm_uart_tx #(
    parameter int DIVISOR = 25
) (
    input  logic       clk,
    input  logic       rst,
    input  logic       valid,
    output logic       ready,
    input  logic [7:0] data,
    output logic       tx
);
  localparam int CW = $clog2(DIVISOR);
  logic [9:0] bits;  // what is to be sent, the line's level in the lowest place
  logic [3:0] count;
  logic [CW-1:0] left;
  assign ready = count == '0;
  assign tx = bits[0];
  always_ff @(posedge clk) begin
    if (rst) begin
      bits <= '1;
      count <= '0;
      left <= '0;
    end else if (ready) begin
      if (valid) begin
        bits <= {1'b1, data, 1'b0};
        count <= 4'd10;
      end
      left <= CW'(DIVISOR - 1);
    end else if (left != '0) begin
      left <= left - 1;
    end else begin
      bits <= {1'b1, bits[9:1]};
      count <= count - 1;
      left <= CW'(DIVISOR - 1);
    end
  end
endmodule
