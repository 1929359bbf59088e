// The innermost loop of every product: a tile of the result, held in registers.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "byhand/array.hpp"

#if defined(_MSC_VER) && !defined(__clang__)
#define BYHAND_INLINE __forceinline
#define BYHAND_UNROLL
#elif defined(__clang__)
#define BYHAND_INLINE __attribute__((always_inline)) inline
#define BYHAND_UNROLL _Pragma("unroll")
#else
#define BYHAND_INLINE __attribute__((always_inline)) inline
#define BYHAND_UNROLL _Pragma("GCC unroll 16")
#endif

namespace byhand::kernels {

/// Two vectors across, and as many rows down as leave registers for two vectors of B and one
/// element of A: 12 x 2 sums of 32 registers, 6 x 2 of 16.
inline constexpr Index kTileVectors = 2;
inline constexpr Index kTileRows = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 12 : 6;

template <class T>
inline constexpr Index tile_columns = kTileVectors * width<T>;

/// How the left factor is stored: as A, or as its transpose.
enum class Left { plain, transposed };

/// What a tile C = start + A B is made of. B, C and start are aligned to whole vectors.
template <class T>
struct TileOperands {
  const T* a;  // element (r, k) at a[r * a_stride + k], of the transpose at a[k * a_stride + r]
  Index a_stride;
  const T* b;  // element (k, j) at b[k * b_stride + j]
  Index b_stride;
  Index depth;     // how many k there are
  const T* start;  // one row that every row of C starts from, or null for zero
  T* c;            // element (r, j) at c[r * c_stride + j]
  Index c_stride;
  // What will be wanted soon: so many rows, each as wide as the tile.
  const T* soon = nullptr;
  Index soon_stride = 0;
  Index soon_rows = 0;
};

/// One step of the depth: sum[r][v] += A[r, k] * B[k, v].
template <class T, Index rows, Index vectors, Left left>
BYHAND_INLINE void tile_step(const TileOperands<T>& o, const T* const (&row)[rows], Index k,
                             Packet<T> (&sum)[rows][vectors]) {
  using namespace Eigen::internal;
  Packet<T> b[vectors];
  BYHAND_UNROLL
  for (Index v = 0; v < vectors; ++v) b[v] = pload<Packet<T>>(o.b + k * o.b_stride + v * width<T>);
  BYHAND_UNROLL
  for (Index r = 0; r < rows; ++r) {
    const Packet<T> a = pset1<Packet<T>>(left == Left::plain ? row[r][k] : o.a[k * o.a_stride + r]);
    BYHAND_UNROLL
    for (Index v = 0; v < vectors; ++v) sum[r][v] = pmadd(a, b[v], sum[r][v]);
  }
}

/// C = start + A B for `rows` rows of `vectors` vectors.
///
/// In plain Eigen this is C.noalias() = A * B. Here every sum stays in a register over the whole
/// depth, and an element of A is spread over a register once for all vectors of B, so that a
/// multiply-add costs half a load: thin matrices keep the arithmetic units as busy as square ones,
/// which general blocking and packing would not.
template <class T, Index rows, Index vectors, Left left>
void tile(const TileOperands<T> o) {
  using namespace Eigen::internal;
  // A multiply-add takes four cycles and two start in each: fewer than eight sums would wait for
  // themselves, so these are split over the depth and added up at the end.
  constexpr Index splits = rows * vectors >= 8 ? 1 : 8 / (rows * vectors);
  Packet<T> sum[splits][rows][vectors];
  const T* row[rows];
  BYHAND_UNROLL
  for (Index r = 0; r < rows; ++r) {
    row[r] = o.a + r * o.a_stride;
    BYHAND_UNROLL
    for (Index v = 0; v < vectors; ++v) {
      sum[0][r][v] = o.start ? pload<Packet<T>>(o.start + v * width<T>) : pset1<Packet<T>>(T(0));
      BYHAND_UNROLL
      for (Index s = 1; s < splits; ++s) sum[s][r][v] = pset1<Packet<T>>(T(0));
    }
  }
  Index k = 0;
  if constexpr (splits == 1) {
    // Asked for one row at a time, since the caches take only so many wishes at once.
    const Index wishes = std::min(o.soon_rows, o.depth);
    for (; k < wishes; ++k) {
      BYHAND_UNROLL
      for (Index v = 0; v < vectors; ++v) prefetch(o.soon + k * o.soon_stride + v * width<T>);
      tile_step<T, rows, vectors, left>(o, row, k, sum[0]);
    }
  }
  for (; k + splits <= o.depth; k += splits) {
    BYHAND_UNROLL
    for (Index s = 0; s < splits; ++s) tile_step<T, rows, vectors, left>(o, row, k + s, sum[s]);
  }
  if constexpr (splits > 1) {
    for (; k < o.depth; ++k) tile_step<T, rows, vectors, left>(o, row, k, sum[0]);
  }
  BYHAND_UNROLL
  for (Index r = 0; r < rows; ++r) {
    BYHAND_UNROLL
    for (Index v = 0; v < vectors; ++v) {
      BYHAND_UNROLL
      for (Index s = 1; s < splits; ++s) sum[0][r][v] = padd(sum[0][r][v], sum[s][r][v]);
      pstore(o.c + r * o.c_stride + v * width<T>, sum[0][r][v]);
    }
  }
}

/// A single row takes more vectors at once: it reads the rows of B in long stretches.
inline constexpr Index kRowVectors = 8;

/// The tile with as many rows and vectors as asked for: up to kTileRows x kTileVectors, or a row of
/// up to kRowVectors.
template <class T, Left left>
BYHAND_INLINE void run_tile(Index rows, Index vectors, const TileOperands<T>& operands) {
  using Function = void (*)(TileOperands<T>);
  static constexpr auto tiles = []<Index... r>(std::integer_sequence<Index, r...>) {
    return std::array<std::array<Function, kTileVectors>, kTileRows>{
        {{&tile<T, r + 1, 1, left>, &tile<T, r + 1, 2, left>}...}};
  }(std::make_integer_sequence<Index, kTileRows>{});
  static constexpr auto one_row = []<Index... v>(std::integer_sequence<Index, v...>) {
    return std::array<Function, kRowVectors>{&tile<T, 1, v + 1, left>...};
  }(std::make_integer_sequence<Index, kRowVectors>{});
  const Function run = rows == 1 ? one_row[vectors - 1] : tiles[rows - 1][vectors - 1];
  run(operands);
}

/// How many of the rows that are left the next tile takes: all or as many as fit, unless the last
/// tile would then be so low that it could not keep the arithmetic units busy.
constexpr Index next_rows(Index left) {
  if (left > kTileRows && left < kTileRows + 4) return left / 2;
  return left < kTileRows ? left : kTileRows;
}

}  // namespace byhand::kernels
