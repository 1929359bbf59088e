// Max pooling. The Python twin is src/byhand/layers/max_pool2d.py.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "byhand/layers/window.hpp"

namespace byhand {

/// y[n, c, p, q] = max over i, j of x^[n, c, s p + i, s q + j], where x^ is x in a border of -infinity.
///
///   Derivative  all of dy goes to the pixel that y is a copy of. Which one it is, the window's switch,
///               is found in the forward pass: the first of the largest, row by row, or the first
///               that is not a number.
///
/// The largest of a window is the largest of the largest of its columns, so first the rows under a row
/// of windows are compared, from end to end, and then what is left of the columns. Threads share the
/// examples.
template <class T>
class MaxPool2D final : public Layer<T> {
 public:
  /// Numbers of x from which on threads share the examples: below, waking them costs more than they
  /// save.
  static constexpr Index kSharedNumbers = 250'000;

  explicit MaxPool2D(const Settings& settings) : window_(window_of(settings)) {}

  Shape output_shape(const Shape& x) const override {
    return windowed_shape(window_, x, image_of(x).channels);
  }

  void reserve(Index batch, const Shape& x, int threads) override {
    x_ = image_of(x);
    y_ = windowed(window_, x_, x_.channels);
    tops_.clear();
    for (int k = 0; k < threads; ++k) {
      Buffer<T> largest(1, y_.height * x_.width);
      std::vector<Switch> switches(static_cast<std::size_t>(largest.columns()));
      tops_.push_back({std::move(largest), std::move(switches)});
    }
    switches_.resize(static_cast<std::size_t>(batch * y_.channels * y_.pixels()));
  }

  void forward(ConstView<T> x, View<T> y, Pass<T>& pass) override {
    each_channel(x.rows(), pass, [&](Index n, Index c, Switch* switches, int member) {
      Tops& tops = tops_[static_cast<std::size_t>(member)];
      compare_rows(row(x, n) + c * x_.pixels(), tops);
      compare_columns(tops, row(y, n) + c * y_.pixels(), switches);
    });
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T> dy, View<T> dx, Pass<T>& pass) override {
    if (dx.size() == 0) return;
    each_channel(dy.rows(), pass, [&](Index n, Index c, const Switch* switches, int) {
      const T* from = row(dy, n) + c * y_.pixels();
      T* to = row(dx, n) + c * x_.pixels();
      std::fill_n(to, x_.pixels(), T(0));
      for (Index w = 0; w < y_.pixels(); ++w) to[switches[w]] += from[w];
    });
  }

 private:
  /// A pixel by its place in the channel; as wide as T, so that both fill the same vectors.
  using Switch = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

  /// The largest of the columns under each row of windows, and where they are: what one thread works
  /// in.
  struct Tops {
    Buffer<T> largest;
    std::vector<Switch> switches;
  };

  /// body(example, channel, its switches, member)
  template <class Body>
  void each_channel(Index batch, Pass<T>& pass, Body&& body) {
    const bool shared = batch * x_.channels * x_.pixels() >= kSharedNumbers;
    pass.products.team().run(batch, shared, [&](Index n, int member) {
      Switch* switches = switches_.data() + n * y_.channels * y_.pixels();
      for (Index c = 0; c < y_.channels; ++c, switches += y_.pixels()) body(n, c, switches, member);
    });
  }

  /// The largest of each column of pixels under each row of windows.
  void compare_rows(const T* channel, Tops& tops) const {
    for (Index p = 0; p < y_.height; ++p) {
      T* largest = tops.largest.data() + p * x_.width;
      Switch* switches = tops.switches.data() + p * x_.width;
      const Index begin = std::max<Index>(0, window_.down.pixel(p, 0));
      const Index end = std::min(x_.height, window_.down.pixel(p, window_.down.kernel));
      std::copy_n(channel + begin * x_.width, x_.width, largest);
      for (Index v = 0; v < x_.width; ++v) switches[v] = static_cast<Switch>(begin * x_.width + v);
      for (Index u = begin + 1; u < end; ++u) look_at_row(channel, u * x_.width, largest, switches);
    }
  }

  void look_at_row(const T* __restrict channel, Index first, T* __restrict largest,
                   Switch* __restrict switches) const {
    for (Index v = 0; v < x_.width; ++v) {
      const T now = channel[first + v], before = largest[v];
      const bool larger = (now > before) | ((now != now) & (before == before));
      largest[v] = larger ? now : before;
      switches[v] = larger ? static_cast<Switch>(first + v) : switches[v];
    }
  }

  /// The largest of those under each window.
  void compare_columns(const Tops& tops, T* y, Switch* switches) const {
    const Steps& across = window_.across;
    std::fill_n(y, y_.pixels(), -std::numeric_limits<T>::infinity());
    std::fill_n(switches, y_.pixels(), std::numeric_limits<Switch>::max());
    // Where windows lie side by side from edge to edge, all rows are one.
    const bool one = across.stride * y_.width == x_.width && across.padding == 0;
    const Index rows = one ? 1 : y_.height, width = one ? y_.pixels() : y_.width;
    for (Index p = 0; p < rows; ++p) {
      for (Index j = 0; j < across.kernel; ++j) {
        const Index first = one ? 0 : across.first(j);
        const Index end = one ? width : across.end(j, x_.width);
        const Index at = p * x_.width + across.pixel(first, j), to = p * width + first;
        const auto look = across.stride == 2 ? &look_at_columns<2> : &look_at_columns<0>;
        look(tops.largest.data() + at, tops.switches.data() + at, across.stride, end - first, y + to,
             switches + to);
      }
    }
  }

  /// A stride that is known to the compiler, if it is not 0, has vector instructions of its own.
  template <Index known>
  static void look_at_columns(const T* __restrict tops, const Switch* __restrict top_switches,
                              Index stride, Index count, T* __restrict largest,
                              Switch* __restrict switches) {
    for (Index q = 0; q < count; ++q) {
      const Index at = q * (known > 0 ? known : stride);
      const T now = tops[at], before = largest[q];
      const Switch here = top_switches[at], there = switches[q];
      const bool first = here < there;
      const bool larger = (now > before) | ((now == before) & first) |
                          ((now != now) & ((before == before) | first));
      largest[q] = larger ? now : before;
      switches[q] = larger ? here : there;
    }
  }

  Window window_;
  Image x_{}, y_{};
  std::vector<Tops> tops_;
  std::vector<Switch> switches_;
};

}  // namespace byhand
