// The innermost loops of a convolution: sums held in registers, as in tile.hpp. There the sums lie
// two vectors across, since the rows of a weight matrix do; here they are one vector of windows
// across and as high as registers allow, since an image may have few windows.
#pragma once

#include "byhand/kernels/tile.hpp"

namespace byhand::kernels {

inline constexpr bool kManyRegisters = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;

/// The most rows of a column.
inline constexpr Index kColumnRows = kManyRegisters ? 24 : 12;

/// How high the next column is, when so many rows are left: they are shared out evenly. There are
/// columns of 1, 2 and multiples of 4 rows, so the last one may be higher than what is left.
constexpr Index column_rows(Index left) {
  const Index columns = (left + kColumnRows - 1) / kColumnRows;
  const Index rows = (left + columns - 1) / columns;
  return rows <= 2 ? rows : (rows + 3) / 4 * 4;
}

/// The rows of all columns that cover so many.
constexpr Index covered(Index rows) {
  Index all = 0;
  for (; rows > all;) all += column_rows(rows - all);
  return all;
}

/// What a column C = start + A B is made of.
template <class T>
struct ColumnOperands {
  const T* a;       // element (r, k) at a[k * rows + r], with the column's own number of rows
  const T* b;       // the vector of row k of B at b + at[k]
  const Index* at;
  Index depth;      // how many k there are
  const T* start;   // a number for each row, or null: C starts from what it holds
  T* c;             // the vector of row r of C at c + r * stride
  Index stride;
  Index rows;       // how many of the rows are wanted
};

/// C = start + A B for one vector across. A lies closely packed in the order in which it is read.
template <class T, Index rows>
void column(const ColumnOperands<T>& o) {
  using namespace Eigen::internal;
  Packet<T> sum[rows];
  BYHAND_UNROLL
  for (Index r = 0; r < rows; ++r) {
    sum[r] = pset1<Packet<T>>(T(0));
    if (r >= o.rows) continue;
    sum[r] = o.start ? pset1<Packet<T>>(o.start[r]) : ploadu<Packet<T>>(o.c + r * o.stride);
  }
  const T *a = o.a, *b = o.b;
  for (const Index *at = o.at, *end = at + o.depth; at < end; ++at, a += rows) {
    const Packet<T> vector = ploadu<Packet<T>>(b + *at);
    BYHAND_UNROLL
    for (Index r = 0; r < rows; ++r) sum[r] = pmadd(pset1<Packet<T>>(a[r]), vector, sum[r]);
  }
  T* c = o.c;
  BYHAND_UNROLL
  for (Index r = 0; r < rows; ++r, c += o.stride) {
    if (r < o.rows) pstoreu(c, sum[r]);
  }
}

/// The same for a number of rows that column_rows gives.
template <class T>
void run_column(Index rows, const ColumnOperands<T>& operands) {
  switch (rows) {
    case 1: return column<T, 1>(operands);
    case 2: return column<T, 2>(operands);
    case 4: return column<T, 4>(operands);
    case 8: return column<T, 8>(operands);
    case 12: return column<T, 12>(operands);
    case 16: return column<T, kManyRegisters ? 16 : 1>(operands);
    case 20: return column<T, kManyRegisters ? 20 : 1>(operands);
    case 24: return column<T, kManyRegisters ? 24 : 1>(operands);
  }
}

/// A block of inner products is so high and so wide.
inline constexpr Index kDotRows = kManyRegisters ? 5 : 3, kDotColumns = kManyRegisters ? 5 : 4;

/// Two sets of long vectors, each in as many pieces as there are images.
template <class T>
struct DotOperands {
  const T* a[kDotRows];
  const T* b[kDotColumns];
  Index a_image, b_image;  // from one piece to the next
  Index images;
  Index length;            // of a piece, a multiple of the vector's
};

/// sums[r][s] = a_r . b_s, over all pieces. Both factors are read as they lie: a register holds as many
/// partial sums as it has places, and they are added up once, at the end.
template <class T>
void dots(const DotOperands<T>& o, T (&sums)[kDotRows][kDotColumns]) {
  using namespace Eigen::internal;
  Packet<T> sum[kDotRows][kDotColumns];
  BYHAND_UNROLL
  for (Index r = 0; r < kDotRows; ++r) {
    BYHAND_UNROLL
    for (Index s = 0; s < kDotColumns; ++s) sum[r][s] = pset1<Packet<T>>(T(0));
  }
  for (Index n = 0; n < o.images; ++n) {
    const T *a[kDotRows], *b[kDotColumns];
    BYHAND_UNROLL
    for (Index r = 0; r < kDotRows; ++r) a[r] = o.a[r] + n * o.a_image;
    BYHAND_UNROLL
    for (Index s = 0; s < kDotColumns; ++s) b[s] = o.b[s] + n * o.b_image;
    for (Index p = 0; p < o.length; p += width<T>) {
      Packet<T> right[kDotColumns];
      BYHAND_UNROLL
      for (Index s = 0; s < kDotColumns; ++s) right[s] = ploadu<Packet<T>>(b[s] + p);
      BYHAND_UNROLL
      for (Index r = 0; r < kDotRows; ++r) {
        const Packet<T> left = ploadu<Packet<T>>(a[r] + p);
        BYHAND_UNROLL
        for (Index s = 0; s < kDotColumns; ++s) sum[r][s] = pmadd(left, right[s], sum[r][s]);
      }
    }
  }
  BYHAND_UNROLL
  for (Index r = 0; r < kDotRows; ++r) {
    BYHAND_UNROLL
    for (Index s = 0; s < kDotColumns; ++s) sums[r][s] = predux(sum[r][s]);
  }
}

}  // namespace byhand::kernels
