// The generator against the numbers that tests/test_randomness.py pins, and the initializers.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "byhand/initializers.hpp"
#include "byhand/randomness.hpp"
#include "check.hpp"

using namespace byhand;

namespace {

void check_words(Philox generator, const std::array<std::uint64_t, 3>& expected) {
  for (const std::uint64_t word : expected) CHECK_EQUAL(generator.next(), word);
}

void test_first_words_of_each_purpose() {
  constexpr std::uint64_t last = 0xFFFFFFFFFFFFFFFF;
  check_words(stream(0, Purpose::parameters),
              {0xD037F8C3F9A1D176, 0xC057419B4C210765, 0xABF13115117B0065});
  check_words(stream(last, Purpose::parameters, 3, 1),
              {0x84B6A9A18EF3E38C, 0xB8AD4F098335A89B, 0xB035B18FE4CF7065});
  check_words(stream(0, Purpose::order),
              {0xD07EB80C9FFC0C00, 0x708EEBD5FE6D0226, 0x4CBA73AB470CA202});
  check_words(stream(last, Purpose::order, 3, 1),
              {0x4EF88D656569C132, 0x975C1D15A02DA739, 0xD00BEAA2E619BF6A});
  check_words(stream(0, Purpose::dropout),
              {0x79A407DE1ED21B93, 0x7CE8708370A78AE7, 0x8E24C521C7A3F06A});
  check_words(stream(last, Purpose::dropout, 3, 1),
              {0x64933FDEE96941F5, 0xFF253A6118D46033, 0xA8A213A4DA1E2678});
  check_words(stream(0, Purpose::split),
              {0x6DDD30B2E7A29A82, 0xA4F65AB2DDB46C74, 0x7BE2E1C74434C648});
  check_words(stream(last, Purpose::split, 3, 1),
              {0x864079EFB2526EF4, 0x439EE4208501981B, 0x75B0856312ACD45E});
}

void test_counting_carries() {
  // One block before the counter's two low words are full, and just after.
  constexpr std::uint64_t full = 0xFFFFFFFFFFFFFFFF;
  Philox before({1, 2}, {full, full, 5, 6});
  Philox after({1, 2}, {0, 0, 6, 6});
  for (int k = 0; k < 4; ++k) before.next();
  for (int k = 0; k < 4; ++k) CHECK_EQUAL(before.next(), after.next());
}

void test_halves_of_words() {
  Philox generator = stream(0, Purpose::parameters);
  for (const std::uint32_t half : {0xF9A1D176u, 0xD037F8C3u, 0x4C210765u, 0xC057419Bu}) {
    CHECK_EQUAL(generator.next32(), half);
  }
}

void test_uniform() {
  Philox generator = stream(0, Purpose::dropout);
  for (const double u : {0.47515916035519756, 0.48792174538598776, 0.5552485663862539}) {
    CHECK_EQUAL(generator.uniform(), u);
  }
}

void test_batch_order() {
  using Order = std::vector<std::int64_t>;
  CHECK((batch_order(0, 0, 10) == Order{1, 4, 8, 7, 9, 3, 2, 5, 6, 0}));
  CHECK((batch_order(0, 1, 10) == Order{8, 0, 6, 9, 5, 7, 1, 3, 4, 2}));
  CHECK((batch_order(7, 3, 1) == Order{0}));
  Order order = batch_order(3, 5, 1000), every(1000);
  std::iota(every.begin(), every.end(), 0);
  CHECK(order != every);
  std::sort(order.begin(), order.end());
  CHECK(order == every);
}

void test_standard_normal() {
  Philox generator = stream(0, Purpose::parameters);
  constexpr int draws = 100'000;
  double sum = 0, squares = 0, fourths = 0;
  for (int k = 0; k < draws; ++k) {
    const double w = standard_normal(generator);
    sum += w;
    squares += w * w;
    fourths += w * w * w * w;
  }
  // Moments 0, 1 and 3, within five standard errors: their variances are 1, 2 and 96 by the draw.
  const double error = 5 / std::sqrt(draws);
  CHECK_BELOW(std::abs(sum / draws), error);
  CHECK_BELOW(std::abs(squares / draws - 1), error * std::sqrt(2));
  CHECK_BELOW(std::abs(fourths / draws - 3), error * std::sqrt(96));
}

/// A layer with parameters and nothing else: the products of a real one take long to compile.
struct Weights final : Layer<double> {
  Weights(Index in, Index out) {
    parameters.push_back({"W", true, Buffer<double>(in, out)});
    parameters.push_back({"b", false, Buffer<double>(1, out)});
    for (auto& w : parameters) w.value.all().setConstant(7);
  }
  void forward(ConstView<double>, View<double>, Pass<double>&) override {}
  void backward(ConstView<double>, ConstView<double>, ConstView<double>, View<double>,
                Pass<double>&) override {}
};

void test_initialize() {
  std::vector<std::unique_ptr<Layer<double>>> layers;
  layers.push_back(std::make_unique<Weights>(400, 30));
  layers.push_back(std::make_unique<Weights>(30, 5));
  Sequential<double> model(std::move(layers), Shape{400});
  initialize(model, 12);
  for (std::size_t k = 0; k < model.size(); ++k) {
    // A stream of its own for each layer, whatever the layers around it.
    Philox random = stream(12, Purpose::parameters, k);
    const auto W = model.layer(k).parameters[0].value.all();
    const auto b = model.layer(k).parameters[1].value.all();
    const double root = std::sqrt(static_cast<double>(W.rows()));
    for (Index i = 0; i < W.rows(); ++i) {
      for (Index j = 0; j < W.cols(); ++j) {
        CHECK_EQUAL(W(i, j), standard_normal(random) / root);
      }
    }
    for (Index j = 0; j < b.cols(); ++j) CHECK_EQUAL(b(0, j), 0);
  }
}

}  // namespace

int main() {
  return check::run({test_first_words_of_each_purpose, test_counting_carries, test_halves_of_words,
                     test_uniform, test_batch_order, test_standard_normal, test_initialize});
}
