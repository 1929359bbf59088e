// Multi-head self-attention: every step looks at the steps of its own sequence. The Python twins are
// src/byhand/layers/self_attention.py and attention.py, with the derivation.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "byhand/kernels/look.hpp"
#include "byhand/layers/rotary.hpp"

namespace byhand {

/// y = o Wo with o = attention(x Wq, x Wk, x Wv), head by head.
///
///   Shapes       x, y[batch, time, width]   Wq, Wo[width, width]   Wk, Wv[width, kv_heads d]
///                d = width/heads            state[batch, past, 2 kv_heads d + 1]
///   Derivatives  dWo = o^T dy               do = dy Wo^T
///                dq, dk, dv                 of attention, for do; turned back where rotary
///                dWq = x^T dq               dWk = x^T dk         dWv = x^T dv
///                dx = dq Wq^T + dk Wk^T + dv Wv^T
///
/// A row of the state is the keys of all heads, the values, and a 1 for a step that is real. Padding is
/// seen by nobody, takes no position, and has y = 0.
template <class T>
class SelfAttention final : public Layer<T> {
 public:
  explicit SelfAttention(const Settings& settings)
      : width_(whole(settings, "width")),
        heads_(whole(settings, "heads")),
        kv_heads_(whole(settings, "kv_heads")),
        d_(width_ / heads_),
        causal_(setting(settings, "causal") != 0),
        rotary_(setting(settings, "rotary") != 0),
        rotation_(d_) {
    for (const auto& [symbol, columns] : {std::pair{"Wq", width_}, {"Wk", kv_heads_ * d_},
                                          {"Wv", kv_heads_ * d_}, {"Wo", width_}}) {
      this->parameters.push_back({symbol, true, Buffer<T>(width_, columns)});
    }
  }

  Shape output_shape(const Shape& x) const override {
    if (x.size() != 2 || x.back() != width_) {
      throw std::invalid_argument("SelfAttention: an example of x is no sequence of its width");
    }
    return x;
  }
  bool reads_x() const override { return true; }
  std::vector<Layer<T>*> all_over_steps() override { return {this}; }

  void reserve(Index batch, const Shape& x, int threads) override {
    time_ = x[0];
    const Index rows = batch * time_;
    for (auto* each : {&x_, &dy_, &q_, &o_, &do_, &dq_}) *each = Buffer<T>(rows, width_);
    for (auto* each : {&k_, &v_, &dk_, &dv_}) *each = Buffer<T>(rows, kv_heads_ * d_);
    log_sum_ = Buffer<T>(rows, heads_);
    looks_.clear();
    for (int k = 0; k < threads; ++k) looks_.emplace_back(d_, time_, causal_);
  }

  void go_on(T* rows, Index past, Index room) override {
    state_ = rows;
    past_ = rows == nullptr ? 0 : past;
    room_ = room;
  }

  void forward(ConstView<T> given, View<T> y, Pass<T>& pass) override {
    const Index rows = given.rows(), batch = rows / time_;
    const ConstView<T> x = real_rows(given, x_, pass.real);
    pass.products.times(x, constant(W(0).value.all()), q_.top(rows));
    pass.products.times(x, constant(W(1).value.all()), k_.top(rows));
    pass.products.times(x, constant(W(2).value.all()), v_.top(rows));
    if (rotary_) {
      turn(rows, pass.real, false, q_, heads_);
      turn(rows, pass.real, false, k_, kv_heads_);
    }
    if (state_ != nullptr) keep(batch, pass.real);
    const bool shared = rows * (past_ + time_) * width_ >= kShared;
    pass.products.team().run(batch * heads_, shared, [&](Index item, int member) {
      const Index n = item / heads_, h = item % heads_;
      look(member).forward(seen(n, h / (heads_ / kv_heads_), batch, pass.real), of(q_, n, h, batch),
                           of(o_, n, h, batch), of_sums(n, h, batch));
    });
    pass.products.times(constant(o_.top(rows)), constant(W(3).value.all()), y);
    clear(y, pass.real);
  }

  void backward(ConstView<T> given, ConstView<T>, ConstView<T> asked, View<T> dx, Pass<T>& pass) override {
    const Index rows = given.rows(), batch = rows / time_, group = heads_ / kv_heads_;
    const ConstView<T> x = pass.real == nullptr ? given : constant(x_.top(rows));
    const ConstView<T> dy = real_rows(asked, dy_, pass.real);
    pass.products.times_transposed(dy, constant(W(3).value.all()), do_.top(rows));  // do = dy Wo^T
    const bool shared = rows * time_ * width_ >= kShared;
    pass.products.team().run(batch * kv_heads_, shared, [&](Index item, int member) {
      const Index n = item / kv_heads_, g = item % kv_heads_;
      look(member).backward(seen(n, g, batch, pass.real), of(dk_, n, g, batch), of(dv_, n, g, batch), group,
                            [&](Index one) {
                              const Index h = g * group + one;
                              return typename kernels::Look<T>::Queries{
                                  of(q_, n, h, batch), of(o_, n, h, batch), of(do_, n, h, batch),
                                  of(dq_, n, h, batch), of_sums(n, h, batch)};
                            });
    });
    if (rotary_) {
      turn(rows, pass.real, true, dq_, heads_);
      turn(rows, pass.real, true, dk_, kv_heads_);
    }
    const ConstView<T> dq = constant(dq_.top(rows)), dk = constant(dk_.top(rows)), dv = constant(dv_.top(rows));
    if (dx.size() > 0) {
      pass.products.times_transposed(dq, constant(W(0).value.all()), dx);
      pass.products.add_times_transposed(dk, constant(W(1).value.all()), dx);
      pass.products.add_times_transposed(dv, constant(W(2).value.all()), dx);
    }
    receive_product(constant(o_.top(rows)), dy, W(3), pass);
    receive_product(x, dv, W(2), pass);
    receive_product(x, dk, W(1), pass);
    receive_product(x, dq, W(0), pass);
  }

