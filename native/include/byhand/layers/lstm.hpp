// The LSTM. The Python twin is src/byhand/layers/lstm.py, with the derivation.
#pragma once

#include "byhand/layers/recurrent.hpp"
#include "byhand/layers/sigmoid.hpp"

namespace byhand {

/// c_t = f c_t-1 + i g, h_t = o tanh(c_t), with the gates i, f, o = sigma(a) and g = tanh(a) of
/// a = x_t Wx + h_t-1 Wh + b, in the order i, f, g, o. The state is h and c.
///
///   Derivatives  dc_t += dh_t o (1 - s^2), s = tanh(c_t)      dc_t-1 = dc_t f
///                da_i = dc_t g i (1 - i)            da_f = dc_t c_t-1 f (1 - f)
///                da_g = dc_t i (1 - g^2)            da_o = dh_t s o (1 - o)
template <class T>
class LSTM final : public Recurrent<T, LSTM<T>> {
 public:
  explicit LSTM(const Settings& settings) : Recurrent<T, LSTM>(settings, 4, 2) {}

 private:
  friend Recurrent<T, LSTM>;
  using typename Recurrent<T, LSTM>::At;
  using Vector = Eigen::Array<T, width<T>, 1>;

  void step(const At& at, const T* v) {
    auto u_i = this->u(at, 0), u_f = this->u(at, 1), u_g = this->u(at, 2), u_o = this->u(at, 3);
    const Vector i = sigmoid(u_i + this->gate_of(v, 0)), f = sigmoid(u_f + this->gate_of(v, 1));
    const Vector g = (u_g + this->gate_of(v, 2)).tanh(), o = sigmoid(u_o + this->gate_of(v, 3));
    const Vector c = f * this->before(at, 1) + i * g;
    this->after(at, 1) = c;
    this->after(at) = o * c.tanh();
    u_i = i;
    u_f = f;
    u_g = g;
    u_o = o;
  }

  void step_back(const At& at) {
    auto u_i = this->u(at, 0), u_f = this->u(at, 1), u_g = this->u(at, 2), u_o = this->u(at, 3);
    const Vector i = u_i, f = u_f, g = u_g, o = u_o, s = this->after(at, 1).tanh();
    auto dh = this->gradient(at), dc = this->gradient(at, 1);
    const Vector dnew_c = dc + dh * o * (1 - s * s);
    u_i = dnew_c * g * i * (1 - i);
    u_f = dnew_c * this->before(at, 1) * f * (1 - f);
    u_g = dnew_c * i * (1 - g * g);
    u_o = dh * s * o * (1 - o);
    dc = dnew_c * f;
    dh.setZero();
  }
};

}  // namespace byhand
