// Softmax as a layer of its own. The Python twin is src/byhand/layers/softmax.py, with the
// derivation.
#pragma once

#include <limits>

#include "byhand/layers/layer.hpp"

namespace byhand {

/// p <- e^p, and 0 where that is below the smallest normal number: Eigen's own never comes below
/// e^-709 in double precision, and ln p would be finite where p is 0.
template <class T>
void exponentiate(View<T> p) {
  flat(p) = flat(p).exp();
  flat(p) = (flat(p) < std::numeric_limits<T>::min()).select(T(0), flat(p));
}

/// p[k] = e^z[k] / sum of e^z[j]: the rows of z become distributions in p. z and p may be the same.
template <class T>
void softmax(ConstView<T> z, View<T> p) {
  for (Index n = 0; n < z.rows(); ++n) {
    p.row(n) = z.row(n).array() - z.row(n).template maxCoeff<Eigen::PropagateNaN>();
  }
  exponentiate(p);
  for (Index n = 0; n < p.rows(); ++n) p.row(n) /= p.row(n).sum();
}

/// p = softmax(z): scores to probabilities, one distribution for each example.
///
///   Derivative  dz = p * (dp - sum of dp * p over the classes)
template <class T>
class Softmax final : public Layer<T> {
 public:
  explicit Softmax(const Settings&) {}

  bool in_place() const override { return true; }
  bool reads_y() const override { return true; }

  void forward(ConstView<T> z, View<T> p, Pass<T>&) override { softmax(z, p); }

  void backward(ConstView<T>, ConstView<T> p, ConstView<T> dp, View<T> dz, Pass<T>&) override {
    if (dz.size() == 0) return;
    for (Index n = 0; n < p.rows(); ++n) {
      const T mean = dp.row(n).dot(p.row(n));
      dz.row(n) = p.row(n).array() * (dp.row(n).array() - mean);
    }
  }
};

}  // namespace byhand
