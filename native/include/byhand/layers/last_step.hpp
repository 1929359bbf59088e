// What is left when a sequence has been read. The Python twin is src/byhand/layers/last_step.py.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// y = h_time: of the outputs of all steps, the last.
///
///   Derivative  dh_t = dy for t = time, 0 before
template <class T>
class LastStep final : public Layer<T> {
 public:
  explicit LastStep(const Settings&) {}

  Shape output_shape(const Shape& h) const override {
    if (h.size() != 2) throw std::invalid_argument("LastStep: an example of h is not a sequence");
    return {h[1]};
  }

  void forward(ConstView<T> h, View<T> y, Pass<T>&) override { y = h.bottomRows(y.rows()); }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dh, Pass<T>&) override {
    if (dh.size() == 0) return;
    dh.setZero();
    dh.bottomRows(dy.rows()) = dy;
  }
};

}  // namespace byhand
