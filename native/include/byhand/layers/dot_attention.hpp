// Attention whose score is the product of the two vectors. The Python twin is
// src/byhand/layers/dot_attention.py.
#pragma once

#include <vector>

#include "byhand/kernels/look.hpp"
#include "byhand/layers/layer.hpp"

namespace byhand {

/// c = softmax(s h^T) h, where h is the memory: attention of one head in which h is key and value.
///
///   Shapes       s, c[batch, queries, annotation]   h[batch, source, annotation]
///   Derivatives  ds = de h      dh = de^T s + p^T dc      h has two uses
template <class T>
class DotAttention final : public Layer<T> {
 public:
  bool reads_x() const override { return true; }
  bool reads_y() const override { return true; }

  void reserve(Index batch, const Shape& s, int threads) override {
    time_ = places(s);
    ds_ = Buffer<T>(batch * time_, columns(s));
    log_sum_ = Buffer<T>(batch * time_, 1);
    looks_.clear();
    for (int k = 0; k < threads; ++k) looks_.emplace_back(columns(s), time_, false, T(1));
  }

  void forward(ConstView<T> given, View<T> c, Pass<T>& pass) override {
    const Index batch = given.rows() / time_;
    const ConstView<T> s = without_padding(given, s_, pass.real);
    without_padding(pass.memory->m, h_, pass.memory->real);
    pass.products.team().run(batch, shared(s, pass), [&](Index n, int member) {
      look(member).forward(seen(n, batch, pass), strip(s, n, batch), strip(constant(c), n, batch),
                           strip(constant(log_sum_.all()), n, batch));
    });
    clear_padding(c, pass.real);
  }

  void backward(ConstView<T> given, ConstView<T> c, ConstView<T> asked, View<T> ds, Pass<T>& pass) override {
    const Memory<T>& memory = *pass.memory;
    const Index batch = given.rows() / time_;
    const ConstView<T> s = pass.real == nullptr ? given : constant(s_.top(given.rows()));
    const ConstView<T> dc = without_padding(asked, dc_, pass.real);
    for (auto* each : {&dk_, &dv_}) make_room(*each, memory.m.rows(), memory.m.cols());
    pass.products.team().run(batch, shared(s, pass), [&](Index n, int member) {
      look(member).backward(seen(n, batch, pass), strip(constant(dk_.all()), n, batch),
                            strip(constant(dv_.all()), n, batch), 1, [&](Index) {
                              return typename kernels::Look<T>::Queries{
                                  strip(s, n, batch), strip(c, n, batch), strip(dc, n, batch),
                                  strip(constant(ds_.all()), n, batch),
                                  strip(constant(log_sum_.all()), n, batch)};
                            });
    });
    if (ds.size() > 0) ds = ds_.top(ds.rows());
    View<T> dm = memory.dm;
    dm += dk_.top(dm.rows());
    dm += dv_.top(dm.rows());
  }

 private:
  using Strip = kernels::Strip<T>;

  /// Multiply-adds from which on the examples are shared out.
  static constexpr Index kShared = 250'000;

  static bool shared(ConstView<T> s, const Pass<T>& pass) {
    return s.rows() * s.cols() * pass.memory->source >= kShared;
  }

  kernels::Look<T>& look(int member) { return looks_[static_cast<std::size_t>(member)]; }

  /// The steps of example n. Look writes to results alone.
  static Strip strip(ConstView<T> a, Index n, Index batch) {
    return {const_cast<T*>(row(a, n)), batch * a.outerStride()};
  }

  kernels::Seen<T> seen(Index n, Index batch, const Pass<T>& pass) const {
    const Memory<T>& memory = *pass.memory;
    const ConstView<T> h = memory.real == nullptr ? memory.m : constant(h_.top(memory.m.rows()));
    const Strip one = strip(h, n, batch);
    return {one, one, memory.source, 0, memory.real == nullptr ? nullptr : memory.real + n, batch};
  }

  Index time_ = 1;
  Buffer<T> s_, h_, dc_, ds_, dk_, dv_, log_sum_;
  std::vector<kernels::Look<T>> looks_;
};

}  // namespace byhand
