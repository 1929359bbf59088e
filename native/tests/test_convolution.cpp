// The fast products of a convolution against plain Eigen, pooling and normalisation against what is
// known by heart.
#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "byhand/layers/batch_norm.hpp"
#include "byhand/layers/convolution2d.hpp"
#include "byhand/layers/max_pool2d.hpp"
#include "byhand/randomness.hpp"
#include "arrays.hpp"
#include "check.hpp"

using namespace byhand;

namespace {

/// One convolution: its operands, and its results by the fast products.
template <class T>
struct Case {
  Case(const ConvolutionSizes& sizes, Index batch, int threads)
      : s(sizes),
        x(random<T>(batch, s.x.channels * s.x.pixels(), 1)),
        W(random<T>(s.z.channels, s.depth(), 2)),
        b(random<T>(1, s.z.channels, 3)),
        dz(random<T>(batch, s.z.channels * s.z.pixels(), 4)),
        z(random<T>(batch, dz.columns(), 5)),
        dW(random<T>(W.rows(), W.columns(), 6)),
        dx(random<T>(batch, x.columns(), 7)) {
    Convolution<T> fast(s, batch + 3, threads);
    Team team(threads);
    // Twice, and first with fewer examples: nothing may be left of the time before.
    for (const Index rows : {std::max<Index>(1, batch - 1), batch}) {
      const auto top = [&](const Buffer<T>& of) { return constant(of.top(rows)); };
      fast.convolve(top(x), view(W), view(b), z.top(rows), team);
      fast.input_gradient(top(dz), view(W), dx.top(rows), team);
      fast.weight_gradient(top(x), top(dz), dW.all(), team);
    }
  }

