// One head of attention, in memory that does not grow with the square of the length.
#pragma once

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "byhand/kernels/tile.hpp"

namespace byhand::kernels {

/// Rows that lie somewhere, `step` numbers from one to the next.
template <class T>
struct Strip {
  T* first;
  Index step;

  T* row(Index i) const { return first + i * step; }
};

/// Keys and values. Query i stands at key past + i.
template <class T>
struct Seen {
  Strip<T> k, v;
  Index count, past;
  const bool* real;  // which of them are no padding, real_step apart; null where all are
  Index real_step;
};

/// y = softmax(q k^T / sqrt(d)) v for one head, with its derivative, by blocks of keys.
///
/// p[i, j] = e^S[i, j] / Z[i] is never written down whole. Forwards, m[i] is the largest S[i, j] so far
/// and Z[i] and y[i] are sums of e^(S[i, j] - m[i]) and of v times that; when a block has a larger one,
/// both are scaled by e^(m - new m). What is kept is log Z + m, from which backwards each block has its
/// p again, as e^(S - log Z - m).
///
///   Source  Milakov, Gimelshein, Online normalizer calculation for softmax (2018), algorithm 3;
///           Dao et al., FlashAttention (2022), algorithms 1 and 4.
template <class T>
class Look {
 public:
  /// Keys and queries of a block.
  static constexpr Index kKeys = 4 * width<T>;
  static constexpr Index kQueries = 16;

  /// The queries of one head, with what they gave and what is asked of them.
  struct Queries {
    Strip<T> q, y, dy, dq, log_sum;
  };

  Look(Index d, Index time, bool causal) : Look(d, time, causal, T(1) / std::sqrt(static_cast<T>(d))) {}

  /// The same with another factor in the place of 1/sqrt(d).
  Look(Index d, Index time, bool causal, T scale)
      : d_(d),
        time_(time),
        causal_(causal),
        scale_(scale),
        kt_(d, kKeys),
        vt_(d, kKeys),
        k_(kKeys, d),
        v_(kKeys, d),
        dk_(kKeys, d),
        dv_(kKeys, d),
        part_(std::max(kKeys, kQueries), d),
        q_(time, d),
        y_(time, d),
        p_(time, kKeys),
        ds_(time, kKeys),
        top_(static_cast<std::size_t>(time)),
        sum_(static_cast<std::size_t>(time)) {}

  void forward(const Seen<T>& seen, Strip<T> q, Strip<T> y, Strip<T> log_sum) {
    if (time_ == 1) return forward_one(seen, q.first, y.first, log_sum.first);
    y_.all().setZero();
    std::fill(top_.begin(), top_.end(), -kInfinity);
    std::fill(sum_.begin(), sum_.end(), T(0));
    for (Index j = 0; j < seen.count; j += kKeys) {
      const Index keys = std::min(kKeys, seen.count - j);
      transpose(seen.k, j, keys, scale_, kt_);
      copy(seen.v, j, keys, T(1), v_);
      for (Index r = 0; r < keys; ++r) {
        if (!is_real(seen, j + r)) some(v_.data() + r * v_.stride()).setZero();  // 0 times it may be no number
      }
      each_block(seen, j, keys, [&](Index i, Index rows, Index limit) {
        product<Left::plain>(rows, limit, {q.row(i), q.step, kt_.data(), kt_.stride(), d_, nullptr,
                                           p_.data(), p_.stride()});
        for (Index r = 0; r < rows; ++r) take(seen, i + r, j, limit, p_.data() + r * p_.stride());
        product<Left::pieces>(rows, d_, {p_.data(), p_.stride(), v_.data(), v_.stride(), limit, nullptr,
                                         y_.data() + i * y_.stride(), y_.stride(), {}, limit});
      });
    }
    for (Index i = 0; i < time_; ++i) {
      const T Z = sum_[static_cast<std::size_t>(i)];
      // Who may look at nothing has y = 0 and no p.
      if (Z > 0) {
        some(y.row(i)) = some(y_.data() + i * y_.stride()) / Z;
      } else {
        some(y.row(i)).setZero();
      }
      *log_sum.row(i) = Z > 0 ? top_[static_cast<std::size_t>(i)] + std::log(Z) : kInfinity;
    }
  }

  /// dk and dv of keys that a group of heads shares; of(one) has the queries of one of them, whose dq
  /// it fills.
  template <class Of>
  void backward(const Seen<T>& seen, Strip<T> dk, Strip<T> dv, Index group, Of&& of) {
    for (Index j = 0; j < seen.count; j += kKeys) {
      const Index keys = std::min(kKeys, seen.count - j);
      transpose(seen.k, j, keys, T(1), kt_);
      transpose(seen.v, j, keys, T(1), vt_);
      copy(seen.k, j, keys, scale_, k_);
      dk_.all().setZero();
      dv_.all().setZero();
      for (Index one = 0; one < group; ++one) backward_head(seen, j, keys, of(one));
      for (Index r = 0; r < keys; ++r) {
        some(dk.row(j + r)) = some(dk_.data() + r * dk_.stride());
        some(dv.row(j + r)) = some(dv_.data() + r * dv_.stride());
      }
    }
  }

