// Global average pooling. The Python twin is src/byhand/layers/global_average_pool2d.py.
#pragma once

#include "byhand/layers/window.hpp"

namespace byhand {

/// y = mean of x over height and width: one number for each channel.
///
///   Derivative  dx = dy / (height width) at every pixel
template <class T>
class GlobalAveragePool2D final : public Layer<T> {
 public:
  explicit GlobalAveragePool2D(const Settings&) {}

  Shape output_shape(const Shape& x) const override { return {image_of(x).channels}; }

  void forward(ConstView<T> x, View<T> y, Pass<T>&) override {
    const Index pixels = x.cols() / y.cols();
    for (Index c = 0; c < y.cols(); ++c) {
      y.col(c) = x.middleCols(c * pixels, pixels).rowwise().mean();
    }
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>&) override {
    if (dx.size() == 0) return;
    const Index pixels = dx.cols() / dy.cols();
    for (Index c = 0; c < dy.cols(); ++c) {
      dx.middleCols(c * pixels, pixels).colwise() = dy.col(c) / static_cast<T>(pixels);
    }
  }
};

}  // namespace byhand
