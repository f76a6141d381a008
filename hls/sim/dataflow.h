// SPDX-License-Identifier: Apache-2.0
/// \file dataflow.h
/// \brief Processes of a dataflow region as coroutines, so that C simulation meets the FIFO depths of the circuit.
///
/// With SWM_SIM_BOUNDED, `SWM_PROCESS(call);` starts a process and `SWM_DATAFLOW_RUN` runs all of them until each has
/// ended. One thread; a process runs until it reads an empty or writes a full stream, then the next ready one goes on,
/// first come first served. Every process reads and writes blocking streams only, so neither the results nor whether
/// the network stops depend on that order. If nobody can go on, every blocked process is printed with the stream that
/// it waits for, and the program ends with status 4. Status 3: the testbench reads an empty stream. Status 5: a bounded
/// stream is destroyed with beats in it.
///
/// Not modelled: time. A pipeline's own registers hold no beats here, so depths need what a schedule adds for them.
///
/// A stack is reserved for each process (SWM_SIM_STACK bytes, committed page by page as it is used, one guard page
/// below) and kept for the next call of the top function. POSIX: ucontext and mmap.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#ifndef SWM_SIM_STACK
#define SWM_SIM_STACK (8L << 20)
#endif

namespace swm {
namespace sim {

struct channel;

struct process {
  std::string call;
  std::function<void()> body;
  ucontext_t context;
  void* stack;
  process* next;             ///< in the queue of those who can go on
  const channel* waits_for;  ///< null: does not wait
  bool writes;               ///< waits for room, not for a beat
  bool ended;
};

/// The part of a stream that does not depend on its type: who waits at it.
struct channel {
  std::string name;
  size_t depth;  ///< 0: unbounded
  process* reader;
  process* writer;
  explicit channel(const char* text) : name(text), depth(0), reader(nullptr), writer(nullptr) {}
};

class scheduler {
 public:
  static scheduler& get() {
    static scheduler only;
    return only;
  }

  void start(const char* call, std::function<void()> body) {
    if (running_ != nullptr) stop("a process starts a process: dataflow regions do not nest");
    processes_.emplace_back(new process());
    process& p = *processes_.back();
    p.call = call;
    p.body = std::move(body);
    p.stack = take_stack();
    getcontext(&p.context);
    p.context.uc_stack.ss_sp = p.stack;
    p.context.uc_stack.ss_size = SWM_SIM_STACK;
    p.context.uc_link = nullptr;
    makecontext(&p.context, &scheduler::enter, 0);
    ready(p);
  }

  void run() {
    process* const first = pop();
    if (first != nullptr) {
      running_ = first;
      swapcontext(&main_, &first->context);
    }
    for (const auto& p : processes_) {
      if (!p->ended) deadlock();
      stacks_.push_back(p->stack);
    }
    processes_.clear();
  }

  /// The running process waits at a stream until `wake`.
  void wait(channel& at, bool writes) {
    process* const me = running_;
    if (me == nullptr) {  // the testbench itself: nobody can help it
      fprintf(stderr, "%s stream '%s'\n", writes ? "write to the full" : "read from the empty", at.name.c_str());
      exit(writes ? 4 : 3);
    }
    process*& place = writes ? at.writer : at.reader;
    if (place != nullptr) stop(("two processes wait at the same end of '" + at.name + "'").c_str());
    place = me;
    me->waits_for = &at;
    me->writes = writes;
    leave(*me);
    me->waits_for = nullptr;
  }

  void wake(process*& place) {
    process* const p = place;
    place = nullptr;
    ready(*p);
  }

 private:
  std::vector<std::unique_ptr<process> > processes_;
  std::vector<void*> stacks_;
  process* head_ = nullptr;
  process* tail_ = nullptr;
  process* running_ = nullptr;
  ucontext_t main_;

  scheduler() : main_() {}

  static void enter() {
    process& me = *get().running_;
    me.body();
    me.ended = true;
    get().leave(me);
  }

  void leave(process& me) {
    process* const next = pop();
    running_ = next;
    swapcontext(&me.context, next != nullptr ? &next->context : &main_);
  }

  void ready(process& p) {
    p.next = nullptr;
    (tail_ != nullptr ? tail_->next : head_) = &p;
    tail_ = &p;
  }

  process* pop() {
    process* const p = head_;
    if (p != nullptr) head_ = p->next;
    if (head_ == nullptr) tail_ = nullptr;
    return p;
  }

  void* take_stack() {
    if (!stacks_.empty()) {
      void* const stack = stacks_.back();
      stacks_.pop_back();
      return stack;
    }
    const size_t guard = 65536;
    void* const all = mmap(nullptr, SWM_SIM_STACK + guard, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED || mprotect(all, guard, PROT_NONE) != 0) stop("no memory for a stack: lower SWM_SIM_STACK");
    return static_cast<char*>(all) + guard;
  }

  static void stop(const char* why) {
    fprintf(stderr, "C simulation: %s\n", why);
    exit(4);
  }

  void deadlock() {
    size_t waiting = 0;
    for (const auto& p : processes_) waiting += p->ended ? 0 : 1;
    fprintf(stderr, "deadlock: %zu of %zu processes wait\n", waiting, processes_.size());
    for (const auto& p : processes_) {
      if (p->ended) continue;
      const channel& at = *p->waits_for;
      fprintf(stderr, "  %s %s stream '%s'", p->call.c_str(), p->writes ? "writes the full" : "reads the empty",
              at.name.c_str());
      if (at.depth != 0) fprintf(stderr, " of %zu beats", at.depth);
      fprintf(stderr, "\n");
    }
    exit(4);
  }
};

inline void start(const char* call, std::function<void()> body) { scheduler::get().start(call, std::move(body)); }
inline void run() { scheduler::get().run(); }

}  // namespace sim
}  // namespace swm
