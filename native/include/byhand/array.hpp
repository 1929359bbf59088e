// Arrays of the engine: rows of an example or of a weight matrix each, padded to whole vectors.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <memory>
#include <new>

namespace byhand {

using Eigen::Index;

/// One register full of numbers: 16 floats with AVX-512, 8 with AVX, 4 with SSE and NEON.
template <class T>
using Packet = typename Eigen::internal::packet_traits<T>::type;

template <class T>
inline constexpr Index width = Eigen::internal::packet_traits<T>::size;

/// A matrix somebody else holds, in rows: element (n, j) is at data()[n * outerStride() + j].
template <class T>
using View = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
                        Eigen::Unaligned, Eigen::OuterStride<>>;

template <class T>
using ConstView = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
                             Eigen::Unaligned, Eigen::OuterStride<>>;

/// One register full of an array, for expressions that read like the equation: w -= rate * dw.
template <class T>
using Lane = Eigen::Map<Eigen::Array<T, width<T>, 1>, Eigen::AlignedMax>;

template <class T>
using ConstLane = Eigen::Map<const Eigen::Array<T, width<T>, 1>, Eigen::AlignedMax>;

/// Where row n starts.
template <class AnyView>
auto* row(AnyView view, Index n) {
  return view.data() + n * view.outerStride();
}

/// A view of nothing, for a gradient that nobody asks for.
template <class T>
View<T> nothing() {
  return View<T>(nullptr, 0, 0, Eigen::OuterStride<>(0));
}

/// Columns of a row with its padding.
template <class T>
constexpr Index padded(Index columns) {
  constexpr Index line = 64 / sizeof(T);
  constexpr Index unit = width<T> > line ? width<T> : line;
  Index units = (columns + unit - 1) / unit;
  // Rows an even number of cache lines apart would share few sets of the cache.
  if (units >= 8 && units % 2 == 0) ++units;
  return units * unit;
}

/// A matrix of its own: aligned, every row padded to whole vectors, zero at first.
///
/// The padding takes part in vector operations over whole rows. No result reads it: products run
/// over the true columns of their left factor, sums over true columns.
template <class T>
class Buffer {
 public:
  Buffer() = default;

  Buffer(Index rows, Index columns)
      : rows_(rows), columns_(columns), stride_(padded<T>(columns)) {
    const auto bytes = static_cast<std::size_t>(rows * stride_) * sizeof(T);
    data_.reset(static_cast<T*>(::operator new(bytes ? bytes : 1, std::align_val_t(64))));
    std::fill_n(data_.get(), rows * stride_, T(0));
  }

  Index rows() const { return rows_; }
  Index columns() const { return columns_; }
  Index stride() const { return stride_; }
  T* data() const { return data_.get(); }
  explicit operator bool() const { return data_ != nullptr; }

  /// The first rows.
  View<T> top(Index rows) const {
    return View<T>(data(), rows, columns_, Eigen::OuterStride<>(stride_));
  }
  View<T> all() const { return top(rows_); }

 private:
  struct Free {
    void operator()(T* data) const { ::operator delete(data, std::align_val_t(64)); }
  };
  Index rows_ = 0, columns_ = 0, stride_ = 0;
  std::unique_ptr<T, Free> data_;
};

/// Makes a buffer of so many rows at least; what it held is lost where it grows.
template <class T>
void make_room(Buffer<T>& buffer, Index rows, Index columns) {
  if (buffer.rows() < rows || buffer.columns() != columns) buffer = Buffer<T>(rows, columns);
}

/// All elements of a buffer's view in one row, its padding with them: for elementwise functions.
template <class T>
auto flat(View<T> view) {
  using Flat = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::AlignedMax>;
  return Flat(view.data(), view.rows() * view.outerStride());
}

template <class T>
auto flat(ConstView<T> view) {
  using Flat = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::AlignedMax>;
  return Flat(view.data(), view.rows() * view.outerStride());
}

template <class T>
ConstView<T> constant(View<T> view) {
  return ConstView<T>(view.data(), view.rows(), view.cols(), Eigen::OuterStride<>(view.outerStride()));
}

}  // namespace byhand
