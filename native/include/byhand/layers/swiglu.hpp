// The gated feed-forward layer of Llama. The Python twin is src/byhand/layers/swiglu.py, with the
// derivation.
#pragma once

#include "byhand/layers/sigmoid.hpp"

namespace byhand {

/// y = h W2 with h = g * s * u, g = x W, s = sigma(g), u = x V
///
///   Shapes       x, y[batch, width] or with time in between   W, V[width, hidden]   W2[hidden, width]
///   Derivatives  dW2 = h^T dy                dh = dy W2^T
///                du = dh * g * s             dg = dh * u * s * (1 + g (1 - s))
///                dV = x^T du                 dW = x^T dg
///                dx = dg W^T + du V^T
template <class T>
class SwiGLU final : public Layer<T> {
 public:
  explicit SwiGLU(const Settings& settings)
      : width_(static_cast<Index>(setting(settings, "width"))),
        hidden_(static_cast<Index>(setting(settings, "hidden"))) {
    this->parameters.push_back({"W", true, Buffer<T>(width_, hidden_)});
    this->parameters.push_back({"V", true, Buffer<T>(width_, hidden_)});
    this->parameters.push_back({"W2", true, Buffer<T>(hidden_, width_)});
  }

  Shape output_shape(const Shape& x) const override {
    if (x.empty() || x.size() > 2 || x.back() != width_) {
      throw std::invalid_argument("SwiGLU: x and W differ in their axis width");
    }
    return x;
  }
  bool reads_x() const override { return true; }

  void reserve(Index batch, const Shape& x, int) override {
    for (auto* each : {&g_, &u_, &s_, &h_, &dg_, &du_}) make_room(*each, batch * places(x), hidden_);
  }

  void forward(ConstView<T> x, View<T> y, Pass<T>& pass) override {
    const Index rows = x.rows();
    pass.products.times(x, constant(W().value.all()), g_.top(rows));  // g = x W
    pass.products.times(x, constant(V().value.all()), u_.top(rows));  // u = x V
    auto g = flat(g_.top(rows)), u = flat(u_.top(rows)), s = flat(s_.top(rows));
    s = sigmoid(g);
    flat(h_.top(rows)) = g * s * u;
    pass.products.times(constant(h_.top(rows)), constant(W2().value.all()), y);  // y = h W2
  }

  void backward(ConstView<T> x, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    const Index rows = x.rows();
    pass.products.times_transposed(dy, constant(W2().value.all()), du_.top(rows));  // dh = dy W2^T
    auto g = flat(g_.top(rows)), u = flat(u_.top(rows)), s = flat(s_.top(rows));
    auto dg = flat(dg_.top(rows)), du = flat(du_.top(rows));
    dg = du * u * s * (1 + g * (1 - s));
    du *= g * s;
    if (dx.size() > 0) {
      pass.products.times_transposed(constant(dg_.top(rows)), constant(W().value.all()), dx);
      pass.products.add_times_transposed(constant(du_.top(rows)), constant(V().value.all()), dx);
    }
    receive_product(constant(h_.top(rows)), dy, W2(), pass);              // dW2 = h^T dy
    receive_product(x, constant(dg_.top(rows)), W(), pass);               // dW = x^T dg
    receive_product(x, constant(du_.top(rows)), V(), pass);               // dV = x^T du
  }

 private:
  Parameter<T>& W() { return this->parameters[0]; }
  Parameter<T>& V() { return this->parameters[1]; }
  Parameter<T>& W2() { return this->parameters[2]; }

  Index width_, hidden_;
  Buffer<T> g_, u_, s_, h_, dg_, du_;
};

}  // namespace byhand
