// Work on rows, shared by the threads of a team.
#pragma once

#include <algorithm>

#include "byhand/array.hpp"
#include "byhand/threads.hpp"

namespace byhand::kernels {

/// Numbers from which on an elementwise function is shared out: below, waking the others costs more
/// than they save.
inline constexpr Index kSharedNumbers = 100'000;

/// body(first, count, member) for parts of so many rows, each of some numbers.
template <class Body>
void in_parts(Team& team, Index rows, Index columns, Body&& body) {
  constexpr Index kPart = 64;
  team.run((rows + kPart - 1) / kPart, rows * columns >= kSharedNumbers, [&](Index part, int member) {
    const Index first = part * kPart;
    body(first, std::min(kPart, rows - first), member);
  });
}

/// Some rows of a view.
template <class AnyView>
AnyView some_rows(const AnyView& a, Index first, Index count) {
  return AnyView(a.data() + first * a.outerStride(), count, a.cols(),
                 Eigen::OuterStride<>(a.outerStride()));
}

/// each(at) for all vectors of so many rows with this stride, from `first` on.
template <class T, class Each>
void each_lane(Index first, Index count, Index stride, Each&& each) {
  for (Index at = first * stride; at < (first + count) * stride; at += width<T>) each(at);
}

}  // namespace byhand::kernels
