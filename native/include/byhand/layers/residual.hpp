// A path around some layers. The Python twin is src/byhand/layers/residual.py.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "byhand/layers/sequential.hpp"

namespace byhand {

/// y = x + f(x), where f is layers one after the other.
///
///   Derivative  dx = dy + f'(x)^T dy
template <class T>
class Residual final : public Layer<T> {
 public:
  explicit Residual(std::vector<std::unique_ptr<Layer<T>>> layers) : f_(std::move(layers)) {}

  Shape output_shape(const Shape& x) const override {
    if (f_.output_of(x) != x) throw std::invalid_argument("Residual: x and f(x) differ in their shapes");
    return x;
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
    flat(y) = flat(x) + flat(constant(f_.y(batch)));
  }

  void backward(ConstView<T> x, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    f_.backward_from(x, dy, dx, x.rows() / places_, pass);
    if (dx.size() > 0) flat(dx) += flat(dy);
  }

  void update_statistics() override { f_.update_statistics(); }

  std::vector<Parameter<T>*> all_parameters() override { return f_.parameters(); }
  std::vector<Layer<T>*> all_over_steps() override { return f_.all_over_steps(); }

 private:
  Sequential<T> f_;
  Index places_ = 1;
};

}  // namespace byhand
