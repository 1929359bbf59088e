// Normalisation by the root mean square. The Python twin is src/byhand/layers/rms_norm.py, with the
// derivation.
#pragma once

#include <cmath>

#include "byhand/layers/layer.hpp"

namespace byhand {

/// y = gamma * x^ with x^ = x / r, each row of the last axis by itself; r^2 is the mean of x^2 plus
/// epsilon.
///
///   Derivatives  dgamma = sum of dy * x^      dx^ = gamma * dy
///                dx = (dx^ - x^ mean(dx^ * x^)) / r
template <class T>
class RMSNorm final : public Layer<T> {
 public:
  explicit RMSNorm(const Settings& settings)
      : features_(static_cast<Index>(setting(settings, "features"))),
        epsilon_(static_cast<T>(setting(settings, "epsilon"))) {
    this->parameters.push_back({"gamma", false, Buffer<T>(1, features_)});
    gamma().setOnes();
  }

  Shape output_shape(const Shape& x) const override {
    if (x.empty() || x.back() != features_) {
      throw std::invalid_argument("RMSNorm: x and gamma differ in their axis features");
    }
    return x;
  }

  void reserve(Index batch, const Shape& x, int) override {
    rows_ = columns(x) / features_;
    xhat_ = Buffer<T>(batch * places(x), columns(x));
    r_ = Buffer<T>(batch * places(x), rows_);
    dgamma_ = Buffer<T>(1, features_);
    dxhat_ = Buffer<T>(1, features_);
  }

  void forward(ConstView<T> x, View<T> y, Pass<T>&) override {
    each_row(x.rows(), [&](Index n, Index row, Index at) {
      const auto one = x.row(n).segment(at, features_);
      auto xhat = xhat_.all().row(n).segment(at, features_);
      T& r = r_.all()(n, row);
      r = std::sqrt(one.squaredNorm() / static_cast<T>(features_) + epsilon_);
      xhat = one / r;
      y.row(n).segment(at, features_) = gamma().cwiseProduct(xhat);
    });
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    auto dgamma = dgamma_.all().row(0), dxhat = dxhat_.all().row(0);
    dgamma.setZero();
    each_row(dy.rows(), [&](Index n, Index row, Index at) {
      const auto one = dy.row(n).segment(at, features_);
      const auto xhat = xhat_.all().row(n).segment(at, features_);
      dgamma += one.cwiseProduct(xhat);
      if (dx.size() == 0) return;
      dxhat = gamma().cwiseProduct(one);
      const T stretch = dxhat.dot(xhat) / static_cast<T>(features_);
      dx.row(n).segment(at, features_) = (dxhat - xhat * stretch) / r_.all()(n, row);
    });
    pass.gradients->receive(this->parameters[0], 0, 0, constant(dgamma_.all()));
  }

 private:
  auto gamma() { return this->parameters[0].value.all().row(0); }

  /// body(example, row in it, where the row starts)
  template <class Body>
  void each_row(Index batch, Body&& body) const {
    for (Index n = 0; n < batch; ++n) {
      for (Index row = 0; row < rows_; ++row) body(n, row, row * features_);
    }
  }

  Index features_;
  T epsilon_;
  Index rows_ = 1;
  Buffer<T> xhat_, r_, dgamma_, dxhat_;
};

}  // namespace byhand
