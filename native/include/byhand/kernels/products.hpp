// The three products of a dense layer, each beside the plain Eigen expression that it replaces.
#pragma once

#include <vector>

#include "byhand/kernels/tile.hpp"
#include "byhand/threads.hpp"

namespace byhand {

/// The products as Eigen's own expressions: what the kernels below are tested against.
namespace plain {

/// z = x W + b
template <class T>
void affine(ConstView<T> x, ConstView<T> W, ConstView<T> b, View<T> z) {
  z.noalias() = x * W;
  z.rowwise() += b.row(0);
}

/// dW = xᵀ dz
template <class T>
void transposed_times(ConstView<T> x, ConstView<T> dz, View<T> dW) {
  dW.noalias() = x.transpose() * dz;
}

/// dx = dz Wᵀ
template <class T>
void times_transposed(ConstView<T> dz, ConstView<T> W, View<T> dx) {
  dx.noalias() = dz * W.transpose();
}

/// db = Σ_batch dz
template <class T>
void column_sums(ConstView<T> dz, View<T> db) {
  db.row(0) = dz.colwise().sum();
}

}  // namespace plain

/// The fast products, with what they share from call to call: a team of threads, and for each of
/// them a buffer in which a part of the right factor lies closely packed.
template <class T>
class Products {
 public:
  /// Multiply-adds from which on a product is shared out: below, waking the others costs more than
  /// they save.
  static constexpr Index kSharedWork = 4'000'000;

  /// Rows of dW that are handed on at once: few enough to stay in the nearest cache.
  static constexpr Index kBlockRows = 4 * kernels::kTileRows;

  /// deepest: the largest size that is summed over in the first or the third product.
  Products(int threads, Index deepest) : team_(threads) {
    const Index rows = (deepest + width<T> - 1) / width<T> * width<T>;
    for (int k = 0; k < threads; ++k) packed_.emplace_back(rows, kernels::tile_columns<T>);
  }

  /// z = x W + b
  void affine(ConstView<T> x, ConstView<T> W, ConstView<T> b, View<T> z) { product(x, W, b.data(), z); }

  /// z = x W
  void times(ConstView<T> x, ConstView<T> W, View<T> z) { product(x, W, nullptr, z); }

  /// dx = dz Wᵀ
  void times_transposed(ConstView<T> dz, ConstView<T> W, View<T> dx) {
    transposed<kernels::Left::plain>(dz, W, dx);
  }

  /// dx += dz Wᵀ
  void add_times_transposed(ConstView<T> dz, ConstView<T> W, View<T> dx) {
    transposed<kernels::Left::pieces>(dz, W, dx);
  }

  /// dW = xᵀ dz, never whole: `receive(i, j, block)` is given each finished block, from row i and
  /// column j on. A step can update W with it while it is still in the nearest cache, so that dW
  /// is neither written to memory nor read from it; with many examples the block of
  /// W is fetched meanwhile.
  template <class Receive>
  void transposed_times(ConstView<T> x, ConstView<T> dz, ConstView<T> W, Receive&& receive) {
    using kernels::tile_columns;
    const bool shared = x.size() * dz.cols() >= kSharedWork;
    team_.run(panels(dz.cols(), kernels::kTileVectors), shared, [&](Index panel, int) {
      const Index j = panel * tile_columns<T>;
      const Index vectors = vectors_from(j, dz.cols(), kernels::kTileVectors);
      alignas(64) T sums[kBlockRows * tile_columns<T>];
      for (Index i = 0; i < x.cols(); i += kBlockRows) {
        const Index rows = std::min(kBlockRows, x.cols() - i);
        kernels::run_tiles<T, kernels::Left::transposed>(
            rows, vectors,
            {x.data() + i, x.outerStride(), dz.data() + j, dz.outerStride(), x.rows(), nullptr,
             sums, tile_columns<T>,
             {W.data() + i * W.outerStride() + j, W.outerStride(), rows}});
        receive(i, j,
                ConstView<T>(sums, rows, vectors * width<T>,
                             Eigen::OuterStride<>(tile_columns<T>)));
      }
    });
  }

  /// db = Σ_batch dz, row by row: as memory lies.
  void column_sums(ConstView<T> dz, View<T> db) {
    for (Index n = 0; n < dz.rows(); ++n) {
      for (Index j = 0; j < dz.cols(); j += width<T>) {
        const ConstLane<T> one(dz.data() + n * dz.outerStride() + j);
        Lane<T> sum(db.data() + j);
        if (n == 0) {
          sum = one;
        } else {
          sum += one;
        }
      }
    }
  }

