// Normalisation by the root mean square. The Python twin is src/byhand/layers/rms_norm.py, with the
// derivation.
#pragma once

#include <cmath>

#include "byhand/layers/feature_norm.hpp"

namespace byhand {

/// y = gamma * x^ with x^ = x / r, each row of the last axis by itself; r^2 is the mean of x^2 plus
/// epsilon.
///
///   Derivatives  dgamma = sum of dy * x^      dx^ = gamma * dy
///                dx = (dx^ - x^ mean(dx^ * x^)) / r
template <class T>
class RMSNorm final : public FeatureNorm<T> {
 public:
  using FeatureNorm<T>::FeatureNorm;

  void forward(ConstView<T> x, View<T> y, Pass<T>&) override {
    this->each_row(x.rows(), [&](Index n, Index row, Index at) {
      const auto one = x.row(n).segment(at, features_);
      auto xhat = xhat_.all().row(n).segment(at, features_);
      T& r = size_.all()(n, row);
      r = std::sqrt(one.squaredNorm() / static_cast<T>(features_) + this->epsilon_);
      xhat = one / r;
      y.row(n).segment(at, features_) = this->gamma().cwiseProduct(xhat);
    });
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    auto dgamma = this->dgamma_.all().row(0), dxhat = this->dxhat_.all().row(0);
    dgamma.setZero();
    this->each_row(dy.rows(), [&](Index n, Index row, Index at) {
      const auto one = dy.row(n).segment(at, features_);
      const auto xhat = xhat_.all().row(n).segment(at, features_);
      dgamma += one.cwiseProduct(xhat);
      if (dx.size() == 0) return;
      dxhat = this->gamma().cwiseProduct(one);
      const T stretch = dxhat.dot(xhat) / static_cast<T>(features_);
      dx.row(n).segment(at, features_) = (dxhat - xhat * stretch) / size_.all()(n, row);
    });
    pass.gradients->receive(this->parameters[0], 0, 0, constant(this->dgamma_.all()));
  }

 private:
  using FeatureNorm<T>::features_, FeatureNorm<T>::xhat_, FeatureNorm<T>::size_;
};

}  // namespace byhand
