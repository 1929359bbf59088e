// The Gaussian error linear unit. The Python twin is src/byhand/layers/gelu.py, with the derivation.
#pragma once

#include <numbers>

#include "byhand/kernels/erf.hpp"
#include "byhand/kernels/parts.hpp"
#include "byhand/layers/layer.hpp"

namespace byhand {

/// a = z Phi(z), elementwise, with Phi(z) = (1 + t) / 2.
///
///   exact        t = erf(z / sqrt(2))      t' = 2 e^(-z^2/2) / sqrt(2 pi)
///   otherwise    t = tanh(u)               t' = (1 - t^2) u'       u = sqrt(2/pi) (z + 0.044715 z^3)
///
///   Derivative   dz = da * (1 + t + z t') / 2
template <class T>
class GELU final : public Layer<T> {
 public:
  explicit GELU(const Settings& settings) : exact_(setting(settings, "exact") != 0) {}

  bool in_place() const override { return true; }

  void reserve(Index batch, const Shape& z, int) override {
    make_room(slope_, batch * places(z), columns(z));
  }

  void forward(ConstView<T> z, View<T> a, Pass<T>& pass) override {
    each(z, pass, [&](Index at) {
      const Numbers one = ConstLane<T>(z.data() + at);
      const Numbers t = exact_ ? Numbers(kernels::erf<T>(one * T(1 / std::numbers::sqrt2)))
                               : Numbers((kScale * (one + kCubic * one * one * one)).tanh());
      const Numbers dt = exact_ ? Numbers(kScale * (T(-0.5) * one * one).exp())
                                : Numbers((T(1) - t * t) * kScale * (T(1) + 3 * kCubic * one * one));
      Lane<T>(a.data() + at) = T(0.5) * one * (T(1) + t);
      Lane<T>(slope_.data() + at) = T(0.5) * (T(1) + t + one * dt);
    });
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> da, View<T> dz, Pass<T>& pass) override {
    if (dz.size() == 0) return;
    each(da, pass, [&](Index at) {
      Lane<T>(dz.data() + at) = ConstLane<T>(da.data() + at) * ConstLane<T>(slope_.data() + at);
    });
  }

 private:
  using Numbers = Eigen::Array<T, width<T>, 1>;
  static constexpr T kScale = T(std::numbers::sqrt2 * std::numbers::inv_sqrtpi);  // sqrt(2/pi)
  static constexpr T kCubic = T(0.044715);

  template <class Each>
  static void each(ConstView<T> z, Pass<T>& pass, Each&& each) {
    kernels::in_parts(pass.products.team(), z.rows(), z.cols(), [&](Index first, Index count, int) {
      kernels::each_lane<T>(first, count, z.outerStride(), each);
    });
  }

  bool exact_;
  Buffer<T> slope_;  // da/dz: neither z nor a is needed again, so a may lie where z lay
};

}  // namespace byhand
