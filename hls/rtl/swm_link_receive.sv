// SPDX-License-Identifier: Apache-2.0
/// \file swm_link_receive.sv
/// \brief Frames of a host link (docs/link.md): bytes come in, beats of the accelerator go out, and one verdict a frame.
///
/// A payload is passed on as it comes, before its CRC is known: no frame is stored. A frame that turns out to be bad is
/// ended with `beat_last`, the accelerator fills it with zeros, and its verdict says that the answer is to be dropped. So one
/// answer follows from each frame of which a beat went in, and one verdict from each frame that had a place for it.
///
/// A frame in whose midst nothing comes for TIMEOUT cycles is over, as is one with a broken byte; bytes are then ignored until
/// the next flag.
module swm_link_receive #(
    parameter int BEATS = 1,        // a frame
    parameter int BEAT_BYTES = 1,
    parameter int TIMEOUT = 1000    // cycles
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    in_valid,
    input  logic [             7:0] in_data,
    input  logic                    in_broken,
    output logic                    beat_valid,
    input  logic                    beat_ready,
    output logic [8*BEAT_BYTES-1:0] beat_data,
    output logic                    beat_last,
    output logic                    verdict_valid,
    input  logic                    verdict_ready,
    output logic                    verdict_drop,   // an answer will come that nobody wants
    output logic [             7:0] verdict_status,
    output logic [             7:0] verdict_sequence
);
  localparam logic [7:0] FLAG = 8'h7E, ESCAPE = 8'h7D;
  localparam logic [7:0] IDENTIFY = 8'h00, INFER = 8'h01;  // commands
  localparam logic [7:0] IDENTITY = 8'h80, ANSWER = 8'h81, BAD_CRC = 8'hE1, TOO_SHORT = 8'hE2, TOO_LONG = 8'hE3;
  localparam logic [7:0] SILENCE = 8'hE4, OVERRUN = 8'hE5, UNKNOWN = 8'hE6, BROKEN = 8'hE7;
  localparam logic [31:0] RESIDUE = 32'hDEBB20E3;
  localparam int PAYLOAD = BEATS * BEAT_BYTES;
  localparam int AROUND = 6;                       // command, sequence number, CRC
  localparam int CW = $clog2(PAYLOAD + AROUND + 2);
  localparam int TW = $clog2(TIMEOUT + 1);
  localparam int VERDICTS = 16, WAITING = 16;      // frames that were not answered yet; beats that were not taken yet

  logic ignoring, escaped, closing;  // until the next flag; by the byte before; the accelerator waits for its last beat
  logic [CW-1:0] count;              // bytes of this frame, at most one more than it may have
  logic [TW-1:0] silent;
  logic [31:0] crc, crc_next;
  logic [7:0] value, command, sequence_number, status, status_now;
  logic byte_comes, flag_comes, starts, ends, in_payload, place_free, beat_room, last_byte, last_beat;
  logic took, lost;                  // of this frame: a beat went in; a beat found no place
  logic push_beat, push_last, complete, push_verdict, drop;
  logic [8*BEAT_BYTES-1:0] beat;

  assign flag_comes = in_valid && in_data == FLAG;
  assign byte_comes = in_valid && in_data != FLAG && in_data != ESCAPE && !ignoring && !closing;
  assign value = escaped ? in_data ^ 8'h20 : in_data;
  assign starts = byte_comes && count == '0 && place_free;
  assign ends = count != '0 && !closing && (flag_comes || in_broken || silent == TW'(TIMEOUT));
  assign in_payload = byte_comes && command == INFER && count >= CW'(2) && count < CW'(PAYLOAD + 2);
  swm_crc32 #() u_crc (.crc, .data(value), .next(crc_next));

  logic [CW-1:0] wanted;
  assign wanted = command == INFER ? CW'(PAYLOAD + AROUND) : CW'(AROUND);
  always_comb begin
    if (in_broken) status_now = BROKEN;
    else if (!flag_comes) status_now = SILENCE;
    else if (lost) status_now = OVERRUN;
    else if (command != INFER && command != IDENTIFY) status_now = crc == RESIDUE ? UNKNOWN : BAD_CRC;
    else if (count < wanted || escaped) status_now = TOO_SHORT;
    else if (count > wanted) status_now = TOO_LONG;
    else if (crc != RESIDUE) status_now = BAD_CRC;
    else status_now = command == INFER ? ANSWER : IDENTITY;
  end

  // Beats: a byte enters at the top, so that the first ends in the lowest place.
  logic [CW-1:0] unused_byte, unused_beat;
  swm_counter #(.N(BEAT_BYTES), .WIDTH(CW)) u_byte (
      .clk, .rst(rst || count == '0), .step(in_payload), .at(unused_byte), .last(last_byte));
  swm_counter #(.N(BEATS), .WIDTH(CW)) u_beat (
      .clk, .rst(rst || count == '0), .step(in_payload && last_byte), .at(unused_beat), .last(last_beat));
  generate
    if (BEAT_BYTES == 1) begin : g_byte
      assign beat = value;
    end else begin : g_bytes
      logic [8*BEAT_BYTES-9:0] held;
      assign beat = {value, held};
      always_ff @(posedge clk) if (in_payload) held <= beat[8*BEAT_BYTES-1:8];
    end
  endgenerate
  assign push_beat = in_payload && last_byte && beat_room && !lost;
  assign push_last = closing ? beat_room : push_beat && last_beat;
  swm_fifo #(.WIDTH(8 * BEAT_BYTES + 1), .DEPTH(WAITING)) u_beats (
      .clk, .rst, .reserve(push_beat || push_last), .room(beat_room), .push(push_beat || push_last),
      .in_data({push_last, beat}), .out_valid(beat_valid), .out_ready(beat_ready),
      .out_data({beat_last, beat_data}));

  always_ff @(posedge clk) begin
    if (rst) begin
      ignoring <= 1'b1;
      escaped <= 1'b0;
      closing <= 1'b0;
      count <= '0;
      push_verdict <= 1'b0;
    end else begin
      if (in_valid) escaped <= in_data == ESCAPE && !ignoring;
      if (flag_comes) ignoring <= 1'b0;
      else if (in_broken || (ends && !flag_comes) || (byte_comes && count == '0 && !place_free)) ignoring <= 1'b1;
      else if (in_valid && closing) ignoring <= 1'b1;

      if (ends || closing) count <= '0;
      else if (starts || (byte_comes && count != '0 && count != CW'(PAYLOAD + AROUND + 1))) count <= count + 1;
      if (ends) closing <= took && !complete;
      else if (push_last) closing <= 1'b0;
      push_verdict <= ends;
    end
    silent <= in_valid || count == '0 ? '0 : silent + 1;
    if (count == '0) begin
      crc <= starts ? crc_next : '1;
      command <= value;
      took <= 1'b0;
      lost <= 1'b0;
      complete <= 1'b0;
    end else if (byte_comes) begin
      crc <= crc_next;
      if (count == CW'(1)) sequence_number <= value;
      if (push_beat) took <= 1'b1;
      if (push_beat && last_beat) complete <= 1'b1;
      if (in_payload && last_byte && !beat_room) lost <= 1'b1;
    end
    if (ends) begin
      status <= status_now;
      drop <= took && status_now != ANSWER;
      if (count == CW'(1)) sequence_number <= '0;
    end
  end
  swm_fifo #(.WIDTH(17), .DEPTH(VERDICTS)) u_verdicts (
      .clk, .rst, .reserve(starts), .room(place_free), .push(push_verdict),
      .in_data({drop, status, sequence_number}), .out_valid(verdict_valid), .out_ready(verdict_ready),
      .out_data({verdict_drop, verdict_status, verdict_sequence}));
  logic unused;
  assign unused = &{1'b0, unused_byte, unused_beat};
endmodule
