// All random numbers, the same bits as those of src/byhand/randomness.py.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#if defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>
#endif

namespace byhand {

/// What a stream is for; the codes are part of its name.
enum class Purpose : std::uint64_t { parameters = 1, order = 2, dropout = 3, split = 4 };

/// Philox4x64-10, a counter-based generator, counted and read as NumPy does.
///
/// Source  Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
class Philox {
 public:
  using Words = std::array<std::uint64_t, 4>;

  Philox(std::array<std::uint64_t, 2> key, Words counter) : key_(key), counter_(counter) {}

  /// The next 64 random bits.
  std::uint64_t next() {
    if (used_ == 4) {
      // Counted up before each block, with carry.
      for (auto& word : counter_) {
        if (++word != 0) break;
      }
      block_ = block(key_, counter_);
      used_ = 0;
    }
    return block_[used_++];
  }

  /// The next 32 random bits: the low half of a word, then its high half.
  std::uint32_t next32() {
    if (has_half_) {
      has_half_ = false;
      return half_;
    }
    const std::uint64_t word = next();
    has_half_ = true;
    half_ = static_cast<std::uint32_t>(word >> 32);
    return static_cast<std::uint32_t>(word);
  }

  /// A double from 0 up to, but not including, 1.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// A whole number from 0 to `largest`, all equally likely: bits are drawn, no more than `largest`
  /// has, until the number that they make is not above it.
  std::uint32_t up_to(std::uint32_t largest) {
    const auto bits = static_cast<std::uint32_t>(std::bit_ceil(std::uint64_t{largest} + 1) - 1);
    std::uint32_t number;
    do number = next32() & bits;
    while (number > largest);
    return number;
  }

 private:
  static std::pair<std::uint64_t, std::uint64_t> multiply(std::uint64_t a, std::uint64_t b) {
#if defined(_MSC_VER) && defined(_M_X64)
    std::uint64_t high;
    const std::uint64_t low = _umul128(a, b, &high);
    return {high, low};
#elif defined(_MSC_VER)
    return {__umulh(a, b), a * b};
#else
    const auto product = static_cast<unsigned __int128>(a) * b;
    return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
#endif
  }

  static Words block(std::array<std::uint64_t, 2> key, Words counter) {
    for (int round = 0; round < 10; ++round) {
      const auto [high0, low0] = multiply(0xD2E7470EE14C6C93, counter[0]);
      const auto [high1, low1] = multiply(0xCA5A826395121157, counter[2]);
      counter = {high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0};
      key[0] += 0x9E3779B97F4A7C15;
      key[1] += 0xBB67AE8584CAA73B;
    }
    return counter;
  }

  std::array<std::uint64_t, 2> key_;
  Words counter_;
  Words block_{};
  unsigned used_ = 4;
  bool has_half_ = false;
  std::uint32_t half_ = 0;
};

/// The generator for one purpose, named by a seed, the purpose and two indices.
inline Philox stream(std::uint64_t seed, Purpose purpose, std::uint64_t first = 0,
                     std::uint64_t second = 0) {
  return Philox({seed, static_cast<std::uint64_t>(purpose)}, {0, 0, second, first});
}

/// The order in which one epoch visits the examples: a permutation of 0 ... examples - 1.
inline std::vector<std::int64_t> batch_order(std::uint64_t seed, std::uint64_t epoch,
                                             std::int64_t examples) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(examples));
  std::iota(order.begin(), order.end(), 0);
  Philox random = stream(seed, Purpose::order, epoch);
  for (std::size_t last = order.size() - 1; last > 0; --last) {
    std::swap(order[last], order[random.up_to(static_cast<std::uint32_t>(last))]);
  }
  return order;
}

}  // namespace byhand
