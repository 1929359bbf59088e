// How a layer over images is told of its windows and of its image.
#pragma once

#include "byhand/kernels/window.hpp"
#include "byhand/layers/layer.hpp"

namespace byhand {

/// From kernel_height, kernel_width and so on; only a convolution has a dilation.
inline Window window_of(const Settings& settings) {
  const auto steps = [&](const std::string& way) {
    const auto number = [&](const char* name) {
      return static_cast<Index>(setting(settings, name + way));
    };
    const bool dilated = settings.contains("dilation" + way);
    return Steps{number("kernel"), number("stride"), number("padding"),
                 dilated ? number("dilation") : 1};
  };
  return {steps("_height"), steps("_width")};
}

inline Image image_of(const Shape& x) {
  if (x.size() != 3) throw std::invalid_argument("an example of x is not an image");
  return {x[0], x[1], x[2]};
}

inline Shape shape_of(const Image& image) { return {image.channels, image.height, image.width}; }

/// The shape of what windows make of x, with so many channels.
inline Shape windowed_shape(const Window& window, const Shape& x, Index channels) {
  const Image y = windowed(window, image_of(x), channels);
  if (y.pixels() == 0) throw std::invalid_argument("an example of x is smaller than a window");
  return shape_of(y);
}

}  // namespace byhand
