// Windows that slide over an image: what convolution and pooling have in common. The Python twin is
// src/byhand/layers/windows.py.
#pragma once

#include <algorithm>

#include "byhand/array.hpp"

namespace byhand {

/// How a window moves along one axis of an image. Window p has its element i on the pixel
/// stride p + dilation i - padding, outside the image where it lies in the border.
struct Steps {
  Index kernel, stride = 1, padding = 0, dilation = 1;

  /// How many windows there are on so many pixels.
  Index windows(Index pixels) const {
    const Index room = pixels + 2 * padding - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
  }

  Index pixel(Index p, Index i) const { return p * stride + i * dilation - padding; }

  /// The windows whose element i lies on a pixel of the image: from the first up to the end.
  Index first(Index i) const { return (std::max<Index>(0, -pixel(0, i)) + stride - 1) / stride; }
  Index end(Index i, Index pixels) const {
    const Index reach = pixels - 1 - pixel(0, i);
    return reach < 0 ? 0 : std::min(windows(pixels), reach / stride + 1);
  }
};

/// The steps down and across an image.
struct Window {
  Steps down, across;

  Index area() const { return down.kernel * across.kernel; }
};

/// The axes of an image, which lies in memory row by row, channel by channel.
struct Image {
  Index channels, height, width;

  Index pixels() const { return height * width; }
};

/// The image that windows make of another: one number for each window, in so many channels.
inline Image windowed(const Window& window, const Image& x, Index channels) {
  return {channels, window.down.windows(x.height), window.across.windows(x.width)};
}

}  // namespace byhand
