// SPDX-License-Identifier: Apache-2.0
// Threads that wait for work: briefly by spinning (a sleeping core takes as long to wake as a small product takes to
// compute), then asleep. One task at a time; a second caller is told to work alone. The pool is never destroyed,
// because threads may wait in it while the process ends, and a forked child, which has no threads, makes its own.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>

#include <unistd.h>

namespace swm {

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

class Pool {
  public:
    static Pool& instance() {
        static std::mutex guard;
        static Pool* pool = nullptr;
        const std::lock_guard<std::mutex> hold(guard);
        if (pool == nullptr || pool->process_ != getpid()) pool = new Pool;
        return *pool;
    }

    // task(0) here and task(1) .. task(threads - 1) on others, as far as they wake up before task(0) returns. So the
    // task has to share out its work itself, and be complete when any one of its calls has found nothing left to do.
    void run(int threads, const std::function<void(int)>& task) {
        const std::unique_lock<std::mutex> mine(caller_, std::try_to_lock);
        if (threads < 2 || !mine.owns_lock()) return task(0);
        {
            const std::lock_guard<std::mutex> hold(mutex_);
            try {
                for (; workers_ < threads - 1; ++workers_) std::thread([this] { work(); }).detach();
            } catch (const std::system_error&) {  // no more threads to be had: those there are do all of it
            }
            task_ = &task, slots_ = threads - 1, next_ = 1;
            ++generation_;
        }
        wake_.notify_all();
        task(0);
        {
            const std::lock_guard<std::mutex> hold(mutex_);
            slots_ = 0;
        }
        while (active_.load(std::memory_order_acquire) != 0) relax();
    }

  private:
    void work() {
        std::uint64_t seen = 0;
        for (;;) {
            const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(200);
            while (generation_.load(std::memory_order_acquire) == seen && std::chrono::steady_clock::now() < until)
                for (int i = 0; i < 32; ++i) relax();
            std::unique_lock<std::mutex> hold(mutex_);
            wake_.wait(hold, [&] { return generation_.load() != seen; });
            seen = generation_.load();
            if (slots_ == 0) continue;
            --slots_;
            const int index = next_++;
            ++active_;
            const std::function<void(int)>* task = task_;
            hold.unlock();
            (*task)(index);
            active_.fetch_sub(1, std::memory_order_release);
        }
    }

    const pid_t process_ = getpid();
    std::mutex caller_, mutex_;
    std::condition_variable wake_;
    std::atomic<std::uint64_t> generation_{0};
    std::atomic<int> active_{0};
    const std::function<void(int)>* task_ = nullptr;
    int workers_ = 0, slots_ = 0, next_ = 1;
};

// body(u) for every u < units (at most 64), each once, by up to `threads` threads. Each begins at its own share and goes
// around, so that from one call to the next it meets what its own cache still holds. `backwards` turns every walk
// round: alternate calls over weights that nearly fit a cache then begin with what was used last.
template <class Body>
void each_once(int threads, int units, bool backwards, const Body& body) {
    if (threads < 2) {
        for (int n = 0; n < units; ++n) body(backwards ? units - 1 - n : n);
        return;
    }
    std::atomic<std::uint64_t> taken{0};
    Pool::instance().run(threads, [&](int worker) {
        const int first = worker * units / threads;
        for (int n = 0; n < units; ++n) {
            const int at = (first + n) % units, u = backwards ? units - 1 - at : at;
            const std::uint64_t bit = std::uint64_t(1) << u;
            if (taken.fetch_or(bit) & bit) continue;
            body(u);
        }
    });
}

}  // namespace swm
