// Multi-head cross-attention: every step of one sequence looks at those of another. The Python twin is
// src/byhand/layers/cross_attention.py.
#pragma once

#include "byhand/layers/multi_head.hpp"

namespace byhand {

/// y = o Wo with o = attention(x Wq, m Wk, m Wv), head by head, where m is the memory.
///
///   Derivatives  as SelfAttention's, but key and value come from m:
///                dWk = m^T dk    dWv = m^T dv    dx = dq Wq^T    dm = dk Wk^T + dv Wv^T
template <class T>
class CrossAttention final : public MultiHead<T> {
 public:
  explicit CrossAttention(const Settings& settings) : MultiHead<T>(settings) {}

  void reserve(Index batch, const Shape& x, int threads) override {
    this->reserve_heads(batch, x[0], threads, false);
  }

  void forward(ConstView<T> given, View<T> y, Pass<T>& pass) override {
    const Index rows = given.rows(), keys = pass.memory->m.rows();
    const ConstView<T> x = without_padding(given, x_, pass.real);
    const ConstView<T> m = without_padding(pass.memory->m, m_, pass.memory->real);
    for (auto* each : {&k_, &v_}) make_room(*each, keys, this->kv_heads_ * this->d_);
    pass.products.times(x, this->w(0), q_.top(rows));
    pass.products.times(m, this->w(1), k_.top(keys));
    pass.products.times(m, this->w(2), v_.top(keys));
    this->look(rows / time_, pass.memory->source, pass, seen(rows / time_, pass));
    pass.products.times(constant(o_.top(rows)), this->w(3), y);
    clear_padding(y, pass.real);
  }

  void backward(ConstView<T> given, ConstView<T>, ConstView<T> asked, View<T> dx, Pass<T>& pass) override {
    const Memory<T>& memory = *pass.memory;
    const Index rows = given.rows(), keys = memory.m.rows();
    const ConstView<T> x = pass.real == nullptr ? given : constant(x_.top(rows));
    const ConstView<T> m = memory.real == nullptr ? memory.m : constant(m_.top(keys));
    const ConstView<T> dy = without_padding(asked, dy_, pass.real);
    this->room_to_go_back(rows, keys);
    pass.products.times_transposed(dy, this->w(3), do_.top(rows));  // do = dy Wo^T
    this->look_back(rows / time_, memory.source, pass, seen(rows / time_, pass));
    const ConstView<T> dq = constant(dq_.top(rows)), dk = constant(dk_.top(keys)), dv = constant(dv_.top(keys));
    if (dx.size() > 0) pass.products.times_transposed(dq, this->w(0), dx);
    pass.products.add_times_transposed(dk, this->w(1), memory.dm);
    pass.products.add_times_transposed(dv, this->w(2), memory.dm);
    receive_product(constant(o_.top(rows)), dy, this->W(3), pass);
    receive_product(m, dv, this->W(2), pass);
    receive_product(m, dk, this->W(1), pass);
    receive_product(x, dq, this->W(0), pass);
  }

 private:
  using MultiHead<T>::time_, MultiHead<T>::q_, MultiHead<T>::k_, MultiHead<T>::v_, MultiHead<T>::o_,
      MultiHead<T>::do_, MultiHead<T>::dq_, MultiHead<T>::dk_, MultiHead<T>::dv_;

  auto seen(Index batch, const Pass<T>& pass) const {
    return [this, batch, memory = pass.memory](Index n, Index g) {
      const bool* real = memory->real == nullptr ? nullptr : memory->real + n;
      return kernels::Seen<T>{this->of(k_, n, g, batch), this->of(v_, n, g, batch), memory->source, 0, real, batch};
    };
  }

  Buffer<T> x_, m_, dy_;
};

}  // namespace byhand
