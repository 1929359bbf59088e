// The fully connected layer. The Python twin is src/byhand/layers/dense.py, with the derivation.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// z = x W + b: every output is a weighted sum of all inputs, plus its own bias.
///
///   Shapes       x[batch, in] or x[batch, time, in]   W[in, out]   b[out]   z like x, with out
///   Derivatives  dW = x^T dz        input times error, summed over the batch
///                db = sum of dz over the batch
///                dx = dz W^T        with W as the forward pass used it
///
/// Each product is written in plain Eigen in kernels/products.hpp, beside the one that runs.
template <class T>
class Dense final : public Layer<T> {
 public:
  explicit Dense(const Settings& settings)
      : in_(static_cast<Index>(setting(settings, "in"))),
        out_(static_cast<Index>(setting(settings, "out"))) {
    this->parameters.push_back({"W", true, Buffer<T>(in_, out_)});
    this->parameters.push_back({"b", false, Buffer<T>(1, out_)});
  }

  Shape output_shape(const Shape& x) const override {
    if (x.empty() || x.size() > 2 || x.back() != in_) {
      throw std::invalid_argument("Dense: x and W differ in their axis in");
    }
    Shape z = x;
    z.back() = out_;
    return z;
  }
  bool reads_x() const override { return true; }

  void reserve(Index, const Shape&, int) override { db_ = Buffer<T>(1, out_); }

  void forward(ConstView<T> x, View<T> z, Pass<T>& pass) override {
    pass.products.affine(x, constant(W().value.all()), constant(b().value.all()), z);  // z = x W + b
  }

  void backward(ConstView<T> x, ConstView<T>, ConstView<T> dz, View<T> dx, Pass<T>& pass) override {
    // dx comes first: receiving dW may change W.
    if (dx.size() > 0) {
      pass.products.times_transposed(dz, constant(W().value.all()), dx);  // dx = dz W^T
    }
    receive_product(x, dz, W(), pass);  // dW = x^T dz
    pass.products.column_sums(dz, db_.all());  // db = sum of dz over the batch
    pass.gradients->receive(b(), 0, 0, constant(db_.all()));
  }

 private:
  Parameter<T>& W() { return this->parameters[0]; }
  Parameter<T>& b() { return this->parameters[1]; }

  Index in_, out_;
  Buffer<T> db_;
};

}  // namespace byhand
