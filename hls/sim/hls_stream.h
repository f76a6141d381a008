// SPDX-License-Identifier: Apache-2.0
/// \file hls_stream.h
/// \brief Stand-in for the Xilinx header in C simulation: an unbounded queue.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <string>
#include <vector>

namespace hls {

template <class T>
class stream {
 public:
  stream() : head_(0) {}
  explicit stream(const char* name) : name_(name), head_(0) {}
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;

  void write(const T& value) { items_.push_back(value); }
  T read() {
    if (empty()) {
      // A kernel that reads more than was written would hang in hardware; here it ends at once.
      fprintf(stderr, "read from the empty stream '%s'\n", name_.c_str());
      exit(3);
    }
    const T value = items_[head_++];
    if (head_ == items_.size()) {
      items_.clear();
      head_ = 0;
    }
    return value;
  }
  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }

 private:
  std::string name_;
  std::vector<T> items_;
  size_t head_;
};

}  // namespace hls