  Team& team() { return team_; }

 private:
  struct Right {
    const T* b;
    Index stride;
    kernels::Soon<T> soon{};  // where the next panel will be read from
  };

  /// How many panels of `across` vectors cover so many columns.
  static Index panels(Index columns, Index across) {
    return (columns + across * width<T> - 1) / (across * width<T>);
  }

  /// How many vectors the panel from column j on has.
  static Index vectors_from(Index j, Index columns, Index across) {
    return std::min(across, (columns - j + width<T> - 1) / width<T>);
  }

  /// z = start + x W
  void product(ConstView<T> x, ConstView<T> W, const T* start, View<T> z) {
    const Index across = x.rows() == 1 ? kernels::kRowVectors : kernels::kTileVectors;
    multiply<kernels::Left::plain>(x, W.cols(), across, start, z, [&](Index j, Index vectors, Index next, T* packed) {
      // Few examples: W is read hardly more often than it would be for packing it.
      if (x.rows() <= 2 * kernels::kTileRows) return Right{W.data() + j, W.outerStride()};
      for (Index k = 0; k < W.rows(); ++k) {
        const T* from = W.data() + k * W.outerStride() + j;
        T* to = packed + k * kernels::tile_columns<T>;
        for (Index v = 0; v < vectors * width<T>; v += width<T>) {
          Lane<T>(to + v) = ConstLane<T>(from + v);
        }
      }
      return Right{packed, kernels::tile_columns<T>,
                   {W.data() + next, W.outerStride(), next < W.cols() ? W.rows() : 0}};
    });
  }

  /// dx = dz Wᵀ, or dx += dz Wᵀ
  template <kernels::Left left>
  void transposed(ConstView<T> dz, ConstView<T> W, View<T> dx) {
    multiply<left>(dz, W.rows(), kernels::kTileVectors, nullptr, dx, [&](Index i, Index vectors, Index next, T* packed) {
      for (Index v = 0; v < vectors; ++v) transpose(W, i + v * width<T>, packed + v * width<T>);
      const Index rest = std::max<Index>(0, W.rows() - next) * W.outerStride();
      return Right{packed, kernels::tile_columns<T>,
                   {W.data() + next * W.outerStride(), kernels::tile_columns<T>,
                    rest / kernels::tile_columns<T>}};
    });
  }

  /// C = start + A B, one panel of `across` vectors after the other; right(j, vectors, packed) says where B
  /// lies from column j on. With Left::pieces, C += A B.
  template <kernels::Left left, class RightOf>
  void multiply(ConstView<T> a, Index columns, Index across, const T* start, View<T> c, RightOf&& right) {
    const bool shared = a.size() * columns >= kSharedWork;
    const Index threads = shared ? team_.size() : 1;
    team_.run(panels(columns, across), shared, [&](Index panel, int member) {
      const Index j = panel * across * width<T>;
      const Index vectors = vectors_from(j, columns, across);
      // The panel that this thread will probably have next: they take turns.
      const Index next = j + threads * across * width<T>;
      const Right b = right(j, vectors, next, packed_[static_cast<std::size_t>(member)].data());
      kernels::run_tiles<T, left>(
          a.rows(), vectors,
          {a.data(), a.outerStride(), b.b, b.stride, a.cols(), start ? start + j : nullptr,
           c.data() + j, c.outerStride(), b.soon, a.cols()});
    });
  }

  /// The rows of W from row i on, as many as a vector holds, as columns of `packed`.
  static void transpose(ConstView<T> W, Index i, T* packed) {
    using namespace Eigen::internal;
    for (Index j = 0; j < W.cols(); j += width<T>) {
      PacketBlock<Packet<T>, width<T>> block;
      for (Index r = 0; r < width<T>; ++r) {
        const bool inside = i + r < W.rows();
        block.packet[r] = inside ? pload<Packet<T>>(W.data() + (i + r) * W.outerStride() + j)
                                 : pset1<Packet<T>>(T(0));
      }
      ptranspose(block);
      for (Index r = 0; r < width<T>; ++r) {
        pstore(packed + (j + r) * kernels::tile_columns<T>, block.packet[r]);
      }
    }
  }

  Team team_;
  std::vector<Buffer<T>> packed_;
};

}  // namespace byhand
