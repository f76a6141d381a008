// SPDX-License-Identifier: Apache-2.0
/// \file swm_frame_link.sv
/// \brief A host link over a UART (docs/link.md): two pins on one side, the streams of the accelerator on the other.
///
/// A frame is IN_BEATS beats of IN_BYTES bytes to the accelerator; one back ends with TLAST, in beats of OUT_BYTES. IDENTITY is what the
/// board answers to a host that asks which design it holds. DIVISOR is the cycles of a bit on the wire, TIMEOUT the cycles of
/// silence within a frame after which it counts as cut.
module swm_frame_link #(
    parameter int DIVISOR = 25,
    parameter int TIMEOUT = 1000,
    parameter int IN_BEATS = 1,
    parameter int IN_BYTES = 1,
    parameter int OUT_BYTES = 1,
    parameter int IDENTITY_BYTES = 1,
    parameter logic [8*IDENTITY_BYTES-1:0] IDENTITY = '0
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic                   rx,
    output logic                   tx,
    output logic                   m_valid,   // to the accelerator
    input  logic                   m_ready,
    output logic [ 8*IN_BYTES-1:0] m_data,
    output logic                   m_last,
    input  logic                   s_valid,   // from it
    output logic                   s_ready,
    input  logic [8*OUT_BYTES-1:0] s_data,
    input  logic                   s_last,
    output logic                   answered,
    output logic                   refused
);
  logic in_valid, in_broken, out_valid, out_ready, verdict_valid, verdict_ready, verdict_drop;
  logic [7:0] in_data, out_data, verdict_status, verdict_sequence;
  swm_uart_rx #(.DIVISOR(DIVISOR)) u_rx (.clk, .rst, .rx, .valid(in_valid), .data(in_data), .broken(in_broken));
  swm_link_receive #(.BEATS(IN_BEATS), .BEAT_BYTES(IN_BYTES), .TIMEOUT(TIMEOUT)) u_receive (
      .clk, .rst, .in_valid, .in_data, .in_broken, .beat_valid(m_valid), .beat_ready(m_ready), .beat_data(m_data),
      .beat_last(m_last), .verdict_valid, .verdict_ready, .verdict_drop, .verdict_status, .verdict_sequence);
  swm_link_send #(.BEAT_BYTES(OUT_BYTES), .IDENTITY_BYTES(IDENTITY_BYTES), .IDENTITY(IDENTITY)) u_send (
      .clk, .rst, .verdict_valid, .verdict_ready, .verdict_drop, .verdict_status, .verdict_sequence,
      .beat_valid(s_valid), .beat_ready(s_ready), .beat_data(s_data), .beat_last(s_last), .out_valid, .out_ready,
      .out_data, .answered, .refused);
  swm_uart_tx #(.DIVISOR(DIVISOR)) u_tx (.clk, .rst, .valid(out_valid), .ready(out_ready), .data(out_data), .tx);
endmodule
