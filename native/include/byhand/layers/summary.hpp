// A whole sentence in one vector. The Python twin is src/byhand/layers/summary.py.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// c[t] = m[last]: every step is told what the encoder says at the last step of the source; of an encoder
/// in both directions the second half is that of the first step.
///
///   Derivatives  dm[last] = sum over t of dc[t]      dx = 0
template <class T>
class Summary final : public Layer<T> {
 public:
  explicit Summary(const Settings& settings)
      : annotation_(static_cast<Index>(setting(settings, "annotation"))),
        half_(setting(settings, "bidirectional") != 0 ? annotation_ / 2 : annotation_) {}

  Shape output_shape(const Shape& x) const override {
    if (x.size() != 2) throw std::invalid_argument("Summary: an example of x is no sequence");
    return {x[0], annotation_};
  }

  void reserve(Index, const Shape& x, int) override { time_ = x[0]; }

  void forward(ConstView<T> x, View<T> c, Pass<T>& pass) override {
    const Memory<T>& memory = *pass.memory;
    const Index batch = x.rows() / time_;
    c.setZero();
    each_source(batch, memory, [&](Index n, Index first, Index last) {
      for (Index r = n; r < c.rows(); r += batch) {
        if (pass.real != nullptr && !pass.real[r]) continue;
        c.row(r).head(half_) = memory.m.row(last).head(half_);
        c.row(r).tail(annotation_ - half_) = memory.m.row(first).tail(annotation_ - half_);
      }
    });
  }

  void backward(ConstView<T> x, ConstView<T>, ConstView<T> dc, View<T> dx, Pass<T>& pass) override {
    View<T> dm = pass.memory->dm;
    const Index batch = x.rows() / time_;
    if (dx.size() > 0) dx.setZero();
    each_source(batch, *pass.memory, [&](Index n, Index first, Index last) {
      for (Index r = n; r < dc.rows(); r += batch) {
        if (pass.real != nullptr && !pass.real[r]) continue;
        dm.row(last).head(half_) += dc.row(r).head(half_);
        dm.row(first).tail(annotation_ - half_) += dc.row(r).tail(annotation_ - half_);
      }
    });
  }

 private:
  /// body(example, row of its first real step, row of its last), for all that have one.
  template <class Body>
  static void each_source(Index batch, const Memory<T>& memory, Body&& body) {
    for (Index n = 0; n < batch; ++n) {
      Index first = -1, last = -1;
      for (Index r = n; r < batch * memory.source; r += batch) {
        if (memory.real != nullptr && !memory.real[r]) continue;
        if (first < 0) first = r;
        last = r;
      }
      if (last >= 0) body(n, first, last);
    }
  }

  Index annotation_, half_;
  Index time_ = 1;
};

}  // namespace byhand
