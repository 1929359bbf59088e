// A bound on how far one step can go. The Python twin is src/byhand/clipping.py.
#pragma once

#include <cmath>
#include <vector>

#include "byhand/layers/layer.hpp"

namespace byhand {

/// by value: g <- min(max(g, -limit), limit).   by global norm: g <- g limit / |g| where |g| is
/// above the limit, over all parameters together.
struct Clipping {
  enum class Kind { none, value, global_norm };

  Kind kind = Kind::none;
  double limit = 0;
};

/// |g| over all gradients together, as if they were one long vector.
template <class T>
double global_norm(const std::vector<Parameter<T>*>& parameters) {
  double squares = 0;
  for (const auto* w : parameters) {
    squares += w->gradient.all().template cast<double>().squaredNorm();
  }
  return std::sqrt(squares);
}

}  // namespace byhand
