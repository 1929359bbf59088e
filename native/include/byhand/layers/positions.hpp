// What layers that add a position share. The Python twin is src/byhand/layers/positions.py.
#pragma once

#include <vector>

#include "byhand/layers/layer.hpp"

namespace byhand {

/// y = x + P[position]: what stands where. A position is the number of real steps before; padding has
/// y = 0.
///
///   Shapes      x, y[batch, time, features]   P[positions, features]   state[batch], the steps so far
///   Derivative  dx = dy where a step is real, else 0
template <class T>
class Positions : public Layer<T> {
 public:
  explicit Positions(const Settings& settings)
      : features_(static_cast<Index>(setting(settings, "features"))) {}

  Shape output_shape(const Shape& x) const override {
    if (x.size() != 2 || x.back() != features_) {
      throw std::invalid_argument("an example of a layer of positions is no sequence of features");
    }
    return x;
  }

  void reserve(Index batch, const Shape& x, int) override {
    time_ = x[0];
    before_.assign(static_cast<std::size_t>(batch), T(0));
    now_ = before_;
  }

  Index state_size() const override { return 1; }
  void start(const T* state, Index batch) override {
    for (Index n = 0; n < batch; ++n) before_[static_cast<std::size_t>(n)] = state ? state[n] : T(0);
  }
  void finish(T* state, Index batch) const override { std::copy_n(now_.data(), batch, state); }

  void forward(ConstView<T> x, View<T> y, Pass<T>& pass) override {
    now_ = before_;
    each_row(x.rows(), [&](Index r, Index n) {
      if (pass.real != nullptr && !pass.real[r]) {
        y.row(r).setZero();
        return;
      }
      numbers(y, r) = numbers(x, r) + Numbers(row_of(next(n)), features_);
    });
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    now_ = before_;
    begin_gradient();
    each_row(dy.rows(), [&](Index r, Index n) {
      const bool real = pass.real == nullptr || pass.real[r];
      if (real) add_gradient(next(n), row(dy, r));
      if (dx.size() == 0) return;
      if (real) {
        dx.row(r) = dy.row(r);
      } else {
        dx.row(r).setZero();
      }
    });
    end_gradient(pass);
  }

 protected:
  using Numbers = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

  /// P[position]
  virtual const T* row_of(Index position) = 0;

  /// Where P is a parameter: its gradient is made of what each step adds to its row.
  virtual void begin_gradient() {}
  virtual void add_gradient(Index /*position*/, const T* /*dy*/) {}
  virtual void end_gradient(Pass<T>& /*pass*/) {}

  Index features_;

 private:
  static Numbers numbers(ConstView<T> a, Index r) { return Numbers(row(a, r), a.cols()); }
  static auto numbers(View<T> a, Index r) {
    return Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>(row(a, r), a.cols());
  }

  /// The position of the next real step of example n.
  Index next(Index n) { return static_cast<Index>(now_[static_cast<std::size_t>(n)]++); }

  template <class Body>
  void each_row(Index rows, Body&& body) const {
    const Index batch = rows / time_;
    for (Index r = 0; r < rows; ++r) body(r, r % batch);
  }

  Index time_ = 1;
  std::vector<T> before_, now_;  // real steps of each example
};

}  // namespace byhand
