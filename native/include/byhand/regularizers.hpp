// Penalties on large weights. The Python twin is src/byhand/regularizers.py.
#pragma once

#include "byhand/array.hpp"

namespace byhand {

/// L2: R = c/2 sum of w^2, dR/dw = c w.   L1: R = c sum of |w|, dR/dw = c sign(w).
/// c is the strength divided by the number of training examples.
template <class T>
struct Regularizer {
  enum class Kind { none, L2, L1 };

  Kind kind = Kind::none;
  double c = 0;

  double penalty(ConstView<T> w) const {
    switch (kind) {
      case Kind::L2: return c / 2 * w.template cast<double>().squaredNorm();
      case Kind::L1: return c * w.template cast<double>().cwiseAbs().sum();
      default: return 0;
    }
  }

  /// dR/dw for a vector of weights, added to their gradient.
  template <class Weights, class Gradient>
  void add_gradient(const Weights& w, Gradient& dw) const {
    if (kind == Kind::L2) {
      dw += static_cast<T>(c) * w;
    } else if (kind == Kind::L1) {
      dw += static_cast<T>(c) * w.sign();
    }
  }
};

}  // namespace byhand
