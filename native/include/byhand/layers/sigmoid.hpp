// The logistic function. The Python twin is src/byhand/layers/sigmoid.py, with the derivation.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// sigma(z) = 1 / (1 + e^-z), as an Eigen expression; tanh never overflows.
template <class Expression>
auto sigmoid(const Expression& z) {
  using T = typename Expression::Scalar;
  return T(0.5) * ((T(0.5) * z).tanh() + T(1));
}

/// a = sigma(z), elementwise.
///
///   Derivative  dz = da * a * (1 - a)
template <class T>
class Sigmoid final : public Layer<T> {
 public:
  explicit Sigmoid(const Settings&) {}

  bool in_place() const override { return true; }
  bool reads_y() const override { return true; }

  void forward(ConstView<T> z, View<T> a, Pass<T>&) override { flat(a) = sigmoid(flat(z)); }

  void backward(ConstView<T>, ConstView<T> a, ConstView<T> da, View<T> dz, Pass<T>&) override {
    if (dz.size() > 0) flat(dz) = flat(da) * flat(a) * (1 - flat(a));
  }
};

}  // namespace byhand
