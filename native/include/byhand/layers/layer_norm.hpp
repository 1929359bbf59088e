// Layer normalisation. The Python twin is src/byhand/layers/layer_norm.py, with the derivation.
#pragma once

#include <cmath>

#include "byhand/layers/feature_norm.hpp"

namespace byhand {

/// y = gamma * x^ + beta with x^ = (x - mean) / sigma, each row of the last axis by itself; sigma^2 is
/// its variance plus epsilon.
///
///   Derivatives  dgamma = sum of dy * x^      dbeta = sum of dy      dx^ = gamma * dy
///                dx = (dx^ - mean(dx^) - x^ mean(dx^ * x^)) / sigma
template <class T>
class LayerNorm final : public FeatureNorm<T> {
 public:
  explicit LayerNorm(const Settings& settings)
      : FeatureNorm<T>(settings), dbeta_(1, this->features_) {
    this->parameters.push_back({"beta", false, Buffer<T>(1, features_)});
  }

  void forward(ConstView<T> x, View<T> y, Pass<T>&) override {
    this->each_row(x.rows(), [&](Index n, Index row, Index at) {
      const auto one = x.row(n).segment(at, features_);
      auto xhat = xhat_.all().row(n).segment(at, features_);
      T& sigma = size_.all()(n, row);
      xhat = one.array() - one.mean();
      sigma = std::sqrt(xhat.squaredNorm() / static_cast<T>(features_) + this->epsilon_);
      xhat /= sigma;
      y.row(n).segment(at, features_) = this->gamma().cwiseProduct(xhat) + beta();
    });
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    auto dgamma = this->dgamma_.all().row(0), dbeta = dbeta_.all().row(0);
    auto dxhat = this->dxhat_.all().row(0);
    dgamma.setZero();
    dbeta.setZero();
    this->each_row(dy.rows(), [&](Index n, Index row, Index at) {
      const auto one = dy.row(n).segment(at, features_);
      const auto xhat = xhat_.all().row(n).segment(at, features_);
      dgamma += one.cwiseProduct(xhat);
      dbeta += one;
      if (dx.size() == 0) return;
      dxhat = this->gamma().cwiseProduct(one);
      const T shift = dxhat.mean(), stretch = dxhat.dot(xhat) / static_cast<T>(features_);
      dx.row(n).segment(at, features_) =
          (dxhat.array() - shift - xhat.array() * stretch) / size_.all()(n, row);
    });
    pass.gradients->receive(this->parameters[0], 0, 0, constant(this->dgamma_.all()));
    pass.gradients->receive(this->parameters[1], 0, 0, constant(dbeta_.all()));
  }

 private:
  using FeatureNorm<T>::features_, FeatureNorm<T>::xhat_, FeatureNorm<T>::size_;

  auto beta() { return this->parameters[1].value.all().row(0); }

  Buffer<T> dbeta_;
};

}  // namespace byhand