 private:
  using Numbers = Eigen::Array<T, Eigen::Dynamic, 1>;
  static constexpr T kInfinity = std::numeric_limits<T>::infinity();

  auto some(T* at) const { return Eigen::Map<Numbers>(at, d_); }

  /// The first so many rows of a strip times a factor, and zeros behind them.
  void copy(Strip<T> from, Index first, Index count, T factor, const Buffer<T>& to) const {
    for (Index r = 0; r < count; ++r) some(to.data() + r * to.stride()) = some(from.row(first + r)) * factor;
    for (Index r = count; r < to.rows(); ++r) some(to.data() + r * to.stride()).setZero();
  }

  /// The same as columns, in squares of whole vectors where they fit.
  void transpose(Strip<T> from, Index first, Index count, T factor, const Buffer<T>& to) const {
    using namespace Eigen::internal;
    for (Index r = 0; r < kKeys; r += width<T>) {
      for (Index c = 0; c < d_; c += width<T>) {
        T* square = to.data() + c * to.stride() + r;
        if (r + width<T> <= count && c + width<T> <= d_) {
          PacketBlock<Packet<T>, width<T>> block;
          for (Index k = 0; k < width<T>; ++k) {
            block.packet[k] = pmul(ploadu<Packet<T>>(from.row(first + r + k) + c), pset1<Packet<T>>(factor));
          }
          ptranspose(block);
          for (Index k = 0; k < width<T>; ++k) pstore(square + k * to.stride(), block.packet[k]);
          continue;
        }
        for (Index k = 0; k < std::min(width<T>, d_ - c); ++k) {
          for (Index n = 0; n < width<T>; ++n) {
            square[k * to.stride() + n] = r + n < count ? from.row(first + r + n)[c + k] * factor : T(0);
          }
        }
      }
    }
  }

  /// C = A B, or C += A B, for any number of columns.
  template <Left left>
  static void product(Index rows, Index columns, TileOperands<T> o) {
    for (Index v = (columns + width<T> - 1) / width<T>; v > 0; v -= 4) {
      run_tiles<T, left>(rows, std::min<Index>(v, 4), o);
      o.b += 4 * width<T>;
      o.c += 4 * width<T>;
    }
  }

  /// body(i, rows, limit) for the blocks of queries of which some may look at the keys from j on, the
  /// last of them at the first `limit`.
  template <class Body>
  void each_block(const Seen<T>& seen, Index j, Index keys, Body&& body) const {
    for (Index i = 0; i < time_; i += kQueries) {
      const Index rows = std::min(kQueries, time_ - i);
      const Index limit = causal_ ? std::min(keys, seen.past + i + rows - j) : keys;
      if (limit > 0) body(i, rows, limit);
    }
  }

  /// How many of `limit` keys from j on query i may look at.
  Index allowed(const Seen<T>& seen, Index i, Index j, Index limit) const {
    return causal_ ? std::clamp<Index>(seen.past + i + 1 - j, 0, limit) : limit;
  }

  static bool is_real(const Seen<T>& seen, Index j) {
    return seen.real == nullptr || seen.real[j * seen.real_step];
  }

  /// From S[i, j...] to e^(S - m), with m and Z and what is there of y.
  void take(const Seen<T>& seen, Index i, Index j, Index limit, T* s) {
    const Index count = allowed(seen, i, j, limit), all = whole(limit);
    cover(seen, j, count, all, -kInfinity, s);
    T& top = top_[static_cast<std::size_t>(i)];
    T& sum = sum_[static_cast<std::size_t>(i)];
    const T largest = std::max(top, vectors(s, all).maxCoeff());
    if (largest == -kInfinity) {
      vectors(s, all).setZero();
      return;
    }
    if (largest > top) {
      if (top > -kInfinity) {
        const T factor = std::exp(top - largest);
        sum *= factor;
        some(y_.data() + i * y_.stride()) *= factor;
      }
      top = largest;
    }
    exponentials(s, all, largest);
    cover(seen, j, count, all, T(0), s);  // exactly 0
    sum += vectors(s, all).sum();
  }

  static Index whole(Index columns) { return (columns + width<T> - 1) / width<T> * width<T>; }

  /// So many numbers, in whole vectors.
  static auto vectors(T* s, Index count) { return Eigen::Map<Numbers, Eigen::AlignedMax>(s, count); }

  static void exponentials(T* s, Index count, T less) {
    for (Index c = 0; c < count; c += width<T>) Lane<T>(s + c) = (Lane<T>(s + c) - less).exp();
  }