  ConvolutionSizes s;
  Buffer<T> x, W, b, dz, z, dW, dx;
};

template <class T>
Buffer<double> in_double(const Buffer<T>& of) {
  Buffer<double> all(of.rows(), of.columns());
  for (Index i = 0; i < of.rows(); ++i) {
    for (Index j = 0; j < of.columns(); ++j) all.all()(i, j) = static_cast<double>(of.all()(i, j));
  }
  return all;
}

/// In double precision the plain ones, whatever T is: they take long to compile.
template <class T>
void check_against_plain(const ConvolutionSizes& s, Index batch, int threads = 1) {
  const Case<T> found(s, batch, threads);
  const auto x = in_double(found.x), W = in_double(found.W), b = in_double(found.b),
             dz = in_double(found.dz);
  Buffer<double> z(batch, dz.columns()), dW(W.rows(), W.columns()), dx(batch, x.columns());
  plain::convolve(s, view(x), view(W), view(b), z.all());
  plain::weight_gradient(s, view(x), view(dz), dW.all());
  plain::input_gradient(s, view(dz), view(W), dx.all());
  const double bound = 10 * static_cast<double>(std::numeric_limits<T>::epsilon());
  CHECK_BELOW(check::relative_error(found.z.all(), z.all()), bound);
  CHECK_BELOW(check::relative_error(found.dW.all(), dW.all()), bound);
  CHECK_BELOW(check::relative_error(found.dx.all(), dx.all()), bound);
}

template <class T>
void test_sizes() {
  const Window five{{5, 1, 0, 1}, {5, 1, 0, 1}};
  check_against_plain<T>({{1, 28, 28}, 20, five, 1}, 2);
  check_against_plain<T>({{3, 12, 12}, 40, five, 1}, 3);
  check_against_plain<T>({{2, 12, 20}, 64, five, 1}, 1);
  check_against_plain<T>({{1, 5, 5}, 3, five, 1}, 30);  // one window
  // So many channels that sums are added up part by part.
  check_against_plain<T>({{50, 9, 7}, 110, {{3, 2, 1, 1}, {2, 2, 0, 1}}, 1}, 2);
  check_against_plain<T>({{80, 9, 7}, 120, {{3, 2, 1, 1}, {3, 1, 1, 2}}, 2}, 2);
  for (Index channels = 1; channels <= 30; ++channels) {
    check_against_plain<T>({{31 - channels, 4, 5}, channels, {{3, 1, 1, 1}, {2, 1, 0, 1}}, 1}, 2);
  }
}

template <class T>
void test_windows() {
  // Every way down with every way across, on sizes at which some pixels are under no window.
  const Steps ways[] = {{3, 1, 0, 1}, {1, 2, 0, 1}, {3, 2, 1, 1}, {2, 3, 2, 2},
                        {4, 1, 3, 1}, {2, 1, 0, 3}, {3, 4, 1, 3}, {1, 1, 2, 1}};
  for (const Steps& down : ways) {
    for (const Steps& across : ways) {
      check_against_plain<T>({{4, 11, 9}, 6, {down, across}, 2}, 2);
    }
  }
  check_against_plain<T>({{6, 7, 7}, 6, {{3, 1, 1, 1}, {3, 1, 1, 1}}, 6}, 2);  // each by itself
  check_against_plain<T>({{6, 7, 7}, 12, {{3, 1, 1, 1}, {3, 1, 1, 1}}, 3}, 2);
}

/// Bits do not depend on the number of threads.
template <class T>
void check_threads(const ConvolutionSizes& sizes, int threads) {
  const Index batch = Products<T>::kSharedWork / sizes.multiply_adds() + 3;
  const Case<T> one(sizes, batch, 1), more(sizes, batch, threads);
  CHECK(one.z.all() == more.z.all());
  CHECK(one.dW.all() == more.dW.all());
  CHECK(one.dx.all() == more.dx.all());
}

template <class T>
void test_threads() {
  const Window five{{5, 1, 2, 1}, {5, 1, 2, 1}};
  check_threads<T>({{8, 20, 20}, 24, five, 1}, 3);
  // Fewer channels of x than threads: those of z are shared too, as far as there are enough.
  check_threads<T>({{1, 28, 28}, 20, five, 1}, 2);
  check_threads<T>({{1, 19, 21}, 32, five, 1}, 3);
  check_threads<T>({{2, 19, 21}, 34, five, 2}, 5);
  check_threads<T>({{1, 20, 20}, 7, five, 1}, 5);
}

/// What is not a number is not left behind for the next pass.
template <class T>
void test_nothing_is_left() {
  const ConvolutionSizes sizes({2, 7, 6}, 3, {{3, 2, 1, 1}, {2, 1, 1, 1}}, 1);
  const Case<T> expected(sizes, 2, 1);
  Case<T> again(sizes, 2, 1);
  Convolution<T> fast(sizes, 2, 1);
  Team team(1);
  for (const bool bad : {true, false}) {
    const T number = bad ? std::numeric_limits<T>::quiet_NaN() : T(1);
    Buffer<T> x = random<T>(2, again.x.columns(), 1), dz = random<T>(2, again.dz.columns(), 4);
    x.all() *= number;
    dz.all() *= number;
    fast.convolve(view(x), view(again.W), view(again.b), again.z.all(), team);
    fast.input_gradient(view(dz), view(again.W), again.dx.all(), team);
    fast.weight_gradient(view(x), view(dz), again.dW.all(), team);
  }
  CHECK(again.z.all() == expected.z.all());
  CHECK(again.dW.all() == expected.dW.all());
  CHECK(again.dx.all() == expected.dx.all());
}

void test_max_pool() {
  Settings settings{{"kernel_height", 2}, {"kernel_width", 2}, {"stride_height", 2},
                    {"stride_width", 2},  {"padding_height", 0}, {"padding_width", 0}};
  MaxPool2D<double> pool(settings);
  pool.reserve(1, {1, 2, 6}, 1);
  CHECK(pool.output_shape({1, 2, 6}) == (Shape{1, 1, 3}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  // A tie, a maximum below zero, and two that are not numbers.
  const double pixels[] = {1, 3, -4, -1, nan, 7,  //
                           3, 2, -2, -3, 5, nan};
  Buffer<double> x(1, 12), y(1, 3), dy(1, 3), dx(1, 12);
  std::copy_n(pixels, 12, x.data());
  for (Index k = 0; k < 3; ++k) dy.all()(0, k) = static_cast<double>(k + 1);
  Products<double> products(1, 1);
  Pass<double> pass{products};
  pool.forward(view(x), y.all(), pass);
  CHECK_EQUAL(y.all()(0, 0), 3);
  CHECK_EQUAL(y.all()(0, 1), -1);
  CHECK(std::isnan(y.all()(0, 2)));
  pool.backward(view(x), view(y), view(dy), dx.all(), pass);
  const double expected[] = {0, 1, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0};
  for (Index k = 0; k < 12; ++k) CHECK_EQUAL(dx.all()(0, k), expected[k]);
}

/// What pooling makes of random numbers.
template <class T>
struct Pooled {
  Pooled(const Settings& settings, Index batch, const Shape& shape, int threads) {
    MaxPool2D<T> pool(settings);
    pool.reserve(batch, shape, threads);
    const Buffer<T> x = random<T>(batch, count(shape), 1);
    y = Buffer<T>(batch, count(pool.output_shape(shape)));
    dx = random<T>(batch, count(shape), 2);
    Products<T> products(threads, 1);
    Pass<T> pass{products};
    pool.forward(view(x), y.all(), pass);
    pool.backward(view(x), view(y), view(random<T>(batch, y.columns(), 3)), dx.all(), pass);
  }

  Buffer<T> y, dx;
};

template <class T>
void test_threads_that_pool() {
  for (const double stride : {1., 2., 3.}) {
    const Settings settings{{"kernel_height", 3}, {"kernel_width", 2}, {"stride_height", stride},
                            {"stride_width", stride}, {"padding_height", 1}, {"padding_width", 0}};
    const Shape shape{3, 22, 17};
    const Index batch = MaxPool2D<T>::kSharedNumbers / count(shape) + 3;
    const Pooled<T> one(settings, batch, shape, 1), three(settings, batch, shape, 3);
    CHECK(one.y.all() == three.y.all());
    CHECK(one.dx.all() == three.dx.all());
  }
}

void test_running_statistics() {
  BatchNorm<double> layer({{"features", 1}, {"epsilon", 1e-5}, {"momentum", 0.1}});
  layer.reserve(4, {1}, 1);
  Products<double> products(1, 1);
  Pass<double> pass{products};
  pass.training = true;
  Buffer<double> x(4, 1), y(4, 1);
  for (Index n = 0; n < 4; ++n) x.all()(n, 0) = static_cast<double>(2 * n);  // mean 3, variance 5
  layer.forward(view(x), y.all(), pass);
  CHECK_NEAR(y.all()(3, 0), 3 / std::sqrt(5 + 1e-5), 1e-14);
  layer.update_statistics();
  CHECK_NEAR(layer.parameters[2].value.all()(0, 0), 0.9 * 0 + 0.1 * 3, 1e-14);
  CHECK_NEAR(layer.parameters[3].value.all()(0, 0), 0.9 * 1 + 0.1 * 5 * 4 / 3, 1e-14);
  pass.training = false;
  layer.forward(view(x), y.all(), pass);
  CHECK_NEAR(y.all()(3, 0), (6 - 0.3) / std::sqrt(0.9 + 2.0 / 3 + 1e-5), 1e-14);
  std::string found;
  try {
    pass.training = true;
    layer.forward(constant(x.top(1)), y.top(1), pass);
  } catch (const std::invalid_argument& error) {
    found = error.what();
  }
  CHECK_EQUAL(found, "BatchNorm: in training each feature needs two values or more");
}

template <class T>
void test_convolution() {
  test_sizes<T>();
  test_windows<T>();
  test_threads<T>();
  test_nothing_is_left<T>();
}

}  // namespace

int main() {
  return check::run({test_convolution<float>, test_convolution<double>, test_max_pool,
                     test_threads_that_pool<float>, test_threads_that_pool<double>,
                     test_running_statistics});
}
