// The team: every item once, whatever the number of threads, items and rounds.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "byhand/threads.hpp"
#include "check.hpp"

using namespace byhand;

namespace {

/// One round: every item is computed once, by a member that exists.
void check_round(Team& team, int threads, Index count, bool shared) {
  std::vector<std::atomic<int>> times(static_cast<std::size_t>(count));
  std::atomic<bool> exists = true;
  team.run(count, shared, [&](Index item, int member) {
    times[static_cast<std::size_t>(item)].fetch_add(1);
    if (member < 0 || member >= threads) exists = false;
  });
  const bool once = std::all_of(times.begin(), times.end(), [](const auto& n) { return n == 1; });
  CHECK(once);
  CHECK(exists);
}

void test_every_item_once() {
  for (const int threads : {1, 2, 3, 8}) {
    Team team(threads);
    for (const Index count : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      check_round(team, threads, count, true);
      check_round(team, threads, count, false);
    }
  }
}

void test_many_rounds() {
  Team team(3);
  Index sum = 0;
  constexpr Index rounds = 2000;
  for (Index round = 0; round < rounds; ++round) {
    // Not atomic, and each item its own place: what members write is seen when run returns.
    Index squares[5] = {};
    team.run(5, true, [&](Index item, int) { squares[item] = item * item; });
    for (const Index square : squares) sum += square;
  }
  CHECK_EQUAL(sum, 30 * rounds);
}

void test_rounds_after_a_rest() {
  Team team(2);
  for (int round = 0; round < 5; ++round) {
    // Longer than members look for work before they sleep.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    check_round(team, 2, 20, true);
  }
}

void test_alone_in_order() {
  for (const bool shared : {false, true}) {
    Team team(shared ? 1 : 4);
    std::vector<Index> seen;
    const auto caller = std::this_thread::get_id();
    team.run(6, shared, [&](Index item, int member) {
      seen.push_back(item);
      CHECK_EQUAL(member, 0);
      CHECK(std::this_thread::get_id() == caller);
    });
    CHECK((seen == std::vector<Index>{0, 1, 2, 3, 4, 5}));
  }
}

void test_items_at_the_same_time() {
  // Two items that wait for each other meet only where two threads share them.
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::minutes(1);
  Team team(2);
  std::atomic<int> arrived = 0, met = 0;
  team.run(2, true, [&](Index, int) {
    for (++arrived; arrived < 2 && Clock::now() < deadline;) std::this_thread::yield();
    if (arrived == 2) ++met;
  });
  CHECK_EQUAL(met.load(), 2);
}

void test_unused_teams_end() {
  for (const int threads : {1, 2, 5}) {
    auto team = std::make_unique<Team>(threads);
    team.reset();
    CHECK(team == nullptr);
  }
  // Used once, and ended while the members sleep or still look for work.
  for (const int pause : {0, 0, 0, 5}) {
    Team team(4);
    check_round(team, 4, 9, true);
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
  }
}

}  // namespace

int main() {
  return check::run({test_every_item_once, test_many_rounds, test_rounds_after_a_rest,
                     test_alone_in_order, test_items_at_the_same_time, test_unused_teams_end});
}
