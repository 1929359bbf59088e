// Average pooling. The Python twin is src/byhand/layers/average_pool2d.py.
#pragma once

#include "byhand/kernels/strips.hpp"
#include "byhand/layers/window.hpp"

namespace byhand {

/// y[n, c, p, q] = 1/(kh kw) sum over i, j of x^[n, c, s p + i, s q + j], where x^ is x in a border of
/// zeros, which count as well.
///
///   Derivative  every pixel of a window is given dy / (kh kw)
template <class T>
class AveragePool2D final : public Layer<T> {
 public:
  explicit AveragePool2D(const Settings& settings) : window_(window_of(settings)) {}

  Shape output_shape(const Shape& x) const override {
    return windowed_shape(window_, x, image_of(x).channels);
  }

  void reserve(Index, const Shape& x, int) override {
    x_ = image_of(x);
    y_ = windowed(window_, x_, x_.channels);
    strips_ = kernels::Strips<T>(window_, x_);
    cut_ = Buffer<T>(1, strips_.size());
  }

  void forward(ConstView<T> x, View<T> y, Pass<T>&) override {
    for (Index n = 0; n < x.rows(); ++n) {
      for (Index c = 0; c < x_.channels; ++c) {
        strips_.cut(row(x, n) + c * x_.pixels(), cut_.data());
        auto mean = y.row(n).segment(c * y_.pixels(), y_.pixels());
        mean = pixels(0);
        for (Index k = 1; k < window_.area(); ++k) mean += pixels(k);
        mean /= static_cast<T>(window_.area());
      }
    }
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>&) override {
    if (dx.size() == 0) return;
    dx.setZero();
    for (Index n = 0; n < dy.rows(); ++n) {
      for (Index c = 0; c < x_.channels; ++c) {
        std::fill_n(cut_.data(), strips_.size(), T(0));
        const auto dmean = dy.row(n).segment(c * y_.pixels(), y_.pixels());
        for (Index k = 0; k < window_.area(); ++k) {
          pixels(k) += dmean / static_cast<T>(window_.area());
        }
        strips_.add_back(cut_.data(), row(dx, n) + c * x_.pixels());
      }
    }
  }

 private:
  /// Pixel k of every window.
  auto pixels(Index k) {
    using Row = Eigen::Matrix<T, 1, Eigen::Dynamic>;
    return Eigen::Map<Row>(cut_.data() + strips_.place(k), y_.pixels());
  }

  Window window_;
  Image x_{}, y_{};
  kernels::Strips<T> strips_;
  Buffer<T> cut_;  // the strips of a channel, or their gradient
};

}  // namespace byhand
