// Attention whose score is the product of the two vectors, with a matrix between them. The Python twin
// is src/byhand/layers/general_attention.py.
#pragma once

#include "byhand/layers/dot_attention.hpp"

namespace byhand {

/// c = softmax(s W h^T) h, where h is the memory: DotAttention of q = s W.
///
///   Derivatives  dW = s^T dq      ds = dq W^T
template <class T>
class GeneralAttention final : public Layer<T> {
 public:
  explicit GeneralAttention(const Settings& settings) {
    this->parameters.push_back({"W", true,
                                Buffer<T>(static_cast<Index>(setting(settings, "query")),
                                          static_cast<Index>(setting(settings, "annotation")))});
  }

  Shape output_shape(const Shape& s) const override {
    if (s.size() != 2 || s.back() != this->parameters[0].value.rows()) {
      throw std::invalid_argument("GeneralAttention: s and W differ in their axis query");
    }
    return {s[0], this->parameters[0].value.columns()};
  }
  bool reads_x() const override { return true; }
  bool reads_y() const override { return true; }

  void reserve(Index batch, const Shape& s, int threads) override {
    const Shape q = output_shape(s);
    for (auto* each : {&q_, &dq_}) *each = Buffer<T>(batch * places(q), columns(q));
    dot_.reserve(batch, q, threads);
  }

  void forward(ConstView<T> given, View<T> c, Pass<T>& pass) override {
    const ConstView<T> s = without_padding(given, s_, pass.real);
    pass.products.times(s, constant(W().value.all()), q_.top(s.rows()));
    dot_.forward(constant(q_.top(s.rows())), c, pass);
  }

  void backward(ConstView<T> given, ConstView<T> c, ConstView<T> dc, View<T> ds, Pass<T>& pass) override {
    const Index rows = given.rows();
    const ConstView<T> s = pass.real == nullptr ? given : constant(s_.top(rows));
    dot_.backward(constant(q_.top(rows)), c, dc, dq_.top(rows), pass);
    if (ds.size() > 0) pass.products.times_transposed(constant(dq_.top(rows)), constant(W().value.all()), ds);
    receive_product(s, constant(dq_.top(rows)), W(), pass);
  }

 private:
  Parameter<T>& W() { return this->parameters[0]; }

  DotAttention<T> dot_;
  Buffer<T> s_, q_, dq_;
};

}  // namespace byhand
