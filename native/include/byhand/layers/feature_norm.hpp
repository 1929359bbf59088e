// What the norms of a row have in common. The Python twin is src/byhand/layers/feature_norm.py.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// Each row of the last axis is brought to one size by itself: x^ is x over that size, and gamma says
/// which size it is to have.
template <class T>
class FeatureNorm : public Layer<T> {
 public:
  explicit FeatureNorm(const Settings& settings)
      : features_(static_cast<Index>(setting(settings, "features"))),
        epsilon_(static_cast<T>(setting(settings, "epsilon"))) {
    this->parameters.push_back({"gamma", false, Buffer<T>(1, features_)});
    gamma().setOnes();
  }

  Shape output_shape(const Shape& x) const override {
    if (x.empty() || x.back() != features_) {
      throw std::invalid_argument("a norm: x and gamma differ in their axis features");
    }
    return x;
  }

  void reserve(Index batch, const Shape& x, int) override {
    rows_ = columns(x) / features_;
    make_room(xhat_, batch * places(x), columns(x));
    make_room(size_, batch * places(x), rows_);
    dgamma_ = Buffer<T>(1, features_);
    dxhat_ = Buffer<T>(1, features_);
  }

 protected:
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
  Buffer<T> xhat_, size_;  // x^, and what each row of x was divided by
  Buffer<T> dgamma_, dxhat_;
};

}  // namespace byhand
