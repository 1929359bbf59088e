// The hyperbolic tangent. The Python twin is src/byhand/layers/tanh.py, with the derivation.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// a = tanh(z), elementwise.
///
///   Derivative  dz = da * (1 - a^2)
template <class T>
class Tanh final : public Layer<T> {
 public:
  explicit Tanh(const Settings&) {}

  bool in_place() const override { return true; }
  bool reads_y() const override { return true; }

  void forward(ConstView<T> z, View<T> a, Pass<T>&) override { flat(a) = flat(z).tanh(); }

  void backward(ConstView<T>, ConstView<T> a, ConstView<T> da, View<T> dz, Pass<T>&) override {
    if (dz.size() > 0) flat(dz) = flat(da) * (1 - flat(a) * flat(a));
  }
};

}  // namespace byhand
