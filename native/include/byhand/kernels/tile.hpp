// The innermost loop of every product: a tile of the result, held in registers.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "byhand/array.hpp"

#if defined(_MSC_VER) && !defined(__clang__)
#define BYHAND_INLINE __forceinline
#define BYHAND_UNROLL
#define BYHAND_FETCH(at) Eigen::internal::prefetch(at)
#elif defined(__clang__)
#define BYHAND_INLINE __attribute__((always_inline)) inline
#define BYHAND_UNROLL _Pragma("unroll")
#define BYHAND_FETCH(at) __builtin_prefetch(at, 0, 2)
#else
#define BYHAND_INLINE __attribute__((always_inline)) inline
#define BYHAND_UNROLL _Pragma("GCC unroll 32")
#define BYHAND_FETCH(at) __builtin_prefetch(at, 0, 2)  // into the second cache: the first is full
#endif

namespace byhand::kernels {

/// Two vectors across, and as many rows down as leave registers for two vectors of B and one
/// element of A: 12 x 2 sums of 32 registers, 6 x 2 of 16.
inline constexpr Index kTileVectors = 2;
inline constexpr Index kTileRows = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 12 : 6;

/// Three or four vectors across leave room for fewer rows: 8 x 3 or 6 x 4 sums.
template <Index vectors>
inline constexpr Index tile_rows = kTileRows * kTileVectors / std::max(vectors, kTileVectors);

template <class T>
inline constexpr Index tile_columns = kTileVectors * width<T>;

/// How many rows before they are wanted those of both factors are fetched, where the left one is a
/// transpose: they lie too far apart for the processor to see them coming.
inline constexpr Index kAhead = 12;

/// How the left factor is stored: as A, as its transpose, or as A in pieces, some columns after the
/// other; what is in pieces is added to C.
enum class Left { plain, transposed, pieces };

/// Memory that will be wanted soon: so many pieces, as wide as a tile and `stride` apart.
template <class T>
struct Soon {
  const T* at = nullptr;
  Index stride = 0;
  Index count = 0;
};

/// What tiles C = start + A B are made of. B, C and start are aligned to whole vectors.
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
  Soon<T> soon{};
  Index piece = 0;         // columns of a piece of A
  Index piece_stride = 0;  // from one piece to the next
  bool more = false;       // whether there is another tile below
};

/// Where a tile reads its factors at step k of the depth; the strides are kept in registers.
template <class T, Index rows, Left left>
struct TileCursor {
  explicit TileCursor(const TileOperands<T>& o)
      : a(o.a), a_stride(o.a_stride), b(o.b), b_stride(o.b_stride) {
    BYHAND_UNROLL
    for (Index r = 0; r < rows; ++r) row[r] = o.a + r * o.a_stride;
  }

  BYHAND_INLINE T element(Index r) const { return left == Left::transposed ? a[r] : row[r][k]; }

  BYHAND_INLINE void advance() {
    ++k;
    a += a_stride;
    b += b_stride;
  }

  /// From the end of a piece to the start of the next.
  BYHAND_INLINE void jump(Index distance) {
    BYHAND_UNROLL
    for (Index r = 0; r < rows; ++r) row[r] += distance;
  }

  const T* row[rows];
  const T* a;
  Index a_stride;
  const T* b;
  Index b_stride;
  Index k = 0;
};

/// One step of the depth: sum[r][v] += A[r, k] * B[k, v].
template <class T, Index rows, Index vectors, Left left>
BYHAND_INLINE void tile_step(TileCursor<T, rows, left>& at, Packet<T> (&sum)[rows][vectors]) {
  using namespace Eigen::internal;
  Packet<T> b[vectors];
  BYHAND_UNROLL
  for (Index v = 0; v < vectors; ++v) b[v] = pload<Packet<T>>(at.b + v * width<T>);
  BYHAND_UNROLL
  for (Index r = 0; r < rows; ++r) {
    const Packet<T> a = pset1<Packet<T>>(at.element(r));
    BYHAND_UNROLL
    for (Index v = 0; v < vectors; ++v) sum[r][v] = pmadd(a, b[v], sum[r][v]);
  }
  at.advance();
}

/// All steps up to this depth, in turn for each of the splits.
template <class T, Index rows, Index vectors, Left left, Index splits>
BYHAND_INLINE void tile_depth(TileCursor<T, rows, left>& at,
                              Packet<T> (&sum)[splits][rows][vectors], Index end) {
  while (at.k + splits <= end) {
    BYHAND_UNROLL
    for (Index s = 0; s < splits; ++s) tile_step<T, rows, vectors, left>(at, sum[s]);
  }
  if constexpr (splits > 1) {
    while (at.k < end) tile_step<T, rows, vectors, left>(at, sum[0]);
  }
}

