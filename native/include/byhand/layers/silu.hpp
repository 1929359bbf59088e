// The sigmoid linear unit, or swish. The Python twin is src/byhand/layers/silu.py, with the derivation.
#pragma once

#include "byhand/layers/sigmoid.hpp"

namespace byhand {

/// a = z sigma(z), elementwise.
///
///   Derivative  dz = da * s * (1 + z (1 - s)) with s = sigma(z)
template <class T>
class SiLU final : public Layer<T> {
 public:
  explicit SiLU(const Settings&) {}

  bool reads_x() const override { return true; }

  void reserve(Index batch, const Shape& z, int) override {
    make_room(s_, batch * places(z), columns(z));
  }

  void forward(ConstView<T> z, View<T> a, Pass<T>&) override {
    auto s = flat(s_.top(z.rows()));
    s = sigmoid(flat(z));
    flat(a) = flat(z) * s;
  }

  void backward(ConstView<T> z, ConstView<T>, ConstView<T> da, View<T> dz, Pass<T>&) override {
    if (dz.size() == 0) return;
    const auto s = flat(s_.top(z.rows()));
    flat(dz) = flat(da) * s * (1 + flat(z) * (1 - s));
  }

 private:
  Buffer<T> s_;
};

}  // namespace byhand
