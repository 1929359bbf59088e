// Batch normalisation. The Python twin is src/byhand/layers/batch_norm.py, with the derivation.
#pragma once

#include <cmath>

#include "byhand/layers/layer.hpp"

namespace byhand {

/// y = gamma x^ + beta with x^ = (x - mean) / sigma, each feature by itself; sigma^2 is the variance
/// plus epsilon. Mean and variance are those of the batch in training, and the running ones in
/// evaluation:
///
///     running mean     <- (1 - r) running mean + r mean
///     running variance <- (1 - r) running variance + r m / (m - 1) variance     of m values
///
///   Shapes       x[batch, features] or x[batch, features, height, width]
///   Derivatives  dgamma = sum of dy x^      dbeta = sum of dy      dx^ = gamma dy
///                dx = (dx^ - mean(dx^) - x^ mean(dx^ x^)) / sigma      dx^ / sigma in evaluation
template <class T>
class BatchNorm final : public Layer<T> {
 public:
  explicit BatchNorm(const Settings& settings)
      : features_(static_cast<Index>(setting(settings, "features"))),
        epsilon_(static_cast<T>(setting(settings, "epsilon"))),
        momentum_(setting(settings, "momentum")) {
    for (const char* symbol : {"gamma", "beta", "running_mean", "running_variance"}) {
      const bool trained = this->parameters.size() < 2;
      this->parameters.push_back({symbol, false, Buffer<T>(1, features_), trained});
    }
    of(gamma).setOnes();
    of(running_variance).setOnes();
  }

  Shape output_shape(const Shape& x) const override {
    if ((x.size() != 1 && x.size() != 3) || x[0] != features_) {
      throw std::invalid_argument("BatchNorm: x and gamma differ in their axis features");
    }
    return x;
  }

  void reserve(Index batch, const Shape& x, int) override {
    pixels_ = count(x) / features_;
    xhat_ = Buffer<T>(batch, count(x));
    for (auto* each : {&mean_, &variance_, &sigma_, &dgamma_, &dbeta_}) {
      *each = Buffer<T>(1, features_);
    }
  }

  void forward(ConstView<T> x, View<T> y, Pass<T>& pass) override {
    values_ = x.rows() * pixels_;
    if (pass.training && values_ < 2) {
      throw std::invalid_argument("BatchNorm: in training each feature needs two values or more");
    }
    for (Index f = 0; f < features_; ++f) {
      const auto xf = feature(x, f);
      auto xhat = feature(xhat_.top(x.rows()), f);
      T &mean = mean_.all()(0, f), &variance = variance_.all()(0, f), &sigma = sigma_.all()(0, f);
      mean = pass.training ? xf.mean() : of(running_mean)(f);
      xhat = xf.array() - mean;
      variance = pass.training ? xhat.squaredNorm() / static_cast<T>(values_) : of(running_variance)(f);
      sigma = std::sqrt(variance + epsilon_);
      xhat /= sigma;
      feature(y, f) = of(gamma)(f) * xhat.array() + of(beta)(f);
    }
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    const T m = static_cast<T>(values_);
    for (Index f = 0; f < features_; ++f) {
      const auto dyf = feature(dy, f);
      const auto xhat = feature(xhat_.top(dy.rows()), f);
      const T dgamma = dyf.cwiseProduct(xhat).sum(), dbeta = dyf.sum();
      dgamma_.all()(0, f) = dgamma;
      dbeta_.all()(0, f) = dbeta;
      if (dx.size() == 0) continue;
      // The means of dx^ = gamma dy and of dx^ x^ are gamma times those of dy and of dy x^.
      const T scale = of(gamma)(f) / sigma_.all()(0, f);
      if (pass.training) {
        feature(dx, f) = scale * (dyf.array() - dbeta / m - xhat.array() * (dgamma / m));
      } else {
        feature(dx, f) = scale * dyf;
      }
    }
    pass.gradients->receive(this->parameters[gamma], 0, 0, constant(dgamma_.all()));
    pass.gradients->receive(this->parameters[beta], 0, 0, constant(dbeta_.all()));
  }

  void update_statistics() override {
    const T r = static_cast<T>(momentum_), keep = static_cast<T>(1 - momentum_);
    const T unbiased = static_cast<T>(momentum_ * static_cast<double>(values_) /
                                      static_cast<double>(values_ - 1));
    of(running_mean) = keep * of(running_mean) + r * mean_.all().row(0);
    of(running_variance) = keep * of(running_variance) + unbiased * variance_.all().row(0);
  }

 private:
  enum Symbol : std::size_t { gamma, beta, running_mean, running_variance };

  auto of(Symbol symbol) { return this->parameters[symbol].value.all().row(0); }

  /// All values of one feature.
  template <class Any>
  auto feature(Any&& x, Index f) const {
    return x.middleCols(f * pixels_, pixels_);
  }

  Index features_;
  T epsilon_;
  double momentum_;
  Index pixels_ = 1, values_ = 0;
  Buffer<T> xhat_, mean_, variance_, sigma_, dgamma_, dbeta_;
};

}  // namespace byhand
