// The plain recurrent layer. The Python twin is src/byhand/layers/rnn.py, with the derivation.
#pragma once

#include "byhand/layers/recurrent.hpp"

namespace byhand {

/// h_t = tanh(x_t Wx + h_t-1 Wh + b)
///
///   Derivative  da_t = dh_t (1 - h_t^2), with a_t the sum
template <class T>
class RNN final : public Recurrent<T, RNN<T>> {
 public:
  explicit RNN(const Settings& settings) : Recurrent<T, RNN>(settings, 1, 1) {}

 private:
  friend Recurrent<T, RNN>;
  using typename Recurrent<T, RNN>::At;

  void step(const At& at, const T* v) {
    this->after(at) = (this->u(at, 0) + this->gate_of(v, 0)).tanh();
  }

  void step_back(const At& at) {
    auto dh = this->gradient(at);
    const auto h = this->after(at);
    this->u(at, 0) = dh * (1 - h * h);
    dh.setZero();
  }
};

}  // namespace byhand
