// What some layers make of their input, put beside it. The Python twin is
// src/byhand/layers/concatenation.py.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "byhand/layers/sequential.hpp"

namespace byhand {

/// y = (x, f(x)), side by side, where f is layers one after the other.
///
///   Derivative  dx = dy[:, :in] + f'(x)^T dy[:, in:]
template <class T>
class Concatenation final : public Layer<T> {
 public:
  explicit Concatenation(std::vector<std::unique_ptr<Layer<T>>> layers) : f_(std::move(layers)) {}

  Shape output_shape(const Shape& x) const override {
    Shape y = f_.output_of(x);
    if (y.size() != x.size() || !std::equal(x.begin(), x.end() - 1, y.begin())) {
      throw std::invalid_argument("Concatenation: x and f(x) differ in more than their last axis");
    }
    y.back() += x.back();
    return y;
  }
  bool reads_x() const override { return f_.layer(0).reads_x(); }

  void reserve(Index batch, const Shape& x, int threads) override {
    f_.reshape(x);
    f_.reserve(batch, threads);
    places_ = places(x);
  }

  void forward(ConstView<T> x, View<T> y, Pass<T>& pass) override {
    const Index batch = x.rows() / places_;
    f_.forward_from(x, batch, pass);
    y.leftCols(x.cols()) = x;
    y.rightCols(y.cols() - x.cols()) = f_.y(batch);
  }

  void backward(ConstView<T> x, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    const Index batch = x.rows() / places_;
    f_.dy(batch) = dy.rightCols(dy.cols() - x.cols());
    f_.backward_from(x, constant(f_.dy(batch)), dx, batch, pass);
    if (dx.size() > 0) dx += dy.leftCols(x.cols());
  }

  void update_statistics() override { f_.update_statistics(); }

  std::vector<Parameter<T>*> all_parameters() override { return f_.parameters(); }
  std::vector<Layer<T>*> all_over_steps() override { return f_.all_over_steps(); }

 private:
  Sequential<T> f_;
  Index places_ = 1;
};

}  // namespace byhand
