// What self-attention and cross-attention share: the projections, and the heads. The Python twin is
// src/byhand/layers/multi_head.py.
#pragma once

#include <utility>
#include <vector>

#include "byhand/kernels/look.hpp"
#include "byhand/layers/layer.hpp"

namespace byhand {

/// Several attentions side by side, each on a part of the width: o Wo with o = attention(x Wq, m Wk, m Wv)
/// head by head.
template <class T>
class MultiHead : public Layer<T> {
 public:
  explicit MultiHead(const Settings& settings)
      : width_(whole(settings, "width")),
        heads_(whole(settings, "heads")),
        kv_heads_(whole(settings, "kv_heads")),
        d_(width_ / heads_) {
    for (const auto& [symbol, columns] : {std::pair{"Wq", width_}, {"Wk", kv_heads_ * d_},
                                          {"Wv", kv_heads_ * d_}, {"Wo", width_}}) {
      this->parameters.push_back({symbol, true, Buffer<T>(width_, columns)});
    }
  }

  Shape output_shape(const Shape& x) const override {
    if (x.size() != 2 || x.back() != width_) {
      throw std::invalid_argument("attention: an example of x is no sequence of its width");
    }
    return x;
  }
  bool reads_x() const override { return true; }

 protected:
  using Strip = kernels::Strip<T>;

  static Index whole(const Settings& settings, const char* name) {
    return static_cast<Index>(setting(settings, name));
  }

  Parameter<T>& W(std::size_t k) { return this->parameters[k]; }
  ConstView<T> w(std::size_t k) { return constant(W(k).value.all()); }

  void reserve_heads(Index batch, Index time, int threads, bool causal) {
    time_ = time;
    for (auto* each : {&q_, &o_}) make_room(*each, batch * time, width_);
    make_room(log_sum_, batch * time, heads_);
    looks_.clear();
    for (int k = 0; k < threads; ++k) looks_.emplace_back(d_, time, causal);
  }

  /// What only a backward pass needs, made when the first one comes.
  void room_to_go_back(Index queries, Index keys) {
    for (auto* each : {&do_, &dq_}) make_room(*each, queries, width_);
    for (auto* each : {&dk_, &dv_}) make_room(*each, keys, kv_heads_ * d_);
  }

  /// o of q, k and v. seen(n, g) are the keys and values that example n sees in the g-th of their heads,
  /// of which each has so many.
  template <class Seen>
  void look(Index batch, Index keys, Pass<T>& pass, Seen&& seen) {
    pass.products.team().run(batch * heads_, shared(batch, keys), [&](Index item, int member) {
      const Index n = item / heads_, h = item % heads_;
      looks_[static_cast<std::size_t>(member)].forward(seen(n, h / (heads_ / kv_heads_)), of(q_, n, h, batch),
                                                       of(o_, n, h, batch), of(log_sum_, n, h, batch, 1));
    });
  }

  /// dq, dk and dv of do.
  template <class Seen>
  void look_back(Index batch, Index keys, Pass<T>& pass, Seen&& seen) {
    const Index group = heads_ / kv_heads_;
    pass.products.team().run(batch * kv_heads_, shared(batch, keys), [&](Index item, int member) {
      const Index n = item / kv_heads_, g = item % kv_heads_;
      looks_[static_cast<std::size_t>(member)].backward(
          seen(n, g), of(dk_, n, g, batch), of(dv_, n, g, batch), group, [&](Index one) {
            const Index h = g * group + one;
            return typename kernels::Look<T>::Queries{of(q_, n, h, batch), of(o_, n, h, batch),
                                                      of(do_, n, h, batch), of(dq_, n, h, batch),
                                                      of(log_sum_, n, h, batch, 1)};
          });
    });
  }

  /// Head h of example n: its first step, and how far it is to the next.
  Strip of(const Buffer<T>& a, Index n, Index h, Index batch) const { return of(a, n, h, batch, d_); }
  static Strip of(const Buffer<T>& a, Index n, Index h, Index batch, Index d) {
    return {row(a.all(), n) + h * d, batch * a.stride()};
  }

  Index width_, heads_, kv_heads_, d_;
  Index time_ = 1;
  Buffer<T> q_, k_, v_, o_, do_, dq_, dk_, dv_;

 private:
  /// Multiply-adds of a product from which on the heads are shared out.
  static constexpr Index kShared = 250'000;

  bool shared(Index batch, Index keys) const { return batch * time_ * keys * width_ >= kShared; }

  Buffer<T> log_sum_;                    // of e^S, for each query and head
  std::vector<kernels::Look<T>> looks_;  // of each thread
};

}  // namespace byhand
