// Multi-head self-attention: every step looks at the steps of its own sequence. The Python twins are
// src/byhand/layers/self_attention.py and attention.py, with the derivation.
#pragma once

#include <memory>
#include <vector>

#include "byhand/layers/multi_head.hpp"
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
class SelfAttention final : public MultiHead<T> {
 public:
  explicit SelfAttention(const Settings& settings)
      : MultiHead<T>(settings),
        causal_(setting(settings, "causal") != 0),
        rotary_(setting(settings, "rotary") != 0),
        rotation_(d_) {}

  std::vector<Layer<T>*> all_over_steps() override { return {this}; }

  void reserve(Index batch, const Shape& x, int threads) override {
    this->reserve_heads(batch, x[0], threads, causal_);
    for (auto* each : {&k_, &v_}) make_room(*each, batch * time_, kv_heads_ * d_);
  }

  void go_on(T* rows, Index past, Index room) override {
    state_ = rows;
    past_ = rows == nullptr ? 0 : past;
    room_ = room;
  }

  void forward(ConstView<T> given, View<T> y, Pass<T>& pass) override {
    const Index rows = given.rows(), batch = rows / time_;
    const ConstView<T> x = without_padding(given, x_, pass.real);
    pass.products.times(x, this->w(0), q_.top(rows));
    pass.products.times(x, this->w(1), k_.top(rows));
    pass.products.times(x, this->w(2), v_.top(rows));
    if (rotary_) {
      turn(rows, pass.real, false, q_, heads_);
      turn(rows, pass.real, false, k_, kv_heads_);
    }
    if (state_ != nullptr) keep(batch, pass.real);
    this->look(batch, past_ + time_, pass, [&](Index n, Index g) { return seen(n, g, batch, pass.real); });
    pass.products.times(constant(o_.top(rows)), this->w(3), y);
    clear_padding(y, pass.real);
  }

  void backward(ConstView<T> given, ConstView<T>, ConstView<T> asked, View<T> dx, Pass<T>& pass) override {
    const Index rows = given.rows(), batch = rows / time_;
    const ConstView<T> x = pass.real == nullptr ? given : constant(x_.top(rows));
    const ConstView<T> dy = without_padding(asked, dy_, pass.real);
    this->room_to_go_back(rows, rows);
    pass.products.times_transposed(dy, this->w(3), do_.top(rows));  // do = dy Wo^T
    this->look_back(batch, time_, pass, [&](Index n, Index g) { return seen(n, g, batch, pass.real); });
    if (rotary_) {
      turn(rows, pass.real, true, dq_, heads_);
      turn(rows, pass.real, true, dk_, kv_heads_);
    }
    const ConstView<T> dq = constant(dq_.top(rows)), dk = constant(dk_.top(rows)), dv = constant(dv_.top(rows));
    if (dx.size() > 0) {
      pass.products.times_transposed(dq, this->w(0), dx);
      pass.products.add_times_transposed(dk, this->w(1), dx);
      pass.products.add_times_transposed(dv, this->w(2), dx);
    }
    receive_product(constant(o_.top(rows)), dy, this->W(3), pass);
    receive_product(x, dv, this->W(2), pass);
    receive_product(x, dk, this->W(1), pass);
    receive_product(x, dq, this->W(0), pass);
  }

 private:
  using MultiHead<T>::width_, MultiHead<T>::heads_, MultiHead<T>::kv_heads_, MultiHead<T>::d_,
      MultiHead<T>::time_, MultiHead<T>::q_, MultiHead<T>::k_, MultiHead<T>::v_, MultiHead<T>::o_,
      MultiHead<T>::do_, MultiHead<T>::dq_, MultiHead<T>::dk_, MultiHead<T>::dv_, MultiHead<T>::of;

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

  bool causal_, rotary_;
  Rotary<T> rotation_;
  Buffer<T> x_, dy_;
  T* state_ = nullptr;
  Index past_ = 0, room_ = 0;
  std::unique_ptr<bool[]> real_;  // which steps of the state are real
  Index real_room_ = 0;
  bool all_real_ = true;
};

}  // namespace byhand
