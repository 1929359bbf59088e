// The products of a convolution, made fast. plain_convolution.hpp says the same in plain Eigen.
#pragma once

#include <vector>

#include "byhand/kernels/columns.hpp"
#include "byhand/kernels/plain_convolution.hpp"
#include "byhand/kernels/products.hpp"
#include "byhand/kernels/strips.hpp"

namespace byhand {

/// The fast products, with what they need from call to call.
///
/// All three are products with the matrix of all windows, whose rows are read from strips. Threads
/// share the images, and for dW the channels of x, or of both x and z where x has few: no sum.
template <class T>
class Convolution {
 public:
  /// For up to so many images at once.
  Convolution(const ConvolutionSizes& sizes, Index batch, int threads)
      : s_(sizes),
        strips_(sizes.window, sizes.x),
        pixels_((sizes.z.pixels() + width<T> - 1) / width<T> * width<T>),
        lead_(strips_.shift(down().kernel - 1)),
        spread_(padded<T>(lead_ + strips_.part() + width<T>)),
        inputs_(in_parts(s_.in(), s_.window.area())),
        outputs_(in_parts(s_.out(), down().kernel)),
        together_(std::clamp<Index>(kLength / pixels_, 1, batch)),
        weights_(s_.groups, std::max(kernels::covered(s_.out()) * s_.depth(),
                                     kernels::covered(s_.in() * across().kernel) * s_.out() *
                                         down().kernel)) {
    for (Index c = 0; c < inputs_; ++c) {
      for (Index k = 0; k < s_.window.area(); ++k) {
        windows_.push_back(c * strips_.size() + strips_.place(k));
      }
    }
    // As many as columns cover: those behind the last get any weight, and are not looked at.
    for (Index r = 0; r < kernels::covered(s_.in() * across().kernel); ++r) {
      const Index strip = std::min(r, s_.in() * across().kernel - 1);
      taps_.push_back(strip / across().kernel * s_.window.area() + strip % across().kernel);
    }
    for (Index remainder = 0; remainder < strips_.remainders(); ++remainder) add_pieces(remainder);
    each_part(s_.out(), outputs_, [&](Index, Index count) {
      for (const Index i : kernel_rows_) {
        for (Index o = 0; o < count; ++o) errors_.push_back(o * spread_ + lead_ - strips_.shift(i));
      }
    });
    if (pixels_ != s_.z.pixels()) whole_ = Buffer<T>(batch, s_.z.channels * pixels_);
    for (int k = 0; k < threads; ++k) {
      members_.push_back({Buffer<T>(1, std::max(inputs_, together_) * strips_.size()),
                          Buffer<T>(1, s_.in() * strips_.size()),
                          Buffer<T>(1, outputs_ * spread_)});
    }
  }

  /// Whether threads share the work on so many images.
  bool shared(Index images) const {
    return images * s_.multiply_adds() >= Products<T>::kSharedWork;
  }

  /// z = x * W + b
  void convolve(ConstView<T> x, ConstView<T> W, ConstView<T> b, View<T> z, Team& team) {
    each_column(s_.out(), s_.depth(), [&](Index g, Index o, Index rows, T* to) {
      for (Index r = 0; r < rows; ++r) {
        const T* from = row(W, g * s_.out() + std::min(o + r, s_.out() - 1));
        for (Index k = 0; k < s_.depth(); ++k) to[k * rows + r] = from[k];
      }
    });
    team.run(x.rows(), shared(x.rows()), [&](Index n, int member) {
      const bool whole = pixels_ == s_.z.pixels();
      T* to = whole ? row(z, n) : row(whole_.all(), n);
      for (Index g = 0; g < s_.groups; ++g) {
        convolve_group(row(x, n), g, b.data(), to, members_[static_cast<std::size_t>(member)]);
      }
      for (Index o = 0; !whole && o < s_.z.channels; ++o) {
        std::copy_n(to + o * pixels_, s_.z.pixels(), row(z, n) + o * s_.z.pixels());
      }
    });
  }

  /// dx = dz times W, each window's added back where it was cut out. First the strips' gradients:
  ///
  ///     dstrip (c, j) [e] = sum over o, i of W[o, c, i, j] dz[o, e - start(i)]
  ///
  /// with dz = 0 outside, so that each piece of a strip is a sum of its own.
  void input_gradient(ConstView<T> dz, ConstView<T> W, View<T> dx, Team& team) {
    const Index strips = s_.in() * across().kernel;
    each_column(strips, s_.out() * down().kernel, [&](Index g, Index first, Index rows, T* to) {
      each_part(s_.out(), outputs_, [&](Index begin, Index count) {
        for (const Index i : kernel_rows_) {
          for (Index o = begin; o < begin + count; ++o, to += rows) {
            const T* from = row(W, g * s_.out() + o) + i * across().kernel;
            const Index* taps = taps_.data() + first;
            for (Index r = 0; r < rows; ++r) to[r] = from[taps[r]];
          }
        }
      });
    });
    team.run(dz.rows(), shared(dz.rows()), [&](Index n, int member) {
      Member& m = members_[static_cast<std::size_t>(member)];
      std::fill_n(row(dx, n), dx.cols(), T(0));
      for (Index g = 0; g < s_.groups; ++g) {
        each_part(s_.out(), outputs_, [&](Index begin, Index count) {
          spread(row(dz, n) + (g * s_.out() + begin) * s_.z.pixels(), count, m);
          add_strip_gradients(g, begin, count, m);
        });
        for (Index c = 0; c < s_.in(); ++c) {
          strips_.add_back(m.dstrips.data() + c * strips_.size(),
                           row(dx, n) + (g * s_.in() + c) * s_.x.pixels());
        }
      }
    });
  }

