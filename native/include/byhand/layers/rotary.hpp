// Positions as rotations of queries and keys. The Python twin is src/byhand/layers/rotary.py, with the
// derivation.
#pragma once

#include <cmath>
#include <vector>

#include "byhand/layers/layer.hpp"

namespace byhand {

/// theta = position 10000^(-2k/width) for the k-th pair, in double whatever the model has.
inline double angle(Index position, Index k, Index width) {
  return static_cast<double>(position) *
         std::pow(10'000.0, -static_cast<double>(2 * k) / static_cast<double>(width));
}

/// y = R(position) x: the pairs (x[k], x[k + d/2]) are points in a plane, each turned by its angle.
///
///   Derivative  dx = R(-position) dy
template <class T>
class Rotary {
 public:
  explicit Rotary(Index d) : d_(d) {}

  /// Turns so many heads that lie side by side, in place; back, for a gradient.
  void turn(T* x, Index heads, Index position, bool back) {
    const T* turns = turns_of(position);
    for (Index h = 0; h < heads; ++h, x += d_) {
      for (Index k = 0; k < d_ / 2; ++k) {
        const T cos = turns[2 * k], sin = back ? -turns[2 * k + 1] : turns[2 * k + 1];
        const T a = x[k], b = x[k + d_ / 2];
        x[k] = a * cos - b * sin;
        x[k + d_ / 2] = a * sin + b * cos;
      }
    }
  }

 private:
  /// The cosine and the sine of each pair's angle; those of all positions so far are kept.
  const T* turns_of(Index position) {
    for (auto t = table_.size() / static_cast<std::size_t>(d_); t <= static_cast<std::size_t>(position); ++t) {
      for (Index k = 0; k < d_ / 2; ++k) {
        const double theta = angle(static_cast<Index>(t), k, d_);
        table_.push_back(static_cast<T>(std::cos(theta)));
        table_.push_back(static_cast<T>(std::sin(theta)));
      }
    }
    return table_.data() + position * d_;
  }

  Index d_;
  std::vector<T> table_;
};

}  // namespace byhand