 private:
  using Strip = kernels::Strip<T>;

  /// Multiply-adds of a product from which on the heads are shared out.
  static constexpr Index kShared = 250'000;

  static Index whole(const Settings& settings, const char* name) {
    return static_cast<Index>(setting(settings, name));
  }

  Parameter<T>& W(std::size_t k) { return this->parameters[k]; }

  kernels::Look<T>& look(int member) { return looks_[static_cast<std::size_t>(member)]; }

  /// Head h of example n: its first step, and how far it is to the next.
  Strip of(const Buffer<T>& a, Index n, Index h, Index batch) const {
    return {row(a.all(), n) + h * d_, batch * a.stride()};
  }
  Strip of_sums(Index n, Index h, Index batch) const {
    return {row(log_sum_.all(), n) + h, batch * log_sum_.stride()};
  }

  /// The keys and values that example n sees in one of its heads.
  kernels::Seen<T> seen(Index n, Index g, Index batch, const bool* real) const {
    if (state_ == nullptr) {
      return {of(k_, n, g, batch), of(v_, n, g, batch), time_, 0, real ? real + n : nullptr, batch};
    }
    T* first = state_ + n * room_ * state_width();
    return {{first + g * d_, state_width()}, {first + (kv_heads_ + g) * d_, state_width()},
            past_ + time_, past_, all_real_ ? nullptr : real_.get() + n * (past_ + time_), 1};
  }

  Index state_width() const { return 2 * kv_heads_ * d_ + 1; }

  /// Puts the keys and values of this pass behind those of the steps before.
  void keep(Index batch, const bool* real) {
    const Index keys = past_ + time_, half = kv_heads_ * d_;
    if (batch * keys > real_room_) {
      real_room_ = 2 * batch * keys;
      real_ = std::make_unique<bool[]>(static_cast<std::size_t>(real_room_));
    }
    all_real_ = true;
    for (Index n = 0; n < batch; ++n) {
      for (Index j = 0; j < keys; ++j) {
        T* to = state_ + (n * room_ + j) * state_width();
        if (j >= past_) {
          const Index r = (j - past_) * batch + n;
          std::copy_n(row(k_.all(), r), half, to);
          std::copy_n(row(v_.all(), r), half, to + half);
          to[2 * half] = real == nullptr || real[r] ? T(1) : T(0);
        }
        all_real_ &= real_[n * keys + j] = to[2 * half] != T(0);
      }
    }
  }

  /// a with zeros for padding: what it holds there has no effect, be it no number.
  static ConstView<T> real_rows(ConstView<T> a, const Buffer<T>& copy, const bool* real) {
    if (real == nullptr) return a;
    copy.top(a.rows()) = a;
    clear(copy.top(a.rows()), real);
    return constant(copy.top(a.rows()));
  }

  static void clear(View<T> a, const bool* real) {
    for (Index r = 0; real != nullptr && r < a.rows(); ++r) {
      if (!real[r]) a.row(r).setZero();
    }
  }

  /// Turns the heads of each real step by its position, or back.
  void turn(Index rows, const bool* real, bool back, const Buffer<T>& a, Index heads) {
    const Index batch = rows / time_;
    for (Index n = 0; n < batch; ++n) {
      Index position = 0;
      for (Index j = 0; j < past_; ++j) {
        position += state_[(n * room_ + j + 1) * state_width() - 1] != T(0);
      }
      for (Index r = n; r < rows; r += batch) {
        if (real == nullptr || real[r]) rotation_.turn(row(a.all(), r), heads, position++, back);
      }
    }
  }

  Index width_, heads_, kv_heads_, d_;
  bool causal_, rotary_;
  Rotary<T> rotation_;
  Index time_ = 1;
  Buffer<T> x_, dy_, q_, k_, v_, o_, do_, dq_, dk_, dv_;
  Buffer<T> log_sum_;  // of e^S, for each query and head
  std::vector<kernels::Look<T>> looks_;  // of each thread
  T* state_ = nullptr;
  Index past_ = 0, room_ = 0;
  std::unique_ptr<bool[]> real_;  // which steps of the state are real
  Index real_room_ = 0;
  bool all_real_ = true;
};

}  // namespace byhand
