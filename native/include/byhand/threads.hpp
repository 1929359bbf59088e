// A team of threads that shares the items of a loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include "byhand/array.hpp"

namespace byhand {

/// Runs the items of a loop on several threads. Every item is computed by one thread, wholly and
/// in the same way whichever it is, so results do not depend on the number of threads.
class Team {
 public:
  explicit Team(int threads) : threads_(threads) {}

  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  ~Team() {
    forget_those_left_behind();
    function_ = nullptr;
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    for (auto& member : members_) member.join();
  }

  int size() const { return threads_; }

  /// Calls body(item, member) for each item from 0 to count - 1; member is below the number of
  /// threads.
  /// With `shared` false the calling thread does them all, in order.
  template <class Body>
  void run(Index count, bool shared, Body&& body) {
    if (!shared || threads_ == 1 || count < 2) {
      for (Index item = 0; item < count; ++item) body(item, 0);
      return;
    }
    forget_those_left_behind();
    // The others are started when there is something for them: most networks are small.
    for (int k = static_cast<int>(members_.size()) + 1; k < threads_; ++k) {
      members_.emplace_back([this, k] { serve(k); });
    }
    context_ = const_cast<void*>(static_cast<const void*>(&body));
    function_ = [](void* context, Index item, int member) {
      (*static_cast<std::remove_reference_t<Body>*>(context))(item, member);
    };
    count_ = count;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(static_cast<int>(members_.size()), std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    work(0);
    // The last items are about to be done: look for a while before sleeping.
    for (int look = 0; busy_.load(std::memory_order_acquire) > 0;) {
      if (++look > kLooks) std::this_thread::yield();
    }
  }

 private:
  // About 50 microseconds: longer than the pause between two products of a large network.
  static constexpr int kLooks = 20'000;

  /// A child process has a copy of this object, but only the thread that called fork.
  void forget_those_left_behind() {
#if defined(__unix__) || defined(__APPLE__)
    if (process_ == getpid()) return;
    process_ = getpid();
    for (auto& member : members_) member.detach();
    members_.clear();
    round_.store(0, std::memory_order_relaxed);
#endif
  }

  void work(int member) {
    for (Index item; (item = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) {
      function_(context_, item, member);
    }
  }

  void serve(int member) {
    std::uint32_t seen = 0;
    while (true) {
      for (int look = 0; round_.load(std::memory_order_acquire) == seen;) {
        if (++look > kLooks) round_.wait(seen, std::memory_order_acquire);
      }
      seen = round_.load(std::memory_order_acquire);
      if (function_ == nullptr) return;
      work(member);
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  int threads_;
  void (*function_)(void*, Index, int) = nullptr;
  void* context_ = nullptr;
  Index count_ = 0;
  std::atomic<Index> next_{0};
  std::atomic<int> busy_{0};
  std::atomic<std::uint32_t> round_{0};
  std::vector<std::thread> members_;
#if defined(__unix__) || defined(__APPLE__)
  pid_t process_ = getpid();
#endif
};

}  // namespace byhand
