// A convolution in plain Eigen: what the fast products of convolution.hpp are tested against.
#pragma once

#include <Eigen/Core>

#include "byhand/kernels/window.hpp"

namespace byhand {

/// The sizes of a convolution. In C++ W[out, in/groups, kh, kw] is a matrix, with a row for each
/// output channel.
struct ConvolutionSizes {
  Image x, z;
  Window window;
  Index groups;

  ConvolutionSizes(const Image& image, Index out, const Window& moved, Index parts)
      : x(image), z(windowed(moved, image, out)), window(moved), groups(parts) {}

  /// Of one group: channels in and out, and the rows of the matrix of all its windows.
  Index in() const { return x.channels / groups; }
  Index out() const { return z.channels / groups; }
  Index depth() const { return in() * window.area(); }
  Index multiply_adds() const { return z.channels * z.pixels() * depth(); }  // of one image
};

/// Its products with the matrix of all windows, which is written out.
namespace plain {

template <class T>
using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// body(row, column, pixel): for each element (c, i, j) of the kernel and each window (p, q) the pixel
/// of the image that they meet on; not where they meet in the border.
template <class Body>
void each_meeting(const ConvolutionSizes& s, Index group, Body&& body) {
  const Steps &down = s.window.down, &across = s.window.across;
  for (Index k = 0; k < s.depth(); ++k) {
    const Index j = k % across.kernel, i = k / across.kernel % down.kernel;
    const Index c = group * s.in() + k / s.window.area();
    for (Index w = 0; w < s.z.pixels(); ++w) {
      const Index u = down.pixel(w / s.z.width, i), v = across.pixel(w % s.z.width, j);
      if (u < 0 || u >= s.x.height || v < 0 || v >= s.x.width) continue;
      body(k, w, (c * s.x.height + u) * s.x.width + v);
    }
  }
}

/// The image's row n as the matrix of all windows of a group.
template <class T>
Rows<T> columns(const ConvolutionSizes& s, ConstView<T> x, Index n, Index group) {
  Rows<T> all = Rows<T>::Zero(s.depth(), s.z.pixels());
  each_meeting(s, group, [&](Index k, Index w, Index pixel) { all(k, w) = x(n, pixel); });
  return all;
}

/// A group's part of row n of z or dz, with a row for each channel.
template <class Any>
auto channels(const ConvolutionSizes& s, Any&& z, Index n, Index group) {
  return z.row(n)
      .segment(group * s.out() * s.z.pixels(), s.out() * s.z.pixels())
      .template reshaped<Eigen::RowMajor>(s.out(), s.z.pixels());
}

/// z = x * W + b
template <class T>
void convolve(const ConvolutionSizes& s, ConstView<T> x, ConstView<T> W, ConstView<T> b, View<T> z) {
  for (Index n = 0; n < x.rows(); ++n) {
    for (Index g = 0; g < s.groups; ++g) {
      auto zg = channels(s, z, n, g);
      zg = W.middleRows(g * s.out(), s.out()) * columns(s, x, n, g);
      zg.colwise() += b.row(0).segment(g * s.out(), s.out()).transpose();
    }
  }
}

/// dW = sum of dz times the windows
template <class T>
void weight_gradient(const ConvolutionSizes& s, ConstView<T> x, ConstView<T> dz, View<T> dW) {
  dW.setZero();
  for (Index n = 0; n < x.rows(); ++n) {
    for (Index g = 0; g < s.groups; ++g) {
      dW.middleRows(g * s.out(), s.out()) += channels(s, dz, n, g) * columns(s, x, n, g).transpose();
    }
  }
}

/// dx = dz times W, each window's added back where it was cut out
template <class T>
void input_gradient(const ConvolutionSizes& s, ConstView<T> dz, ConstView<T> W, View<T> dx) {
  dx.setZero();
  for (Index n = 0; n < dz.rows(); ++n) {
    for (Index g = 0; g < s.groups; ++g) {
      const Rows<T> windows =
          W.middleRows(g * s.out(), s.out()).transpose() * channels(s, dz, n, g);
      each_meeting(s, g, [&](Index k, Index w, Index pixel) { dx(n, pixel) += windows(k, w); });
    }
  }
}

}  // namespace plain

}  // namespace byhand
