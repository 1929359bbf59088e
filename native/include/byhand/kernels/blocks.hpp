// The products of a recurrent layer, whose parameters lie in blocks (see Parameter in layer.hpp).
#pragma once

#include "byhand/kernels/tile.hpp"

namespace byhand::kernels {

/// c = start + a B, where B is so many vectors of a block, from `b` on.
template <class T>
void times_block(ConstView<T> a, const T* b, Index b_stride, Index vectors, const T* start, T* c,
                 Index c_stride) {
  run_tiles<T, Left::plain>(
      a.rows(), vectors,
      {a.data(), a.outerStride(), b, b_stride, a.cols(), start, c, c_stride});
}

/// c = a^T B for so many columns of a, from `i` on.
template <class T>
void transposed_times_block(ConstView<T> a, Index i, Index columns, const T* b, Index b_stride,
                            Index vectors, T* c, Index c_stride) {
  run_tiles<T, Left::transposed>(
      columns, vectors,
      {a.data() + i, a.outerStride(), b, b_stride, a.rows(), nullptr, c, c_stride});
}

/// The transpose of a parameter in blocks, or of some of its gates, packed for products with rows that
/// lie in blocks too: c += a W^T.
template <class T>
class TransposedBlocks {
 public:
  TransposedBlocks() = default;

  /// Room for that of W[rows, gates units].
  TransposedBlocks(Index rows, Index blocks, Index gates)
      : rows_(rows),
        blocks_(blocks),
        gates_(gates),
        packed_(panels() * blocks * gates * width<T>, tile_columns<T>) {}

  /// Columns of c that are computed together.
  Index panels() const { return (rows_ + tile_columns<T> - 1) / tile_columns<T>; }

  /// body(block) for the blocks of units that a panel's columns are, where they are units.
  template <class Body>
  void each_block(Index panel, Body&& body) const {
    for (Index v = 0; v < vectors(panel); ++v) body(panel * kTileVectors + v);
  }

  /// Takes W in, from its gate `first` on.
  void pack(ConstView<T> W, Index first) {
    for (Index panel = 0; panel < panels(); ++panel) {
      T* to = packed(panel);
      for (Index block = 0; block < blocks_; ++block) {
        for (Index gate = first; gate < first + gates_; ++gate, to += width<T> * tile_columns<T>) {
          const T* from = row(W, block * rows_) + gate * width<T>;
          for (Index v = 0; v < vectors(panel); ++v) {
            transpose(from, W.outerStride(), (panel * kTileVectors + v) * width<T>, to + v * width<T>);
          }
        }
      }
    }
  }

  /// c += a W^T in the columns of a panel. The rows of `a` have their gates side by side, and the next
  /// block's are `a_piece` further on.
  void multiply_add(const T* a, Index a_stride, Index a_piece, Index panel, View<T> c) const {
    run_tiles<T, Left::pieces>(
        c.rows(), vectors(panel),
        {a, a_stride, packed(panel), tile_columns<T>, blocks_ * gates_ * width<T>, nullptr,
         c.data() + panel * tile_columns<T>, c.outerStride(), {}, gates_ * width<T>, a_piece});
  }

 private:
  T* packed(Index panel) const {
    return packed_.data() + panel * blocks_ * gates_ * width<T> * tile_columns<T>;
  }

  Index vectors(Index panel) const {
    return std::min(kTileVectors, (rows_ + width<T> - 1) / width<T> - panel * kTileVectors);
  }

  /// A vector from each of the rows from `first` on, as many as a vector holds, as columns.
  void transpose(const T* from, Index stride, Index first, T* to) const {
    using namespace Eigen::internal;
    PacketBlock<Packet<T>, width<T>> block;
    for (Index r = 0; r < width<T>; ++r) {
      block.packet[r] = first + r < rows_ ? pload<Packet<T>>(from + (first + r) * stride)
                                          : pset1<Packet<T>>(T(0));
    }
    ptranspose(block);
    for (Index r = 0; r < width<T>; ++r) pstore(to + r * tile_columns<T>, block.packet[r]);
  }

  Index rows_ = 0, blocks_ = 0, gates_ = 0;
  Buffer<T> packed_;
};

}  // namespace byhand::kernels
