// The fast products against plain Eigen.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "byhand/kernels/products.hpp"
#include "byhand/randomness.hpp"
#include "arrays.hpp"
#include "check.hpp"

using namespace byhand;

namespace {

constexpr Index kSizes[] = {1, 3, 17, 31, 100};

/// What goes into the products of one layer, and what comes out.
template <class T>
struct Operands {
  Operands(Index batch, Index in, Index out)
      : x(random<T>(batch, in, 1)),
        W(random<T>(in, out, 2)),
        b(random<T>(1, out, 3)),
        dz(random<T>(batch, out, 4)),
        z(random<T>(batch, out, 5)),
        dW(random<T>(in, out, 6)),
        dx(random<T>(batch, in, 7)),
        db(random<T>(1, out, 8)) {}

  Buffer<T> x, W, b, dz, z, dW, dx, db;
};

template <class T>
void multiply_fast(Operands<T>& o, int threads) {
  Products<T> products(threads, std::max(o.W.rows(), o.W.columns()));
  products.affine(view(o.x), view(o.W), view(o.b), o.z.all());
  products.times_transposed(view(o.dz), view(o.W), o.dx.all());
  products.column_sums(view(o.dz), o.db.all());
  std::vector<int> received(static_cast<std::size_t>(o.W.rows() * o.W.columns()));
  const auto keep = [&](Index i, Index j, ConstView<T> block) {
    for (Index r = 0; r < block.rows(); ++r) {
      for (Index c = 0; c < std::min(block.cols(), o.W.columns() - j); ++c) {
        o.dW.all()(i + r, j + c) = block(r, c);
        ++received[static_cast<std::size_t>((i + r) * o.W.columns() + j + c)];
      }
    }
  };
  products.transposed_times(view(o.x), view(o.dz), view(o.W), keep);
  CHECK(std::all_of(received.begin(), received.end(), [](int times) { return times == 1; }));
}

/// The same in plain Eigen and double precision; with `sizes` of the absolute values of x, W, b
/// and dz, which gives the sums of the sizes of all terms.
template <class T>
Operands<double> multiply_plainly(const Operands<T>& from, bool sizes) {
  Operands<double> o(from.x.rows(), from.W.rows(), from.W.columns());
  const std::pair<const Buffer<T>*, Buffer<double>*> copies[] = {
      {&from.x, &o.x}, {&from.W, &o.W}, {&from.b, &o.b}, {&from.dz, &o.dz}};
  for (const auto& [source, copy] : copies) {
    for (Index i = 0; i < copy->rows(); ++i) {
      for (Index j = 0; j < copy->columns(); ++j) {
        const double value = source->all()(i, j);
        copy->all()(i, j) = sizes ? std::abs(value) : value;
      }
    }
  }
  plain::affine(view(o.x), view(o.W), view(o.b), o.z.all());
  plain::times_transposed(view(o.dz), view(o.W), o.dx.all());
  plain::column_sums(view(o.dz), o.db.all());
  plain::transposed_times(view(o.x), view(o.dz), o.dW.all());
  return o;
}

/// Two sums of n terms differ by at most n epsilon times the sum of the sizes of the terms,
/// whatever their orders (Higham, Accuracy and stability of numerical algorithms, section 4.2).
template <class T>
bool agree(const Buffer<T>& fast, const Buffer<double>& plain, const Buffer<double>& sizes,
           Index terms) {
  const double bound = static_cast<double>(terms) * std::numeric_limits<T>::epsilon();
  for (Index i = 0; i < plain.rows(); ++i) {
    for (Index j = 0; j < plain.columns(); ++j) {
      const double error = std::abs(fast.all()(i, j) - plain.all()(i, j));
      if (!(error <= bound * sizes.all()(i, j))) return false;
    }
  }
  return true;
}

template <class T>
bool equal(const Buffer<T>& a, const Buffer<T>& b) {
  return check::relative_error(a.all(), b.all()) == 0;
}

template <class T>
void compare(Index batch, Index in, Index out, int threads) {
  Operands<T> fast(batch, in, out);
  multiply_fast(fast, threads);
  const Operands<double> plain = multiply_plainly(fast, false);
  const Operands<double> sizes = multiply_plainly(fast, true);
  CHECK(agree(fast.z, plain.z, sizes.z, in + 1));
  CHECK(agree(fast.dx, plain.dx, sizes.dx, out));
  CHECK(agree(fast.dW, plain.dW, sizes.dW, batch));
  CHECK(agree(fast.db, plain.db, sizes.db, batch));
}

template <class T>
void test_every_size() {
  for (const Index batch : kSizes) {
    for (const Index in : kSizes) {
      for (const Index out : kSizes) compare<T>(batch, in, out, 1);
    }
  }
}

template <class T>
void test_large_sizes() {
  compare<T>(1, 70, 517, 1);
  for (const int threads : {1, 2}) {
    compare<T>(130, 300, 70, threads);
    compare<T>(Products<T>::kSharedWork / (129 * 129) + 1, 129, 129, threads);
  }
}

template <class T>
void test_threads_change_no_bit() {
  constexpr Index in = 203, out = 170, batch = Products<T>::kSharedWork / (in * out) + 1;
  Operands<T> one(batch, in, out);
  multiply_fast(one, 1);
  for (const int threads : {2, 3}) {
    Operands<T> more(batch, in, out);
    multiply_fast(more, threads);
    CHECK(equal(more.z, one.z));
    CHECK(equal(more.dx, one.dx));
    CHECK(equal(more.dW, one.dW));
    CHECK(equal(more.db, one.db));
  }
}

}  // namespace

int main() {
  return check::run({test_every_size<float>, test_every_size<double>, test_large_sizes<float>,
                     test_large_sizes<double>, test_threads_change_no_bit<float>,
                     test_threads_change_no_bit<double>});
}