/// C = start + A B for `rows` rows of `vectors` vectors.
///
/// In plain Eigen this is C.noalias() = A * B. Here every sum stays in a register over the whole
/// depth, and an element of A is spread over a register once for all vectors of B, so that a
/// multiply-add costs half a load: thin matrices keep the arithmetic units as busy as square ones,
/// which general blocking and packing would not.
template <class T, Index rows, Index vectors, Left left>
void tile(const TileOperands<T>& o) {
  using namespace Eigen::internal;
  // A multiply-add takes four cycles and two start in each: fewer than eight sums would wait for
  // themselves, so these are split over the depth and added up at the end.
  constexpr Index splits = rows * vectors >= 8 ? 1 : 8 / (rows * vectors);
  Packet<T> sum[splits][rows][vectors];
  BYHAND_UNROLL
  for (Index v = 0; v < vectors; ++v) {
    const Packet<T> start = o.start ? pload<Packet<T>>(o.start + v * width<T>) : pset1<Packet<T>>(T(0));
    BYHAND_UNROLL
    for (Index r = 0; r < rows; ++r) {
      sum[0][r][v] = left == Left::pieces ? pload<Packet<T>>(o.c + r * o.c_stride + v * width<T>) : start;
      BYHAND_UNROLL
      for (Index s = 1; s < splits; ++s) sum[s][r][v] = pset1<Packet<T>>(T(0));
    }
  }
  TileCursor<T, rows, left> at(o);
  const Index depth = o.depth;
  if constexpr (left == Left::pieces) {
    for (Index end = o.piece; end < depth; end += o.piece) {
      tile_depth<T, rows, vectors, left, splits>(at, sum, end);
      at.jump(o.piece_stride - o.piece);
    }
  } else if constexpr (splits == 1) {
    // Asked for one piece at a time: the caches take only so many wishes at once.
    const T* soon = o.soon.at;
    for (const Index asked = std::min(o.soon.count, depth); at.k < asked; soon += o.soon.stride) {
      BYHAND_UNROLL
      for (Index v = 0; v < vectors; ++v) prefetch(soon + v * width<T>);
      tile_step<T, rows, vectors, left>(at, sum[0]);
    }
    constexpr bool high = rows == tile_rows<vectors>;
    if constexpr (left == Left::plain && high) {
      // The rows of A for the tile below, a cache line of each at a time.
      constexpr Index line = 64 / sizeof(T);
      while (o.more && at.k + line <= depth) {
        BYHAND_UNROLL
        for (Index r = 0; r < rows; ++r) BYHAND_FETCH(o.a + (rows + r) * o.a_stride + at.k);
        for (const Index end = at.k + line; at.k < end;) tile_step<T, rows, vectors, left>(at, sum[0]);
      }
    } else if constexpr (left == Left::transposed && high) {
      while (at.k + kAhead < depth) {
        const T* a = at.a + kAhead * at.a_stride;
        prefetch(a);
        prefetch(a + rows - 1);
        BYHAND_UNROLL
        for (Index v = 0; v < vectors; ++v) prefetch(at.b + kAhead * at.b_stride + v * width<T>);
        tile_step<T, rows, vectors, left>(at, sum[0]);
      }
    }
  }
  tile_depth<T, rows, vectors, left, splits>(at, sum, depth);
  T* c = o.c;
  const Index c_stride = o.c_stride;
  BYHAND_UNROLL
  for (Index r = 0; r < rows; ++r, c += c_stride) {
    BYHAND_UNROLL
    for (Index v = 0; v < vectors; ++v) {
      BYHAND_UNROLL
      for (Index s = 1; s < splits; ++s) sum[0][r][v] = padd(sum[0][r][v], sum[s][r][v]);
      pstore(c + v * width<T>, sum[0][r][v]);
    }
  }
}

/// A single row takes as many vectors at once as 16 registers leave room for: it reads the rows of B
/// in long stretches.
inline constexpr Index kRowVectors = 13;

/// How many of the rows that are left the next tile takes: all or as many as fit, unless the last
/// tile would then be so low that it could not keep the arithmetic units busy.
constexpr Index next_rows(Index left, Index most) {
  if (left > most && left < most + 4) return left / 2;
  return left < most ? left : most;
}

/// C = start + A B for any number of rows of `vectors` vectors: one tile below the other.
template <class T, Index vectors, Left left>
void tiles(Index rows, TileOperands<T> o) {
  using Function = void (*)(const TileOperands<T>&);
  static constexpr auto low = []<Index... r>(std::integer_sequence<Index, r...>) {
    return std::array<Function, sizeof...(r)>{&tile<T, r + 1, vectors, left>...};
  }(std::make_integer_sequence<Index, tile_rows<vectors>>{});
  for (Index now; rows > 0; rows -= now) {
    now = next_rows(rows, tile_rows<vectors>);
    o.more = rows > now;
    if (now == tile_rows<vectors>) {
      tile<T, tile_rows<vectors>, vectors, left>(o);
    } else {
      low[now - 1](o);
    }
    o.a += left == Left::transposed ? now : now * o.a_stride;
    o.c += now * o.c_stride;
    o.soon.at += std::min(o.soon.count, o.depth) * o.soon.stride;
    o.soon.count -= std::min(o.soon.count, o.depth);
  }
}

/// The same for up to four vectors, or for a single row of up to kRowVectors.
template <class T, Left left>
void run_tiles(Index rows, Index vectors, const TileOperands<T>& operands) {
  using Function = void (*)(const TileOperands<T>&);
  static constexpr auto one_row = []<Index... v>(std::integer_sequence<Index, v...>) {
    return std::array<Function, kRowVectors>{&tile<T, 1, v + 1, left>...};
  }(std::make_integer_sequence<Index, kRowVectors>{});
  if (rows == 1) return one_row[vectors - 1](operands);
  if (vectors == 1) return tiles<T, 1, left>(rows, operands);
  if (vectors == kTileVectors) return tiles<T, kTileVectors, left>(rows, operands);
  if (vectors == 3) return tiles<T, 3, left>(rows, operands);
  tiles<T, 4, left>(rows, operands);
}

}  // namespace byhand::kernels