  /// dW = sum of dz times the windows
  void weight_gradient(ConstView<T> x, ConstView<T> dz, View<T> dW, Team& team) {
    const bool whole = pixels_ == s_.z.pixels();
    if (!whole) widen(dz, team);
    const T* errors = whole ? dz.data() : whole_.data();
    const Index image = whole ? dz.outerStride() : whole_.stride();
    // Each part of the channels of z cuts the strips anew: no more parts than there are threads for.
    const Index threads = shared(x.rows()) ? team.size() : 1;
    const Index blocks = (s_.out() + kernels::kDotRows - 1) / kernels::kDotRows;
    const Index parts = std::clamp<Index>(threads / s_.x.channels, 1, blocks);
    team.run(s_.x.channels * parts, threads > 1, [&](Index item, int member) {
      const Index c = item / parts, part = item % parts;
      const Index begin = blocks * part / parts * kernels::kDotRows;
      const Index end = std::min(blocks * (part + 1) / parts * kernels::kDotRows, s_.out());
      T* strips = members_[static_cast<std::size_t>(member)].strips.data();
      for (Index first = 0; first < x.rows(); first += together_) {
        const Index images = std::min(together_, x.rows() - first);
        for (Index n = 0; n < images; ++n) {
          strips_.cut(row(x, first + n) + c * s_.x.pixels(), strips + n * strips_.size());
        }
        add_dots(errors + first * image, image, strips, images, c, begin, end, first > 0, dW);
      }
    });
  }

 private:
  /// The terms of a sum that are added up at once, about: their factors fit the nearest cache.
  static constexpr Index kDepth = 160;

  /// The length of an inner product, about: long enough for the adding up at its end not to count,
  /// short enough for its factors to stay in a near cache.
  static constexpr Index kLength = 1024;

  /// A vector of a strip, and the rows of the kernel that meet it, as places in kernel_rows_.
  struct Piece {
    Index place, part_place, first, end;
  };

  /// What one thread works in.
  struct Member {
    Buffer<T> strips, dstrips, dz;
  };

  const Steps& down() const { return s_.window.down; }
  const Steps& across() const { return s_.window.across; }

  /// How many channels make a part, where each of them stands for so many terms of a sum.
  static Index in_parts(Index channels, Index terms) {
    const Index parts = std::min(channels, (channels * terms + kDepth - 1) / kDepth);
    return (channels + parts - 1) / parts;
  }

  /// The pieces of the part of a strip that belongs to a remainder, with the rows of the kernel.
  void add_pieces(Index remainder) {
    const Index first = static_cast<Index>(kernel_rows_.size());
    for (Index i = 0; i < down().kernel; ++i) {
      if (strips_.remainder(i) == remainder) kernel_rows_.push_back(i);
    }
    const Index end = static_cast<Index>(kernel_rows_.size());
    const auto shift = [&](Index k) { return strips_.shift(kernel_rows_.data()[k]); };
    for (Index e = 0; e < strips_.part(); e += width<T>) {
      // The others would meet nothing but the zeros around dz.
      Piece piece{remainder * strips_.part() + e, e, first, end};
      while (piece.first < piece.end && e - shift(piece.first) >= s_.z.pixels()) ++piece.first;
      while (piece.end > piece.first && e + width<T> <= shift(piece.end - 1)) --piece.end;
      pieces_.push_back(piece);
    }
  }

  /// body(the first channel, how many) for each part.
  template <class Body>
  static void each_part(Index channels, Index part, Body&& body) {
    for (Index begin = 0; begin < channels; begin += part) {
      body(begin, std::min(part, channels - begin));
    }
  }

  /// body(group, first row, rows, where they are packed) for all columns of the groups' matrices.
  template <class Body>
  void each_column(Index rows, Index depth, Body&& body) {
    for (Index g = 0; g < s_.groups; ++g) {
      T* packed = row(weights_.all(), g);
      for (Index first = 0, height; first < rows; first += height, packed += height * depth) {
        height = kernels::column_rows(rows - first);
        body(g, first, height, packed);
      }
    }
  }

