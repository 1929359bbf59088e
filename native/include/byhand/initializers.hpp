// How parameters start. The Python twin is src/byhand/initializers.py, which has more of them:
// parameters drawn there can be loaded here.
//
// The streams are named as in Python, so a seed means the same here from run to run. The numbers
// are not Python's: NumPy makes normals from the same bits by another method (the ziggurat). They
// have the same distribution.
#pragma once

#include <cmath>
#include <numbers>

#include "byhand/layers/sequential.hpp"
#include "byhand/randomness.hpp"

namespace byhand {

/// A number drawn from N(0, 1).
///
/// Source  Box, Muller, "A note on the generation of random normal deviates", 1958.
inline double standard_normal(Philox& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));  // of a number above 0
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

/// w ~ N(0, 1/in): z keeps the standard deviation of the inputs.
///
/// Source  LeCun et al., Efficient BackProp (1998), eq. 16.
template <class T>
void normal_fan_in(Parameter<T>& w, Philox& random) {
  const double root = std::sqrt(static_cast<double>(w.rows()));
  w.each_run([&](Index, Index to, Index count) {
    for (Index k = to; k < to + count; ++k) {
      w.value.data()[k] = static_cast<T>(standard_normal(random) / root);
    }
  });
}

/// w = 0. Right for biases; weights that all start equal stay equal.
template <class T>
void zeros(View<T> w) {
  w.setZero();
}

/// Draws all weights and sets all biases to zero. Layer k has a stream of its own, so its numbers
/// do not depend on the layers around it.
template <class T>
void initialize(Sequential<T>& model, std::uint64_t seed) {
  for (std::size_t k = 0; k < model.size(); ++k) {
    Philox random = stream(seed, Purpose::parameters, k);
    for (auto* w : model.layer(k).all_parameters()) {
      if (w->weight) {
        normal_fan_in(*w, random);
      } else {
        zeros(w->value.all());
      }
    }
  }
}

}  // namespace byhand
