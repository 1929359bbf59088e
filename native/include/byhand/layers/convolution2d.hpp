// The convolutional layer. The Python twin is src/byhand/layers/convolution2d.py, with the
// derivation.
#pragma once

#include <memory>

#include "byhand/kernels/convolution.hpp"
#include "byhand/layers/window.hpp"

namespace byhand {

/// z[n, o, p, q] = sum over c, i, j of W[o, c, i, j] x^[n, c, s p + d i, s q + d j] + b[o], where x^ is
/// x in a border of zeros.
///
///   Shapes       x[batch, in, height, width]   W[out, in/groups, kh, kw]   b[out]
///                z[batch, out, rows, columns]
///   Derivatives  dW = sum of dz times the windows
///                db = sum of dz over the batch, rows and columns
///                dx = dz times W, each window's added back where it was cut out
///
/// Each is written in plain Eigen in kernels/plain_convolution.hpp; the ones that run are in
/// kernels/convolution.hpp.
template <class T>
class Convolution2D final : public Layer<T> {
 public:
  explicit Convolution2D(const Settings& settings)
      : in_(static_cast<Index>(setting(settings, "in"))),
        out_(static_cast<Index>(setting(settings, "out"))),
        groups_(static_cast<Index>(setting(settings, "groups"))),
        window_(window_of(settings)) {
    this->parameters.push_back({"W", true, Buffer<T>(out_, in_ / groups_ * window_.area())});
    this->parameters.push_back({"b", false, Buffer<T>(1, out_)});
  }

  Shape output_shape(const Shape& x) const override {
    const Shape z = windowed_shape(window_, x, out_);
    if (x[0] != in_) throw std::invalid_argument("Convolution2D: x and W differ in their axis in");
    return z;
  }
  bool reads_x() const override { return true; }

  void reserve(Index batch, const Shape& x, int threads) override {
    const ConvolutionSizes sizes(image_of(x), out_, window_, groups_);
    convolution_ = std::make_unique<Convolution<T>>(sizes, batch, threads);
    dW_ = Buffer<T>(W().value.rows(), W().value.columns());
    db_ = Buffer<T>(1, out_);
  }

  void forward(ConstView<T> x, View<T> z, Pass<T>& pass) override {
    convolution_->convolve(x, constant(W().value.all()), constant(b().value.all()), z,
                           pass.products.team());
  }

  void backward(ConstView<T> x, ConstView<T>, ConstView<T> dz, View<T> dx, Pass<T>& pass) override {
    // dx comes first: receiving dW may change W.
    if (dx.size() > 0) {
      convolution_->input_gradient(dz, constant(W().value.all()), dx, pass.products.team());
    }
    convolution_->weight_gradient(x, dz, dW_.all(), pass.products.team());
    pass.gradients->receive(W(), 0, 0, constant(dW_.all()));
    const Index pixels = dz.cols() / out_;
    pass.products.team().run(out_, convolution_->shared(dz.rows()), [&](Index o, int) {
      db_.all()(0, o) = dz.middleCols(o * pixels, pixels).sum();
    });
    pass.gradients->receive(b(), 0, 0, constant(db_.all()));
  }

 private:
  Parameter<T>& W() { return this->parameters[0]; }
  Parameter<T>& b() { return this->parameters[1]; }

  Index in_, out_, groups_;
  Window window_;
  std::unique_ptr<Convolution<T>> convolution_;
  Buffer<T> dW_, db_;
};

}  // namespace byhand
