// SPDX-License-Identifier: Apache-2.0
/// \file hls_stream.h
/// \brief Stand-in for the Xilinx header in C simulation: a queue, unbounded unless SWM_SIM_BOUNDED and set_depth say otherwise.
///
/// Unbounded, as the vendor's: processes run one after the other, and a read of an empty stream ends the program (status
/// 3), for in hardware it would wait for ever. Bounded (see dataflow.h): a reader waits for a beat, a writer for room.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <string>
#include <vector>

#ifdef SWM_SIM_BOUNDED
#include "dataflow.h"
#endif
#ifdef SWM_TRACE
#include "swm/trace.h"
#endif

namespace hls {

#ifdef SWM_SIM_BOUNDED
typedef swm::sim::channel stream_base;
#else
struct stream_base {
  std::string name;
  explicit stream_base(const char* text) : name(text) {}
};
#endif

template <class T>
class stream : private stream_base {
 public:
  stream() : stream("(no name)") {}
#ifdef SWM_TRACE
  explicit stream(const char* name) : stream_base(name), items_(2), head_(0), count_(0), trace_(name) {}
#else
  explicit stream(const char* name) : stream_base(name), items_(2), head_(0), count_(0) {}
#endif
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;

  void write(const T& value) {
#ifdef SWM_SIM_BOUNDED
    await_room();
#endif
    if (count_ == items_.size()) grow();
    items_[(head_ + count_) & (items_.size() - 1)] = value;
    ++count_;
#ifdef SWM_TRACE
    trace_.put(value);
#endif
#ifdef SWM_SIM_BOUNDED
    if (reader != nullptr) swm::sim::scheduler::get().wake(reader);
#endif
  }

  T read() {
    await_beat();
    const T value = items_[head_];
    head_ = (head_ + 1) & (items_.size() - 1);
    --count_;
#ifdef SWM_SIM_BOUNDED
    if (writer != nullptr) swm::sim::scheduler::get().wake(writer);
#endif
    return value;
  }

  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }

#ifdef SWM_SIM_BOUNDED
  bool full() const { return depth != 0 && count_ >= depth; }
  /// Beats that the FIFO holds; 0: any number.
  void set_depth(size_t beats) { depth = beats; }
  /// Waits as a write would, and writes nothing.
  void await_room() {
    while (full()) swm::sim::scheduler::get().wait(*this, true);
  }
  ~stream() {
    if (depth != 0 && count_ != 0) {
      fflush(stdout);
      fprintf(stderr, "stream '%s' is left with %zu beats in it\n", name.c_str(), count_);
      _Exit(5);
    }
  }
#else
  bool full() const { return false; }
#endif

 private:
  std::vector<T> items_;  ///< a ring; its size is a power of two
  size_t head_, count_;
#ifdef SWM_TRACE
  swm::sim::trace_file trace_;
#endif

  void await_beat() {
#ifdef SWM_SIM_BOUNDED
    while (count_ == 0) swm::sim::scheduler::get().wait(*this, false);
#else
    if (count_ == 0) {
      fprintf(stderr, "read from the empty stream '%s'\n", name.c_str());
      exit(3);
    }
#endif
  }

  void grow() {
    std::vector<T> wider(2 * items_.size());
    for (size_t i = 0; i < count_; ++i) wider[i] = items_[(head_ + i) & (items_.size() - 1)];
    items_.swap(wider);
    head_ = 0;
  }
};

}  // namespace hls
