// The fully connected layer without a bias. The Python twin is src/byhand/layers/projection.py.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// z = x W
///
///   Shapes       x[batch, in] or x[batch, time, in]   W[in, out]   z like x, with out
///   Derivatives  dW = x^T dz      dx = dz W^T
template <class T>
class Projection final : public Layer<T> {
 public:
  explicit Projection(const Settings& settings)
      : in_(static_cast<Index>(setting(settings, "in"))),
        out_(static_cast<Index>(setting(settings, "out"))) {
    this->parameters.push_back({"W", true, Buffer<T>(in_, out_)});
  }

  Shape output_shape(const Shape& x) const override {
    if (x.empty() || x.size() > 2 || x.back() != in_) {
      throw std::invalid_argument("Projection: x and W differ in their axis in");
    }
    Shape z = x;
    z.back() = out_;
    return z;
  }
  bool reads_x() const override { return true; }

  void forward(ConstView<T> x, View<T> z, Pass<T>& pass) override {
    pass.products.times(x, constant(W().value.all()), z);  // z = x W
  }

  void backward(ConstView<T> x, ConstView<T>, ConstView<T> dz, View<T> dx, Pass<T>& pass) override {
    // dx comes first: receiving dW may change W.
    if (dx.size() > 0) {
      pass.products.times_transposed(dz, constant(W().value.all()), dx);  // dx = dz W^T
    }
    receive_product(x, dz, W(), pass);  // dW = x^T dz
  }

 private:
  Parameter<T>& W() { return this->parameters[0]; }

  Index in_, out_;
};

}  // namespace byhand
