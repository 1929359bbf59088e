// All axes of an example in one. The Python twin is src/byhand/layers/flatten.py.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// y = x: an example is one row here from the start, unless it is a sequence.
template <class T>
class Flatten final : public Layer<T> {
 public:
  explicit Flatten(const Settings&) {}

  Shape output_shape(const Shape& x) const override { return {count(x)}; }
  bool in_place() const override { return places_ == 1; }

  void reserve(Index, const Shape& x, int) override { places_ = places(x); }

  void forward(ConstView<T> x, View<T> y, Pass<T>&) override {
    if (y.data() == x.data()) return;
    for (Index t = 0; t < places_; ++t) {
      y.middleCols(t * x.cols(), x.cols()) = x.middleRows(t * y.rows(), y.rows());
    }
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>&) override {
    if (dx.size() == 0 || dx.data() == dy.data()) return;
    for (Index t = 0; t < places_; ++t) {
      dx.middleRows(t * dy.rows(), dy.rows()) = dy.middleCols(t * dx.cols(), dx.cols());
    }
  }

 private:
  Index places_ = 1;
};

}  // namespace byhand
