// Positions as waves. The Python twin is src/byhand/layers/sinusoidal_positions.py.
#pragma once

#include <cmath>

#include "byhand/layers/positions.hpp"
#include "byhand/layers/rotary.hpp"

namespace byhand {

/// y = x + P[position] with P[t, 2k] = sin theta, P[t, 2k + 1] = cos theta,
/// theta = t 10000^(-2k/features)
///
///   Derivative  dx = dy
template <class T>
class SinusoidalPositions final : public Positions<T> {
 public:
  using Positions<T>::Positions;

 private:
  const T* row_of(Index position) override {
    const auto features = static_cast<std::size_t>(this->features_);
    for (auto t = table_.size() / features; t <= static_cast<std::size_t>(position); ++t) {
      for (Index k = 0; k < this->features_ / 2; ++k) {
        const double theta = angle(static_cast<Index>(t), k, this->features_);
        table_.push_back(static_cast<T>(std::sin(theta)));
        table_.push_back(static_cast<T>(std::cos(theta)));
      }
    }
    return table_.data() + position * this->features_;
  }

  std::vector<T> table_;  // the rows so far
};

}  // namespace byhand
