// The operands of the products that are tested.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "byhand/array.hpp"
#include "byhand/randomness.hpp"

namespace byhand {

/// Random numbers from -1 to 1, and what is not a number in the padding: no result may read it.
template <class T>
Buffer<T> random(Index rows, Index columns, std::uint64_t seed) {
  Buffer<T> buffer(rows, columns);
  std::fill_n(buffer.data(), rows * buffer.stride(), std::numeric_limits<T>::quiet_NaN());
  Philox generator = stream(seed, Purpose::parameters);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) {
      buffer.all()(i, j) = static_cast<T>(2 * generator.uniform() - 1);
    }
  }
  return buffer;
}

template <class T>
ConstView<T> view(const Buffer<T>& buffer) {
  return constant(buffer.all());
}

}  // namespace byhand
