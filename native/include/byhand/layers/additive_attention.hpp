// Attention as it was first: how well two vectors fit is what a small network says of them. The Python
// twin is src/byhand/layers/additive_attention.py, with the derivation.
#pragma once

#include <cmath>
#include <limits>

#include "byhand/layers/layer.hpp"

namespace byhand {

/// c = softmax(v^T tanh(s W + h U)) h, where h is the memory.
///
///   Shapes       s[batch, queries, query]   h[batch, source, annotation]   c[batch, queries, annotation]
///   Derivatives  de = p * (dp - sum of dp * p)      dv = sum of de t      da = de v * (1 - t^2)
///                dW = s^T sum_j da                  ds = sum_j da W^T
///                dU = h^T sum_i da                  dh = sum_i da U^T + p^T dc
template <class T>
class AdditiveAttention final : public Layer<T> {
 public:
  explicit AdditiveAttention(const Settings& settings)
      : query_(static_cast<Index>(setting(settings, "query"))),
        annotation_(static_cast<Index>(setting(settings, "annotation"))),
        hidden_(static_cast<Index>(setting(settings, "hidden"))) {
    this->parameters.push_back({"W", true, Buffer<T>(query_, hidden_)});
    this->parameters.push_back({"U", true, Buffer<T>(annotation_, hidden_)});
    this->parameters.push_back({"v", true, Buffer<T>(1, hidden_)});
  }

  Shape output_shape(const Shape& s) const override {
    if (s.size() != 2 || s.back() != query_) {
      throw std::invalid_argument("AdditiveAttention: s and W differ in their axis query");
    }
    return {s[0], annotation_};
  }
  bool reads_x() const override { return true; }

  void reserve(Index batch, const Shape& s, int) override {
    time_ = s[0];
    for (auto* each : {&a_s_, &da_s_}) *each = Buffer<T>(batch * time_, hidden_);
    dv_ = Buffer<T>(batch, hidden_);
    dv_sum_ = Buffer<T>(1, hidden_);
  }

  void forward(ConstView<T> given, View<T> c, Pass<T>& pass) override {
    const Index rows = given.rows(), batch = rows / time_, source = pass.memory->source;
    const ConstView<T> s = without_padding(given, s_, pass.real);
    const ConstView<T> h = without_padding(pass.memory->m, h_, pass.memory->real);
    for (auto* each : {&a_h_, &da_h_}) make_room(*each, h.rows(), hidden_);
    make_room(t_, rows * source, hidden_);
    for (auto* each : {&p_, &de_}) make_room(*each, rows, source);
    pass.products.times(s, w(0), a_s_.top(rows));
    pass.products.times(h, w(1), a_h_.top(h.rows()));
    const bool* real = pass.memory->real;
    each_example(batch, source, pass, [&](Index n) {
      for (Index r = n; r < rows; r += batch) {
        T* p = row(p_.all(), r);
        T top = -std::numeric_limits<T>::infinity();
        for (Index j = 0; j < source; ++j) {
          p[j] = -std::numeric_limits<T>::infinity();
          if (!seen(real, j * batch + n)) continue;
          numbers(t(r, j, source)) = (numbers(row(a_s_.all(), r)) + numbers(row(a_h_.all(), j * batch + n))).tanh();
          p[j] = (numbers(t(r, j, source)) * numbers(v())).sum();
          top = std::max(top, p[j]);
        }
        T Z = 0;
        for (Index j = 0; j < source; ++j) Z += p[j] = seen(real, j * batch + n) ? std::exp(p[j] - top) : T(0);
        c.row(r).setZero();
        for (Index j = 0; j < source && Z > 0; ++j) {
          p[j] /= Z;
          if (p[j] > 0) c.row(r) += p[j] * h.row(j * batch + n);
        }
      }
    });
    clear_padding(c, pass.real);
  }

  void backward(ConstView<T> given, ConstView<T>, ConstView<T> asked, View<T> ds, Pass<T>& pass) override {
    const Memory<T>& memory = *pass.memory;
    const Index rows = given.rows(), batch = rows / time_, source = memory.source;
    const ConstView<T> s = pass.real == nullptr ? given : constant(s_.top(rows));
    const ConstView<T> h = memory.real == nullptr ? memory.m : constant(h_.top(memory.m.rows()));
    const ConstView<T> dc = without_padding(asked, dc_, pass.real);
    View<T> dm = memory.dm;
    da_s_.top(rows).setZero();
    da_h_.top(h.rows()).setZero();
    dv_.top(batch).setZero();
    each_example(batch, source, pass, [&](Index n) {
      for (Index r = n; r < rows; r += batch) {
        if (pass.real != nullptr && !pass.real[r]) continue;
        const T* p = row(p_.all(), r);
        T* de = row(de_.all(), r);
        T mean = 0;
        for (Index j = 0; j < source; ++j) {
          if (!seen(memory.real, j * batch + n)) continue;
          de[j] = dc.row(r).dot(h.row(j * batch + n));  // dp
          mean += de[j] * p[j];
          dm.row(j * batch + n) += p[j] * dc.row(r);
        }
        for (Index j = 0; j < source; ++j) {
          if (!seen(memory.real, j * batch + n)) continue;
          const T one = p[j] * (de[j] - mean);
          auto t_now = numbers(t(r, j, source));
          numbers(row(dv_.all(), n)) += one * t_now;
          t_now = one * numbers(v()) * (T(1) - t_now.square());  // da, in the place of t
          numbers(row(da_s_.all(), r)) += t_now;
          numbers(row(da_h_.all(), j * batch + n)) += t_now;
        }
      }
    });
    const ConstView<T> da_s = constant(da_s_.top(rows)), da_h = constant(da_h_.top(h.rows()));
    if (ds.size() > 0) pass.products.times_transposed(da_s, w(0), ds);
    pass.products.add_times_transposed(da_h, w(1), dm);
    pass.products.column_sums(constant(dv_.top(batch)), dv_sum_.all());
    receive_product(s, da_s, this->parameters[0], pass);
    receive_product(h, da_h, this->parameters[1], pass);
    pass.gradients->receive(this->parameters[2], 0, 0, constant(dv_sum_.all()));
  }

 private:
  using Numbers = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;

  /// Numbers of t from which on the examples are shared out.
  static constexpr Index kShared = 50'000;

  template <class Body>
  void each_example(Index batch, Index source, Pass<T>& pass, Body&& body) {
    const bool shared = batch * time_ * source * hidden_ >= kShared;
    pass.products.team().run(batch, shared, [&](Index n, int) { body(n); });
  }

  static bool seen(const bool* real, Index r) { return real == nullptr || real[r]; }

  ConstView<T> w(std::size_t k) { return constant(this->parameters[k].value.all()); }
  T* v() { return this->parameters[2].value.data(); }
  T* t(Index r, Index j, Index source) { return row(t_.all(), r * source + j); }
  Numbers numbers(T* at) const { return Numbers(at, hidden_); }

  Index query_, annotation_, hidden_;
  Index time_ = 1;
  Buffer<T> s_, h_, dc_, a_s_, a_h_, da_s_, da_h_, t_, p_, de_, dv_, dv_sum_;
};

}  // namespace byhand
