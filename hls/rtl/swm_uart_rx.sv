// SPDX-License-Identifier: Apache-2.0
/// \file swm_uart_rx.sv
/// \brief A UART receiver: 8 bits, no parity, one stop bit, DIVISOR >= 4 cycles a bit.
///
/// `valid` stands for one cycle with each byte, taken in the middle of its bits. `broken` stands for one cycle where a stop bit is
/// missing (noise, another rate, a line held low); the next byte is looked for once the line is high again.
module swm_uart_rx #(
    parameter int DIVISOR = 25
) (
    input  logic       clk,
    input  logic       rst,
    input  logic       rx,
    output logic       valid,
    output logic [7:0] data,
    output logic       broken
);
  localparam int CW = $clog2(DIVISOR);
  localparam logic [3:0] STOP = 4'd9, WAIT = 4'd10;  // places 1 to 8 are the data
  (* async_reg = "true" *) logic [1:0] line;
  logic busy;
  logic [3:0] place;
  logic [CW-1:0] left;
  always_ff @(posedge clk) line <= rst ? 2'b11 : {line[0], rx};
  always_ff @(posedge clk) begin
    valid <= 1'b0;
    broken <= 1'b0;
    if (rst) begin
      busy <= 1'b0;
    end else if (!busy) begin
      busy <= !line[1];
      place <= '0;
      left <= CW'(DIVISOR / 2 - 1);  // to the middle of the start bit
    end else if (place == WAIT) begin
      busy <= !line[1];
    end else if (left != '0) begin
      left <= left - 1;
    end else begin
      left <= CW'(DIVISOR - 1);
      place <= place + 1;
      if (place == '0) busy <= !line[1];  // a spike is no start bit
      else if (place != STOP) data <= {line[1], data[7:1]};
      else begin
        busy <= !line[1];
        valid <= line[1];
        broken <= !line[1];
      end
    end
  end
endmodule