  /// Writes a number where nobody may look: from `count` on, up to `all`, and for padding.
  static void cover(const Seen<T>& seen, Index j, Index count, Index all, T number, T* s) {
    using namespace Eigen::internal;
    const Packet<T> place = plset<Packet<T>>(T(0)), numbers = pset1<Packet<T>>(number);
    for (Index c = count / width<T> * width<T>; c < all; c += width<T>) {
      const Packet<T> seen_here = pcmp_lt(place, pset1<Packet<T>>(static_cast<T>(count - c)));
      pstore(s + c, pselect(seen_here, pload<Packet<T>>(s + c), numbers));
    }
    for (Index c = 0; seen.real != nullptr && c < count; ++c) {
      if (!is_real(seen, j + c)) s[c] = number;
    }
  }

  void backward_head(const Seen<T>& seen, Index j, Index keys, const Queries& of) {
    copy(of.q, 0, time_, scale_, q_);
    copy(of.dy, 0, time_, T(1), y_);
    Index first = time_;  // the first query that looks at one of these keys
    each_block(seen, j, keys, [&](Index i, Index rows, Index limit) {
      first = std::min(first, i);
      T* p = p_.data() + i * p_.stride();
      T* ds = ds_.data() + i * ds_.stride();
      product<Left::plain>(rows, limit, {q_.data() + i * q_.stride(), q_.stride(), kt_.data(), kt_.stride(),
                                         d_, nullptr, p, p_.stride()});
      product<Left::plain>(rows, limit, {y_.data() + i * y_.stride(), y_.stride(), vt_.data(), vt_.stride(),
                                         d_, nullptr, ds, ds_.stride()});  // dp = dy v^T
      for (Index r = 0; r < rows; ++r, p += p_.stride(), ds += ds_.stride()) {
        exponentials(p, whole(limit), *of.log_sum.row(i + r));
        cover(seen, j, allowed(seen, i + r, j, limit), kKeys, T(0), p);
        // The sum of dp * p over all keys is that of dy * y over the components.
        const T mean = (some(of.dy.row(i + r)) * some(of.y.row(i + r))).sum();
        vectors(ds + whole(limit), kKeys - whole(limit)).setZero();
        vectors(ds, whole(limit)) = vectors(p, whole(limit)) * (vectors(ds, whole(limit)) - mean);  // dS = p * (dp - sum)
      }
      product<Left::plain>(rows, d_, {ds_.data() + i * ds_.stride(), ds_.stride(), k_.data(), k_.stride(),
                                      limit, nullptr, part_.data(), part_.stride()});
      for (Index r = 0; r < rows; ++r) {
        const auto part = some(part_.data() + r * part_.stride());
        if (j == 0) {
          some(of.dq.row(i + r)) = part;
        } else {
          some(of.dq.row(i + r)) += part;
        }
      }
    });
    if (first == time_) return;
    for (Index r = 0; r < keys; r += kTileRows) {
      const Index rows = std::min(kTileRows, keys - r);
      // The first query that looks at one of these.
      const Index from = causal_ ? std::max(first, j + r - seen.past) : first;
      add_product(p_, from, r, rows, y_, dv_);   // dv = p^T dy
      add_product(ds_, from, r, rows, q_, dk_);  // dk = dS^T q / sqrt(d)
    }
  }

  /// c += a^T b for some rows of c, over the rows of a and b from `first` on.
  void add_product(const Buffer<T>& a, Index first, Index r, Index rows, const Buffer<T>& b, const Buffer<T>& c) {
    product<Left::transposed>(rows, d_, {a.data() + first * a.stride() + r, a.stride(),
                                         b.data() + first * b.stride(), b.stride(), time_ - first, nullptr,
                                         part_.data(), part_.stride()});
    vectors(c.data() + r * c.stride(), rows * c.stride()) += vectors(part_.data(), rows * part_.stride());
  }

  /// The same for a single query, such as the next token's, which reads each key once.
  void forward_one(const Seen<T>& seen, T* q, T* y, T* log_sum) {
    s_.resize(static_cast<std::size_t>(seen.count));
    Eigen::Map<Numbers> s(s_.data(), seen.count);
    for (Index j = 0; j < seen.count; ++j) {
      s[j] = is_real(seen, j) ? (some(q) * some(seen.k.row(j))).sum() * scale_ : -kInfinity;
    }
    some(y).setZero();
    const T top = s.maxCoeff();
    *log_sum = kInfinity;
    if (top == -kInfinity) return;
    s = (s - top).exp();
    T Z = 0;
    for (Index j = 0; j < seen.count; ++j) {
      if (!is_real(seen, j)) continue;
      Z += s[j];
      some(y) += s[j] * some(seen.v.row(j));
    }
    some(y) /= Z;
    *log_sum = top + std::log(Z);
  }

  Index d_, time_;
  bool causal_;
  T scale_;
  Buffer<T> kt_, vt_, k_, v_, dk_, dv_, part_, q_, y_, p_, ds_;
  std::vector<T> top_, sum_, s_;
};

}  // namespace byhand::kernels
