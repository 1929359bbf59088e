// Inverted dropout. The Python twin is src/byhand/layers/dropout.py.
#pragma once

#include "byhand/layers/layer.hpp"
#include "byhand/randomness.hpp"

namespace byhand {

/// y = x * m, where each m is 0 with probability `rate` and 1 / (1 - rate) otherwise; y = x in
/// evaluation.
///
///   Derivative  dx = dy * m, with the very mask of the forward pass
///
/// The masks are those of Python, bit by bit: stream(seed, dropout, step, place of the layer).
template <class T>
class Dropout final : public Layer<T> {
 public:
  explicit Dropout(const Settings& settings)
      : rate_(setting(settings, "rate")),
        place_(static_cast<std::uint64_t>(setting(settings, "place"))) {}

  bool in_place() const override { return true; }

  void reserve(Index batch, const Shape& x, int) override {
    places_ = places(x);
    mask_ = Buffer<T>(batch * places_, columns(x));
  }

  void forward(ConstView<T> x, View<T> y, Pass<T>& pass) override {
    if (!pass.training) {
      if (y.data() != x.data()) y = x;
      return;
    }
    View<T> m = mask_.top(x.rows());
    Philox random = stream(pass.seed, Purpose::dropout, pass.step, place_);
    const T kept = T(1) / static_cast<T>(1 - rate_);
    const Index batch = m.rows() / places_;
    for (Index n = 0; n < batch; ++n) {
      for (Index t = 0; t < places_; ++t) {
        T* to = row(m, t * batch + n);
        for (Index j = 0; j < m.cols(); ++j) to[j] = random.uniform() >= rate_ ? kept : T(0);
      }
    }
    flat(y) = flat(x) * flat(constant(m));
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    if (dx.size() == 0) return;
    if (pass.training) {
      flat(dx) = flat(dy) * flat(constant(mask_.top(dy.rows())));
    } else if (dx.data() != dy.data()) {
      dx = dy;
    }
  }

 private:
  double rate_;
  std::uint64_t place_;
  Index places_ = 1;
  Buffer<T> mask_;
};

}  // namespace byhand
