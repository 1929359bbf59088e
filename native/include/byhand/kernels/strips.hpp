// The pixels under the windows of a convolution, without writing every pixel down for every window.
#pragma once

#include <type_traits>

#include "byhand/kernels/window.hpp"

namespace byhand::kernels {

/// to = from, n numbers: whole vectors, then half ones, down to single numbers. For a few at a time,
/// which is what a row of a small image has.
template <class P, class T>
void copy_run(const T* from, T* to, Index n) {
  using namespace Eigen::internal;
  constexpr Index size = unpacket_traits<P>::size;
  using Half = typename unpacket_traits<P>::half;
  for (; n >= size; n -= size, from += size, to += size) pstoreu(to, ploadu<P>(from));
  if constexpr (!std::is_same_v<P, Half>) {
    copy_run<Half>(from, to, n);
  } else {
    for (Index k = 0; k < n; ++k) to[k] = from[k];
  }
}

/// to += from, in the same way as copy_run.
template <class P, class T>
void add_run(const T* from, T* to, Index n) {
  using namespace Eigen::internal;
  constexpr Index size = unpacket_traits<P>::size;
  using Half = typename unpacket_traits<P>::half;
  for (; n >= size; n -= size, from += size, to += size) {
    pstoreu(to, padd(ploadu<P>(to), ploadu<P>(from)));
  }
  if constexpr (!std::is_same_v<P, Half>) {
    add_run<Half>(from, to, n);
  } else {
    for (Index k = 0; k < n; ++k) to[k] += from[k];
  }
}

/// Where the strips of one channel lie, and the pixels in them.
///
/// The matrix of all windows, columns[(i, j), (p, q)] = pixel (s p + d i, s q + d j) of the image in
/// its border, would hold a pixel once for each of the kh kw elements of the kernel. Strip j holds the
/// pixels that column j of the kernel meets: of each row of the image those under q = 0, 1, ..., one
/// row behind the other. Rows whose numbers leave the same remainder by the stride are neighbours, so
/// a row of the matrix is a piece of a strip:
///
///     columns[(i, j), (p, q)] = strip j [start(i) + p Q + q]      Q windows across
///
/// and a pixel is there kw times. Behind each strip are zeros as long as a vector.
template <class T>
class Strips {
 public:
  Strips() = default;

  Strips(const Window& window, const Image& x)
      : window_(window),
        height_(x.height),
        width_(x.width),
        columns_(window.across.windows(x.width)),
        // As many as the last window's last row needs, in the border or not.
        rows_(window.down.windows(x.height) - 1 + shift(window.down.kernel - 1) / columns_ + 1),
        stride_(padded<T>(remainders() * part() + width<T>)) {}

  /// Remainders by the stride, and the length of the part of a strip with the rows of one of them.
  Index remainders() const { return window_.down.stride; }
  Index part() const { return rows_ * columns_; }

  /// From one strip to the next, and all those of a channel.
  Index stride() const { return stride_; }
  Index size() const { return window_.across.kernel * stride_; }

  /// Row i of the kernel: the remainder of the rows it meets, and where they start, in the part and in
  /// the strip.
  Index remainder(Index i) const { return i * window_.down.dilation % window_.down.stride; }
  Index shift(Index i) const { return i * window_.down.dilation / window_.down.stride * columns_; }
  Index start(Index i) const { return remainder(i) * part() + shift(i); }

  /// Where row (i, j) of the matrix starts, the k-th, among the strips.
  Index place(Index k) const {
    return k % window_.across.kernel * stride_ + start(k / window_.across.kernel);
  }

  /// Cuts the strips of a channel out of it, in a border of zeros.
  void cut(const T* channel, T* strips) const {
    each_row([&](Index at, Index first, Index end, Index pixel, bool inside) {
      T* to = strips + at;
      if (!inside) {
        std::fill_n(to, columns_, T(0));
        return;
      }
      std::fill_n(to, first, T(0));
      const T* from = channel + pixel;
      const Index step = window_.across.stride;
      if (step == 1) {
        copy_run<Packet<T>>(from, to + first, end - first);
      } else {
        for (Index q = first; q < end; ++q) to[q] = from[(q - first) * step];
      }
      std::fill(to + end, to + columns_, T(0));
    });
  }

  /// Adds the strips of a channel to it, where they were cut out: the derivative of `cut`.
  void add_back(const T* strips, T* channel) const {
    each_row([&](Index at, Index first, Index end, Index pixel, bool inside) {
      if (!inside) return;
      const T* from = strips + at + first;
      T* to = channel + pixel;
      const Index step = window_.across.stride;
      if (step == 1) {
        add_run<Packet<T>>(from, to, end - first);
      } else {
        for (Index q = 0; q < end - first; ++q) to[q * step] += from[q];
      }
    });
  }

 private:
  /// For each row of each strip: where it lies, which of its places have a pixel, where the first of
  /// those is in the channel, and whether there are any.
  template <class Body>
  void each_row(Body&& body) const {
    const Steps &down = window_.down, &across = window_.across;
    for (Index j = 0; j < across.kernel; ++j) {
      const Index first = std::min(across.first(j), columns_);
      const Index end = std::max(across.end(j, width_), first);
      for (Index remainder = 0, at = j * stride_; remainder < down.stride; ++remainder) {
        for (Index r = 0; r < rows_; ++r, at += columns_) {
          const Index y = r * down.stride + remainder - down.padding;
          body(at, first, end, y * width_ + across.pixel(first, j),
               first < end && y >= 0 && y < height_);
        }
      }
    }
  }

  Window window_{};
  Index height_ = 0, width_ = 0, columns_ = 0, rows_ = 0, stride_ = 0;
};

}  // namespace byhand::kernels
