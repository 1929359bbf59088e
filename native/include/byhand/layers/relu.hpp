// The rectified linear unit. The Python twin is src/byhand/layers/relu.py.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// a = max(0, z), elementwise; what is not a number stays one.
///
///   Derivative  dz = da * [a > 0], where a > 0 says the same as z > 0
template <class T>
class ReLU final : public Layer<T> {
 public:
  explicit ReLU(const Settings&) {}

  bool in_place() const override { return true; }
  bool reads_y() const override { return true; }

  void forward(ConstView<T> z, View<T> a, Pass<T>&) override {
    flat(a) = (flat(z) <= T(0)).select(T(0), flat(z));
  }

  void backward(ConstView<T>, ConstView<T> a, ConstView<T> da, View<T> dz, Pass<T>&) override {
    if (dz.size() > 0) flat(dz) = (flat(a) > T(0)).select(flat(da), T(0));
  }
};

}  // namespace byhand