  /// The channels of one group of an image, part after part of its sums.
  void convolve_group(const T* x, Index g, const T* b, T* z, Member& m) {
    each_part(s_.in(), inputs_, [&](Index begin, Index count) {
      for (Index c = 0; c < count; ++c) {
        strips_.cut(x + (g * s_.in() + begin + c) * s_.x.pixels(),
                    m.strips.data() + c * strips_.size());
      }
      const T* packed = row(weights_.all(), g);
      for (Index o = 0, rows; o < s_.out(); o += rows, packed += rows * s_.depth()) {
        rows = kernels::column_rows(s_.out() - o);
        const Index channel = g * s_.out() + o;
        for (Index w = 0; w < pixels_; w += width<T>) {
          kernels::run_column<T>(
              rows, {packed + begin * s_.window.area() * rows, m.strips.data() + w, windows_.data(),
                     count * s_.window.area(), begin == 0 ? b + channel : nullptr,
                     z + channel * pixels_ + w, pixels_, std::min(rows, s_.out() - o)});
        }
      }
    });
  }

  /// Some channels of dz with zeros around each.
  void spread(const T* dz, Index count, Member& m) const {
    for (Index o = 0; o < count; ++o) {
      std::copy_n(dz + o * s_.z.pixels(), s_.z.pixels(), m.dz.data() + o * spread_ + lead_);
    }
  }

  /// The part of a group's strips that comes from those channels.
  void add_strip_gradients(Index g, Index begin, Index count, Member& m) const {
    static constexpr T zeros[kernels::kColumnRows] = {};
    const Index strips = s_.in() * across().kernel, kh = down().kernel;
    const T* packed = row(weights_.all(), g);
    for (Index r = 0, rows; r < strips; r += rows, packed += rows * s_.out() * kh) {
      rows = kernels::column_rows(strips - r);
      for (const Piece& piece : pieces_) {
        const Index k = begin * kh + piece.first * count;
        kernels::run_column<T>(
            rows, {packed + k * rows, m.dz.data() + piece.part_place, errors_.data() + k,
                   (piece.end - piece.first) * count, begin == 0 ? zeros : nullptr,
                   m.dstrips.data() + r * strips_.stride() + piece.place, strips_.stride(),
                   std::min(rows, strips - r)});
      }
    }
  }

  /// dz with zeros behind every channel, up to the next whole vector.
  void widen(ConstView<T> dz, Team& team) {
    team.run(dz.rows(), shared(dz.rows()), [&](Index n, int) {
      for (Index o = 0; o < s_.z.channels; ++o) {
        T* to = whole_.data() + n * whole_.stride() + o * pixels_;
        std::copy_n(row(dz, n) + o * s_.z.pixels(), s_.z.pixels(), to);
        std::fill(to + s_.z.pixels(), to + pixels_, T(0));
      }
    });
  }

  /// The part of dW that belongs to channel c of x and some of z's in its group: inner products of dz
  /// and the rows of its windows.
  void add_dots(const T* errors, Index image, const T* strips, Index images, Index c, Index begin,
                Index end, bool more, View<T> dW) const {
    using kernels::kDotColumns, kernels::kDotRows;
    const Index area = s_.window.area(), group = c / s_.in() * s_.out(), left = c % s_.in() * area;
    for (Index k = 0; k < area; k += kDotColumns) {
      for (Index o = begin; o < end; o += kDotRows) {
        kernels::DotOperands<T> operands{{}, {}, image, strips_.size(), images, pixels_};
        // What is left over is filled up with the last, and not looked at.
        for (Index r = 0; r < kDotRows; ++r) {
          operands.a[r] = errors + (group + std::min(o + r, end - 1)) * pixels_;
        }
        for (Index s = 0; s < kDotColumns; ++s) {
          operands.b[s] = strips + windows_[static_cast<std::size_t>(std::min(k + s, area - 1))];
        }
        T sums[kDotRows][kDotColumns];
        kernels::dots(operands, sums);
        for (Index r = 0; r < std::min(kDotRows, end - o); ++r) {
          for (Index s = 0; s < std::min(kDotColumns, area - k); ++s) {
            T& dw = dW(group + o + r, left + k + s);
            dw = more ? dw + sums[r][s] : sums[r][s];
          }
        }
      }
    }
  }

  ConvolutionSizes s_;
  kernels::Strips<T> strips_;
  Index pixels_;            // of a channel of z, up to the next whole vector
  Index lead_, spread_;     // zeros before a channel of dz among zeros, and from one to the next
  Index inputs_, outputs_;  // channels whose part of a sum is added up at once
  Index together_;          // images whose part of dW is
  Buffer<T> weights_;       // W as the columns read it
  std::vector<Index> windows_;      // where the rows of the matrix of all windows lie in the strips
  std::vector<Index> taps_;         // each strip's weight W[., c, 0, j], by its place in a row
  std::vector<Index> kernel_rows_;  // the rows of the kernel, in the order of their remainders
  std::vector<Index> errors_;       // for each of those and each channel: where its dz lies
  std::vector<Piece> pieces_;
  Buffer<T> whole_;                 // z or dz, where channels do not fill whole vectors
  std::vector<Member> members_;
};

}  // namespace byhand
