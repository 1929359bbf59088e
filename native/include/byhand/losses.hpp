// What is minimised. The Python twin is src/byhand/losses.py, with the derivations.
#pragma once

#include <cmath>
#include <memory>
#include <string>

#include "byhand/layers/sigmoid.hpp"
#include "byhand/layers/softmax.hpp"

namespace byhand {

/// L(y, t), summed over the outputs of an example and averaged over n examples. y and t have a row
/// for each example, or for each step of each; class labels come as one-hot rows, and as a row of
/// zeros where nothing is asked, which is none of the n.
///
/// forward gives L and leaves in `cache` what backward needs; backward turns the cache into dL/dy.
template <class T>
class Loss {
 public:
  virtual ~Loss() = default;
  virtual double forward(ConstView<T> y, ConstView<T> t, Index n, View<T> cache) = 0;
  virtual void backward(ConstView<T> t, Index n, View<T> cache_to_dy) = 0;

  /// The model's output read as probabilities; as it is, unless the loss takes scores.
  virtual void probabilities(View<T> /*y*/) const {}
};

/// The sum of all elements, added up in double precision; infinite where T cannot hold it, as it is
/// in Python.
template <class T, class Terms>
double total(const Terms& terms) {
  return static_cast<double>(static_cast<T>(terms.template cast<double>().sum()));
}

/// L = 1/(2n) sum of (a - t)^2
///
///   Derivative  da = (a - t) / n
template <class T>
class QuadraticCost final : public Loss<T> {
 public:
  double forward(ConstView<T> a, ConstView<T> t, Index n, View<T> error) override {
    error = a - t;
    return 0.5 * total<T>(error.template cast<double>().cwiseAbs2()) / static_cast<double>(n);
  }

  void backward(ConstView<T>, Index n, View<T> da) override { da /= static_cast<T>(n); }
};

/// L = -1/n sum of t ln p with p = softmax(z), fused: no exponent is above 0, no logarithm of 0.
///
///   Derivative  dz = (p sum(t) - t) / n, where the targets of an example mostly sum to 1
template <class T>
class SoftmaxCrossEntropy final : public Loss<T> {
 public:
  double forward(ConstView<T> z, ConstView<T> t, Index n, View<T> p) override {
    double sum = 0;
    for (Index r = 0; r < z.rows(); ++r) {
      p.row(r) = z.row(r).array() - z.row(r).template maxCoeff<Eigen::PropagateNaN>();
      // A class with no share in the target may be infinitely unlikely: 0 times -inf is no number.
      const auto share = t.row(r).array();
      sum -= (share != T(0)).select(share * p.row(r).array(), T(0)).sum();
    }
    exponentiate(p);
    for (Index r = 0; r < z.rows(); ++r) {
      const T e = p.row(r).sum();
      sum += static_cast<double>(t.row(r).sum() * std::log(e));
      p.row(r) /= e;
    }
    return sum / static_cast<double>(n);
  }

  void backward(ConstView<T> t, Index n, View<T> dz) override {
    for (Index r = 0; r < t.rows(); ++r) {
      dz.row(r) = (dz.row(r) * t.row(r).sum() - t.row(r)) / static_cast<T>(n);
    }
  }

  void probabilities(View<T> z) const override { softmax(constant(z), z); }
};

/// L = -1/n sum of t ln p, for probabilities from a Softmax layer: not fused.
///
///   Derivative  dp = -t / (p n)
template <class T>
class CrossEntropy final : public Loss<T> {
 public:
  double forward(ConstView<T> p, ConstView<T> t, Index n, View<T> kept) override {
    double sum = 0;
    for (Index r = 0; r < p.rows(); ++r) {
      for (Index k = 0; k < p.cols(); ++k) {
        // 0 ln 0 is 0: only the classes that the target names are looked at.
        sum -= static_cast<double>(t(r, k) * (t(r, k) > 0 ? std::log(p(r, k)) : T(0)));
      }
    }
    kept = p;
    return sum / static_cast<double>(n);
  }

  void backward(ConstView<T> t, Index n, View<T> dp) override {
    dp = (t.array() > T(0)).select(-t.array() / (dp.array() * static_cast<T>(n)), T(0));
  }
};

/// L = -1/n sum of t ln sigma(z) + (1 - t) ln(1 - sigma(z)): a yes-or-no question for each output.
///
///   Derivative  dz = (sigma(z) - t) / n
template <class T>
class BinaryCrossEntropyWithLogits final : public Loss<T> {
 public:
  double forward(ConstView<T> z, ConstView<T> t, Index n, View<T> kept) override {
    // max(z, 0) - z t + ln(1 + e^-|z|): its exponent is never above 0.
    flat(kept) = (flat(z) <= T(0)).select(T(0), flat(z));
    flat(kept) += (-flat(z).abs()).exp().log1p() - flat(z) * flat(t);
    const double sum = total<T>(kept);
    kept = z;
    return sum / static_cast<double>(n);
  }

  void backward(ConstView<T> t, Index n, View<T> dz) override {
    dz = ((sigmoid(dz.array()) - t.array()) / static_cast<T>(n)).matrix();
  }

  void probabilities(View<T> z) const override { flat(z) = sigmoid(flat(z)); }
};

}  // namespace byhand
